"""What doctor says: one check for each thing it looked at, and the worst of them for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from chat_server.operations.doctor.chapters import heading
from chat_server.operations.doctor.site import Site

Status = Literal["ok", "warning", "failure", "skipped"]
SEVERITY: Final[Sequence[Status]] = ("skipped", "ok", "warning", "failure")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, as one line, and what cures it: a command or a sentence, empty where nothing needs a cure.

    `entry` is the one of docs/troubleshooting.md that tells more, where that is not the question's first.
    """

    status: Status
    seen: str
    remedy: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to look at. `entries` are the rows of the guide that it covers, the most telling first.

    `look` reads and judges. It raises CannotLookError where something that it needs can't be read.
    """

    id: str
    entries: tuple[str, ...]
    look: Callable[[Site], Finding]


class CannotLookError(Exception):
    """Something can't be looked at here: for want of rights, or because it does not exist. Its text is one line."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question and what came of it; `chapter` is a heading of docs/troubleshooting.md."""

    id: str
    entries: list[str]
    status: Status
    seen: str
    remedy: str
    chapter: str


@dataclass(frozen=True, slots=True)
class Report:
    """`status` is that of the worst check: ok, warning or failure."""

    status: Status
    checks: list[Check]


def answer(question: Question, site: Site) -> Check:
    """Asks one question. Whatever goes wrong in asking is a check of its own, not the end of all others."""
    try:
        finding = question.look(site)
    except CannotLookError as reason:
        finding = Finding("skipped", str(reason))
    except Exception as error:  # noqa: BLE001  a host in trouble has surprises, and the other questions matter more
        finding = Finding("warning", f"could not be looked at: {type(error).__name__}: {error}")
    return Check(
        id=question.id,
        entries=list(question.entries),
        status=finding.status,
        seen=" ".join(finding.seen.split()),
        remedy=finding.remedy,
        chapter=heading(finding.entry or question.entries[0]),
    )


def report(checks: Sequence[Check]) -> Report:
    """All checks, under the status of the worst."""
    return Report(max(("ok", *(check.status for check in checks)), key=SEVERITY.index), list(checks))
