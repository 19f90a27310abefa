"""`python -m infra_tests`, which is `make test-host`: everything that is to be proved, on a fresh host of each release.

Bare host, playbook, playbook again, verification, drills, the documents' commands, upgrades and a restore; and at the
end the matrix of the guide's entries.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType

from infra_tests import coverage
from infra_tests.drills.browser import PROGRAMS as BROWSER
from infra_tests.drills.record import FOLDER as RECORDS
from infra_tests.packages import ROOT, package
from infra_tests.provisioning import EXPECTED, Played, environment, name_line, variables, write_inventory
from infra_tests.provisioning import command as playbook
from infra_tests.steps import Ended, InterruptedRunError, StepError, Steps
from rig.host import Host
from rig.machine import RigError, prepare
from rig.trees import SUITES, ensure_tree

LOGS = ROOT / "build" / "test-host"
LEFT_OUT = {
    "bookworm": "infra_tests/playbooks/test_4_certificate.py",
    "trixie": "infra_tests/playbooks/test_3_document.py",
}
"""What takes minutes and is much the same on all releases: where all are proved, each leaves one to the other."""


def main() -> int:
    """Does it for the suites asked for, side by side; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra_tests", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{' or '.join(SUITES)}; all without it")
    suites = parser.parse_args().suites or list(SUITES)
    if unknown := set(suites) - set(SUITES):
        parser.error(f"no suite {', '.join(unknown)}")
    for folder in (RECORDS, LOGS):
        shutil.rmtree(folder, ignore_errors=True)
    steps = Steps()
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # steps end by it; a shell's background jobs ignore it
    try:
        prepare(also=BROWSER)
        trees = [ensure_tree(suite) for suite in suites]
        with ThreadPoolExecutor(len(suites)) as pool:
            runs = [pool.submit(OnHost(steps, tree.name, alone=len(trees) == 1).prove, tree) for tree in trees]
            failures = _failures(steps, runs)
    except RigError as failure:
        failures = [str(failure)]
    except KeyboardInterrupt:
        print("interrupted; the hosts are gone", file=sys.stderr)
        return 130
    incomplete = coverage.main(suites)
    for told in failures:
        print(told, file=sys.stderr)
    steps.say("all", "failed" if failures or incomplete else "passed")
    return 1 if failures or incomplete else 0


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _failures(steps: Steps, runs: list[Future[list[str]]]) -> list[str]:
    """What went wrong on any host, once all have ended."""
    failures: list[str] = []
    try:
        for run in runs:
            try:
                failures += run.result()
            except (RigError, StepError) as failure:
                failures.append(str(failure))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        steps.interrupt()
        raise
    return failures


class OnHost:
    """The run on one host."""

    def __init__(self, steps: Steps, suite: str, *, alone: bool) -> None:
        """`alone`: whether no other release is proved."""
        self._steps = steps
        self._left_out = [] if alone else [f"--ignore={LEFT_OUT[suite]}"]
        self._suite = suite
        self._folder = LOGS / suite
        self._inventory = self._folder / "inventory.json"
        self._expected = self._folder / "expectations.yaml"
        self._failures: list[str] = []
        self._address: list[str] = []
        self._count = 0

    def prove(self, tree: Path) -> list[str]:
        """Everything, in order; gives what failed. Raises StepError where nothing that follows would make sense."""
        try:
            deb = self._package()
            with Host.boot(self._suite, tree) as host:
                self._steps.say(self._suite, f"a bare host is up at {host.address}")
                self._address = [f"--hosts=ssh://{host.name}", f"--ssh-config={host.ssh_config}", "--sudo"]
                host.run(name_line(host.address))
                given = variables(deb, exempt=host.slot.outer_address)
                self._expected.parent.mkdir(parents=True, exist_ok=True)
                self._expected.write_text(EXPECTED)
                write_inventory(self._inventory, host.name, str(host.ssh_config), given)
                self._provision()
                self._verify()
        except InterruptedRunError:
            self._steps.say(self._suite, "interrupted")
        return self._failures

    def _package(self) -> Path:
        """A copy of its own: what is built meanwhile is not what is proved."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(package(self._suite), self._folder))

    def _provision(self) -> None:
        self._play("what the playbook would do", "site.yml", "--check", "--diff")
        self._play("the playbook", "site.yml")

    def _verify(self) -> None:
        with ThreadPoolExecutor(1) as aside:
            # What waits for minutes and touches nothing, beside what changes nothing.
            idle = aside.submit(self._test, "idle drills", "infra_tests/drills", "--disposable", "-m", "idle")
            again = self._play("the playbook again", "site.yml", "--diff")
            if Played(0, again).changed:
                raise StepError(f"{self._suite}: the second run of the playbook changed something: {self._folder}")
            self._test("verification", "infra_tests", f"--expectations={self._expected}")
            idle.result()
        self._test("drills", "infra_tests/drills", "--disposable", "-m", "not idle")
        self._test("documents", "infra_tests/documents", "--disposable")
        given = f"--inventory={self._inventory}"
        self._test("playbooks", "infra_tests/playbooks", "--disposable", given, *self._left_out)

    def _play(self, what: str, name: str, *options: str) -> str:
        line = playbook(name, self._inventory, *options)
        return self._steps.must(self._suite, what, line, self._log(what), environment())

    def _test(self, what: str, *arguments: str) -> None:
        """Tests that fail don't keep others from being run."""
        command = [sys.executable, "-m", "pytest", *arguments, *self._address, "--durations=15", "-v", "--tb=short"]
        ended = self._steps.run(self._suite, what, command, self._log(what))
        if ended.code:
            self._failures.append(self._told(what, ended))

    def _told(self, what: str, ended: Ended) -> str:
        end = "\n".join(ended.text.splitlines()[-40:])
        return f"{self._suite}: {what} failed; the whole log is in {self._folder}, its end is:\n{end}"

    def _log(self, what: str) -> Path:
        self._count += 1
        return self._folder / f"{self._count:02}-{what.replace(' ', '-')}.log"


if __name__ == "__main__":
    sys.exit(main())
