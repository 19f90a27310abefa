"""What one run of the benchmark found, and how that stands to the goals."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct, field

from bench.contest import FULL_WINDOW, NAIVE, OURS, PROSODY_FILES, PROSODY_SQLITE, Standing
from bench.generator import Measured
from bench.latency import Latency
from bench.plan import Plan
from bench.storm import Storm

T = TypeVar("T")


class Machine(Struct, frozen=True):
    """In general words: what figures depend on, and nothing that names the machine."""

    cores: int
    memory_gib: int
    kernel: str
    python: str
    sqlite: str

    @classmethod
    def this(cls) -> Machine:
        return cls(
            cores=os.cpu_count() or 0,
            memory_gib=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            kernel=".".join(platform.release().split(".")[:2]),
            python=platform.python_version(),
            sqlite=sqlite3.sqlite_version,
        )


class Idle(Struct, frozen=True):
    """What a socket costs on which nothing happens but heartbeats."""

    sockets: int
    kib_each: float
    cpu_us_a_second: float


class SlowDisk(Struct, frozen=True):
    """With 100 ms more for every sync of the disk."""

    ack: Latency
    ping: Latency


class Goal(Struct, frozen=True):
    """`met` is None where it could not be measured."""

    what: str
    goal: str
    measured: str
    met: bool | None


class Result(Struct):
    """Filled phase by phase; a phase that failed stands in `failures`, with the reason."""

    plan: Plan
    machine: Machine = field(default_factory=Machine.this)
    at: int = field(default_factory=lambda: int(time.time()))
    contest: list[Standing] = []
    offered: dict[int, Measured] = {}
    """By messages a second."""
    idle: Idle | None = None
    storm: Storm | None = None
    """With socket activation: systemd listens while the service restarts."""
    bare_storm: Storm | None = None
    """Without: connections are refused meanwhile."""
    sign_ups: Latency | None = None
    history: Latency | None = None
    slow_disk: SlowDisk | None = None
    failures: dict[str, str] = {}
    skipped: dict[str, str] = {}
    """What this machine lacks the means for."""
    seconds: float = 0.0

    def standing(self, system: str) -> Standing | None:
        """Of a system that has been measured."""
        return next((one for one in self.contest if one.system == system and one.rounds), None)

    def ratio(self, system: str) -> float | None:
        """How many times the processor time a message takes there, of what it takes here."""
        ours, theirs = self.standing(OURS), self.standing(system)
        if ours is None or theirs is None:
            return None
        return theirs.median(_cpu_us) / ours.median(_cpu_us)

    def goals(self) -> list[Goal]:
        return list(_goals(self))


def _cpu_us(measured: Measured) -> float:
    return measured.cpu_us


def _rate(measured: Measured) -> float:
    return measured.rate


def _goals(result: Result) -> Iterator[Goal]:
    """Issue 3 sets them for a machine with 2 cores and an ordinary disk."""
    ours = result.standing(OURS)
    saturation = f"saturation, {result.plan.sockets} sockets with {FULL_WINDOW} messages under way"
    yield _at_least(saturation, "messages/s", 12_000, _in(ours, lambda one: one.median(_rate)))
    yield _at_most(saturation, "CPU µs a message", 80, _in(ours, lambda one: one.median(_cpu_us)))
    for system, times in ((NAIVE, 40), (PROSODY_FILES, 10), (PROSODY_SQLITE, 30)):
        yield _at_least(f"CPU a message, {system}", "times ours", times, result.ratio(system))
    for rate, name, figure, limit in OPEN_LOOP:
        yield _at_most(f"{rate:,}/s offered, {name}", "ms", limit, _in(result.offered.get(rate), figure))
    yield _at_most("idle socket", "KiB", 25, _in(result.idle, lambda idle: idle.kib_each))
    yield _at_most("idle socket", "CPU µs a second", 2, _in(result.idle, lambda idle: idle.cpu_us_a_second))
    sign_ups = f"hub stall while {result.plan.sign_ups} people sign up"
    yield _at_most(sign_ups, "ms", 20, _in(result.sign_ups, lambda latency: latency.max))
    back = f"{result.plan.idle_sockets:,} sockets back after a restart"
    yield _at_most(back, "s", 15, _in(result.storm, lambda storm: storm.seconds))
    page = f"history page, conversation of {result.plan.long_messages:,}, p99"
    yield _at_most(page, "ms", 10, _in(result.history, lambda latency: latency.p99))


def _in(found: T | None, figure: Callable[[T], float]) -> float | None:
    """A figure of something that may not have been measured."""
    return None if found is None else figure(found)


def _of(kind: str, figure: str) -> Callable[[Measured], float]:
    """A percentile of a run in which all was acknowledged and delivered."""
    return lambda measured: float(getattr(getattr(measured, kind), figure))


OPEN_LOOP = (
    (1000, "ack p99", _of("ack", "p99"), 10),
    (5000, "ack p50", _of("ack", "p50"), 5),
    (5000, "ack p99", _of("ack", "p99"), 25),
    (5000, "delivery p50", _of("delivery", "p50"), 5),
    (5000, "delivery p99", _of("delivery", "p99"), 25),
)


def _at_most(what: str, unit: str, limit: float, measured: float | None) -> Goal:
    met = None if measured is None else measured <= limit
    return Goal(what, f"≤ {limit:,} {unit}", amount(measured), met)


def _at_least(what: str, unit: str, limit: float, measured: float | None) -> Goal:
    met = None if measured is None else measured >= limit
    return Goal(what, f"≥ {limit:,} {unit}", amount(measured), met)


def amount(measured: float | None) -> str:
    """With as many digits as mean something."""
    if measured is None:
        return "not measured"
    return f"{measured:,.0f}" if measured >= 100 else f"{measured:.3g}"
