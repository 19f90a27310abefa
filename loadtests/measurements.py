"""All that a run measures: how long each kind of operation took, what failed, and what the server refused."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gevent import Greenlet

from loadtests.latency import Histogram, Timeline

LIMITED = frozenset({"RATE_LIMITED", "RATE_LIMIT_EXCEEDED"})
"""The codes with which the server says that this machine, or this person, is too fast for its limits."""

HINT = (
    "the server limits this machine (%s), so the run says nothing about the server: "
    "add this machine's address to [rate_limit] exempt_networks in the server's config.toml and reload it"
)

log = logging.getLogger("loadtests")


@dataclass
class Operation:
    """One kind of operation: what came of it, how long it took, and when."""

    latency: Histogram = field(default_factory=Histogram)
    timeline: Timeline = field(default_factory=Timeline)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def loss(self) -> float:
        """How many percent failed."""
        return 100 * self.failed / max(1, self.failed + self.latency.count)


@dataclass
class Measurements:
    """Times are of one monotonic clock, in seconds. `tell` is told of each operation: name, seconds, and failure."""

    clock: Callable[[], float]
    tell: Callable[[str, float, str], None]
    began_at: float = 0.0
    operations: dict[str, Operation] = field(default_factory=dict)
    refusals: Counter[str] = field(default_factory=Counter)
    """How often the server answered with each code of an error."""
    losses: Counter[str] = field(default_factory=Counter)
    """Why connections ended that nobody here had dropped."""
    crashes: list[str] = field(default_factory=list)

    def operation(self, name: str) -> Operation:
        return self.operations.setdefault(name, Operation())

    def record(self, name: str, since: float) -> None:
        """Something that was to begin at `since` has just succeeded."""
        now = self.clock()
        operation = self.operation(name)
        operation.latency.add(now - since)
        operation.timeline.add(max(0.0, now - self.began_at) if self.began_at else 0.0, now - since)
        self.tell(name, now - since, "")

    def fail(self, name: str, why: str) -> None:
        """Something will not succeed any more."""
        self.operation(name).failures[why] += 1
        self.tell(name, 0.0, why)

    def refuse(self, code: str) -> None:
        """The server answered with an error."""
        if code in LIMITED and not self.limited:
            log.error(HINT, code)
        self.refusals[code] += 1

    def note_crash(self, greenlet: Greenlet[Any, Any]) -> None:
        """A part of the generator came to an end that it should not have come to."""
        self.crashes.append(repr(greenlet.exception))

    @property
    def limited(self) -> int:
        """How often the server said that this was too fast."""
        return sum(self.refusals[code] for code in LIMITED)
