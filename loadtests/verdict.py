"""Whether a run has passed, and the exit code that says so."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.findings import MEANINGS
from loadtests.run import Run

PASSED = 0
FAILED = 1
"""A promise was broken, or the run could not be carried out."""
NOT_BEGUN = 2
"""The command line is wrong, or the accounts could not be prepared."""
MISSED = 3
"""A threshold was missed."""
VOID = 4
"""Nothing was measured but the generator or the server's limits of rate."""

NAMES = {PASSED: "passed", FAILED: "failed", MISSED: "threshold missed", VOID: "void"}


@dataclass(frozen=True)
class Check:
    """One threshold for one operation."""

    name: str
    operation: str
    wanted: float
    got: float
    met: bool


@dataclass(frozen=True)
class Verdict:
    """The exit code, why it is not 0, and what was checked."""

    code: int
    reasons: list[str]
    checks: list[Check]

    @property
    def name(self) -> str:
        return NAMES[self.code]


def judge(run: Run, errors: list[str]) -> Verdict:
    """`errors`: exceptions that Locust has caught. Of several failures the gravest gives the code."""
    checks = _check(run)
    failures = _broken_promises(run) + _mishaps(run, errors)
    voids = _voids(run)
    missed = [
        f"{check.operation}: {check.name} is {check.got:.4g}, wanted {check.wanted:g}"
        for check in checks
        if not check.met
    ]
    for code, reasons in ((FAILED, failures), (VOID, voids), (MISSED, missed)):
        if reasons:
            return Verdict(code, failures + voids + missed, checks)
    return Verdict(PASSED, [], checks)


def _broken_promises(run: Run) -> list[str]:
    counts = run.findings.counts
    return [f"{kind}, {_times(counts[kind])}: {meaning}" for kind, meaning in MEANINGS.items() if counts[kind]]


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _mishaps(run: Run, errors: list[str]) -> list[str]:
    mishaps = [f"the load generator itself failed: {error}" for error in errors + run.measurements.crashes]
    mishaps += [f"what is stored could not be compared: {error}" for error in sorted(set(run.unread))]
    if not run.begun.is_set():
        mishaps.append(f"only {run.users.total()} of {run.expected} users were ready when the time was up")
        return mishaps
    names = [scenario.operations[0] for scenario in run.scenarios]
    unmeasured = [name for name in names if not run.measurements.operation(name).latency.count]
    return mishaps + [f"there was not one {name} in {run.seconds:.0f} s" for name in unmeasured]


def _voids(run: Run) -> list[str]:
    voids = []
    if run.measurements.limited:
        voids.append(
            f"the server limited this machine {_times(run.measurements.limited)}: "
            "add its address to [rate_limit] exempt_networks in the server's config.toml"
        )
    punctuality = run.punctuality
    if not punctuality.kept:
        voids.append(
            f"the generator missed its own schedule: {punctuality.late} of {punctuality.lateness.count} arrivals were "
            f"more than {1000 * punctuality.tolerance_seconds:g} ms late, the latest by "
            f"{1000 * punctuality.lateness.longest:.0f} ms; ask for less, or use a faster machine"
        )
    return voids


def _check(run: Run) -> list[Check]:
    options, measurements = run.options, run.measurements
    checks = [
        Check("percent failed", name, options.check_loss, operation.loss, operation.loss <= options.check_loss)
        for name, operation in measurements.operations.items()
    ]
    for scenario in run.scenarios:
        if options.check_p99_ms is not None:
            for name in scenario.operations:
                p99 = 1000 * measurements.operation(name).latency.percentile(99)
                checks.append(Check("p99 in ms", name, options.check_p99_ms, p99, p99 <= options.check_p99_ms))
        if options.check_rate is not None:
            name = scenario.operations[0]
            rate = measurements.operation(name).latency.count / max(run.seconds, 1e-9)
            checks.append(Check("rate a second", name, options.check_rate, rate, rate >= options.check_rate))
    return checks
