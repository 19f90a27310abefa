"""What came of a run: as a document for programs, and as a summary for people."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from loadtests.latency import Histogram
from loadtests.run import Run
from loadtests.verdict import Verdict

PERCENTILES = {"p50Ms": 50.0, "p90Ms": 90.0, "p99Ms": 99.0, "p999Ms": 99.9}
DISTRIBUTION = (0.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.8, 99.9)

Document = dict[str, Any]


def describe(run: Run, verdict: Verdict) -> Document:
    """The report: names in camelCase; latencies in milliseconds, from the moment when something was to begin."""
    ledgers = [pair.ledger for pair in run.pairs]
    punctuality = run.punctuality
    return {
        "verdict": verdict.name,
        "exitCode": verdict.code,
        "reasons": verdict.reasons,
        "host": run.host,
        "scenarios": [scenario.name for scenario in run.scenarios],
        "startedAt": round(1000 * run.started_at),
        "seconds": round(run.seconds, 3),
        "users": run.expected,
        "operations": {name: _operation(run, name) for name in sorted(run.measurements.operations)},
        "checks": [
            {"operation": one.operation, "name": one.name, "wanted": one.wanted, "got": one.got, "met": one.met}
            for one in verdict.checks
        ],
        "messages": {
            "written": sum(ledger.written for ledger in ledgers),
            "acknowledged": sum(ledger.acknowledged for ledger in ledgers),
            "pushedAgain": sum(ledger.repeats for ledger in ledgers),
            "conversations": len(ledgers),
        },
        "broken": {kind: {"count": n, "examples": run.findings.examples[kind]} for kind, n in _broken(run)},
        "refusals": dict(sorted(run.measurements.refusals.items())),
        "connectionLosses": dict(run.measurements.losses.most_common()),
        "stormSeconds": {name: [round(length, 3) for length in lengths] for name, lengths in run.storm_lengths.items()},
        "generator": {
            "arrivals": punctuality.lateness.count,
            "late": punctuality.late,
            "latestMs": _ms(punctuality.lateness.longest),
        },
    }


def write_json(document: Document, file: str) -> None:
    """Into the file, or to standard output where it is `-`."""
    text = json.dumps(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
    else:
        Path(file).write_text(text)


def summarize(document: Document) -> str:
    """For a terminal."""
    head = f"{', '.join(document['scenarios'])} against {document['host']}: {document['users']} users"
    lines = ["", f"{head}, {document['seconds']:.1f} s", ""]
    lines.append(
        f"{'operation':<12}{'count':>9}{'failed':>8}{'a second':>10}" + _row("p50", "p90", "p99", "p99.9", "most")
    )
    for name, one in document["operations"].items():
        figures = _row(*(f"{one[key]:.1f}" for key in (*PERCENTILES, "longestMs")))
        lines.append(f"{name:<12}{one['count']:>9}{one['failed']:>8}{one['perSecond']:>10.1f}{figures}")
    lines += ["(latencies in ms, from when something was to begin)", ""]
    lines += remarks(document)
    lines += [f"{kind}: {text}" for kind, one in document["broken"].items() for text in one["examples"]]
    lines += ["", f"{document['verdict'].upper()} (exit code {document['exitCode']})"]
    lines += [f"  {reason}" for reason in document["reasons"]]
    return "\n".join(lines) + "\n"


def remarks(document: Document) -> list[str]:
    """What is to be said beside the figures, a line each."""
    lines = []
    messages, generator = document["messages"], document["generator"]
    if messages["written"]:
        arrived = "NOT as promised" if document["broken"] else "each acknowledged one arrived once, in order"
        again = f"{messages['pushedAgain']} pushed again after a reconnection"
        lines.append(
            f"messages: {messages['written']} written, {messages['acknowledged']} acknowledged; {again}; {arrived}"
        )
    if generator["arrivals"]:
        late = f"{generator['late']} of {generator['arrivals']} late, the latest by {generator['latestMs']} ms"
        lines.append(f"generator: {late}")
    for name, lengths in document["stormSeconds"].items():
        if lengths:
            lines.append(f"storms ({name}): {len(lengths)}; until the last was back: {max(lengths):.2f} s at most")
    for title, counts in (("refused", document["refusals"]), ("lost connections", document["connectionLosses"])):
        if counts:
            lines.append(f"{title}: " + ", ".join(f"{what} ({count})" for what, count in counts.items()))
    return lines


def _operation(run: Run, name: str) -> Document:
    operation = run.measurements.operation(name)
    timeline = operation.timeline
    return {
        **_latencies(operation.latency),
        "failed": operation.failed,
        "failures": dict(operation.failures),
        "perSecond": round(operation.latency.count / run.seconds, 2) if run.seconds else 0.0,
        "distribution": [[percent, _ms(operation.latency.percentile(percent))] for percent in DISTRIBUTION],
        "timeline": [
            {"second": place * timeline.width, "perSecond": point.count / timeline.width, **_latencies(point)}
            for place, point in enumerate(timeline.points)
        ],
    }


def _latencies(histogram: Histogram) -> Document:
    figures = {key: _ms(histogram.percentile(percent)) for key, percent in PERCENTILES.items()}
    return {"count": histogram.count, **figures, "longestMs": _ms(histogram.longest)}


def _broken(run: Run) -> list[tuple[Any, int]]:
    return sorted(run.findings.counts.items())


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 3)


def _row(*cells: str) -> str:
    return "".join(f"{cell:>9}" for cell in cells)


def when(document: Document) -> str:
    """The beginning, in the local time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(document["startedAt"] / 1000))
