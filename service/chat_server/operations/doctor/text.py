"""A report as a person reads it at night: one line for each check, and below one that is not well, what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chat_server.operations.doctor.report import Check, Report

MARKS = {"ok": "ok", "skipped": "-", "warning": "WARNING", "failure": "FAILURE"}
MARK_WIDTH = max(map(len, MARKS.values()))
DOCUMENT = "docs/troubleshooting.md"


def lines(report: Report) -> Iterator[str]:
    """The checks in their order, and what came of them all as the last line."""
    id_width = max((len(check.id) for check in report.checks), default=0)
    for check in report.checks:
        yield from _check(check, id_width)
    yield _summary(report)


def _check(check: Check, id_width: int) -> Iterator[str]:
    yield f"{MARKS[check.status]:{MARK_WIDTH}}  {check.id:{id_width}}  {printable(check.seen)}"
    if check.status in {"warning", "failure"}:
        margin = " " * (MARK_WIDTH + id_width + 4)
        for step in check.remedy.splitlines():
            yield f"{margin}{printable(step)}"
        yield f'{margin}more: {DOCUMENT}, "{check.chapter}"'


def _summary(report: Report) -> str:
    """Such as "FAILURE: 1 failure, 2 warnings, 30 ok, 3 skipped"."""
    counts = Counter(check.status for check in report.checks)
    parts = [
        f"{counts['failure']} failure{'' if counts['failure'] == 1 else 's'}",
        f"{counts['warning']} warning{'' if counts['warning'] == 1 else 's'}",
        f"{counts['ok']} ok",
        f"{counts['skipped']} skipped",
    ]
    return f"{MARKS[report.status]}: {', '.join(parts)}"


def printable(text: str) -> str:
    """Others' words may be in it (a process's name, a line of the log): none of them may steer the terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
