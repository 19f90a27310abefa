"""What there is to tell: how a report differs from what somebody was told before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from chat_server.operations.doctor.report import Check, Report, Status
from chat_server.operations.doctor.text import printable

Turn = Literal["turned bad", "well again"]


@dataclass(frozen=True, slots=True)
class Change:
    """A check that turned, as it is now; its fields are the check's."""

    change: Turn
    id: str
    entries: list[str]
    status: Status
    seen: str
    remedy: str
    chapter: str


@dataclass(frozen=True)
class News:
    """One telling, and the JSON document that a webhook and a command get. `at` is in ms since the epoch.

    `status` is that of the whole report. A `test` tells of no change.
    """

    host: str
    version: str
    at: int
    status: Status
    changes: list[Change]
    test: bool = False

    @property
    def title(self) -> str:
        """On one line, whether to get up."""
        if self.test:
            return f"chat-server on {self.host}: this is a test"
        parts = []
        for turn in ("turned bad", "well again"):
            ids = [change.id for change in self.changes if change.change == turn]
            parts += [f"{turn}: {', '.join(ids)}"] if ids else []
        return f"chat-server on {self.host}: {'; '.join(parts)}"

    @property
    def text(self) -> str:
        """For a person, with what cures each."""
        lines = []
        for change in self.changes:
            lines.append(f"{change.change}: {change.id}: {change.seen}")
            if change.change == "turned bad":
                lines += [f"    {step}" for step in change.remedy.splitlines()]
                lines += [f'    more: docs/troubleshooting.md, "{change.chapter}"'] if change.chapter else []
        if self.test:
            lines.append("Alerts of chat-server reach you. Nothing is wrong; somebody tried it.")
        return "\n".join(map(printable, lines))


def changes(report: Report, told: Collection[str]) -> list[Change]:
    """What to tell somebody who was `told` that the checks of these ids fail.

    What could not be looked at, or was not, has not turned.
    """
    turned = []
    for check in report.checks:
        if check.status == "failure" and check.id not in told:
            turned.append(_change(check, "turned bad"))
        elif check.status in {"ok", "warning"} and check.id in told:
            turned.append(_change(check, "well again"))
    return turned


def told_after(report: Report, told: Collection[str]) -> list[str]:
    """The checks of which somebody knows that they fail, after they were told all `changes`."""
    failing = {check.id for check in report.checks if check.status == "failure"}
    well = {check.id for check in report.checks if check.status in {"ok", "warning"}}
    return sorted(failing | (set(told) - well))


def _change(check: Check, turn: Turn) -> Change:
    return Change(turn, check.id, check.entries, check.status, check.seen, check.remedy, check.chapter)
