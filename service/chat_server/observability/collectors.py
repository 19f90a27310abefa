"""Metrics that prometheus-client has no class for: cheap durations, what files say, a process that sees little."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from chat_server.observability.backups import last_attempt, last_backup_at

OWN_GROUP: Final = Path("/proc/self/cgroup")
GROUPS: Final = Path("/sys/fs/cgroup")


class Durations(Collector):
    """A histogram for hot paths, of one thread: a value costs a tenth of what it does in prometheus-client's.

    Takes seconds. `bounds` are the buckets' upper ones, rising; the last bucket has none.
    """

    def __init__(self, name: str, words: str, bounds: tuple[float, ...], registry: CollectorRegistry) -> None:
        self._name = name
        self._words = words
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What prometheus-client renders."""
        names = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        yield HistogramMetricFamily(self._name, self._words, buckets=buckets, sum_value=self._sum)


class Files(Collector):
    """The database's size, its disk's free space and the backups, looked up when somebody asks.

    What does not exist has no sample, so that `absent()` finds it and no figure lies.
    """

    def __init__(self, database: Path, backups: Path, registry: CollectorRegistry) -> None:
        self._database = database
        self._backups = backups
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What prometheus-client renders."""
        wal = Path(f"{self._database}-wal")
        yield _gauge("chat_database_bytes", "Size of the database file.", _size(self._database))
        yield _gauge("chat_wal_bytes", "Size of the write-ahead log.", _size(wal))
        yield _gauge("chat_disk_free_bytes", "Space left for the database.", _free(self._database.parent))
        yield _gauge("chat_backup_age_seconds", "Age of the newest backup.", _backup_age(self._backups))
        yield _backup_failed(self._backups)


def _backup_failed(backups: Path) -> GaugeMetricFamily:
    words = "1 where the last try to make a backup, or its copy, failed."
    family = GaugeMetricFamily("chat_backup_failed", words, labels=("part",))
    if attempt := last_attempt(backups):
        family.add_metric(("backup",), bool(attempt.failure))
        family.add_metric(("copy",), bool(attempt.copy_failure))
    return family


class MemoryLimit(Collector):
    """What the unit or the container may use: the least limit of the process' control group and of those around it."""

    def __init__(self, registry: CollectorRegistry, own: Path = OWN_GROUP, groups: Path = GROUPS) -> None:
        self._own = own
        self._groups = groups
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What prometheus-client renders."""
        words = "Memory that the unit or the container may use."
        yield _gauge("chat_memory_limit_bytes", words, _memory_limit(self._own, self._groups))


class Process(ProcessCollector):
    """The process, also where its unit hides /proc/stat, from which the library would learn when the host started."""

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _gauge(name: str, words: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, words)
    if value is not None:
        family.add_metric((), value)
    return family


def _memory_limit(own: Path, groups: Path) -> int | None:
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    path = next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if path is None:
        return None
    group = groups / path
    around = [one for one in (group, *group.parents) if one.is_relative_to(groups)]
    limits = [limit for one in around if (limit := _number(one / "memory.max")) is not None]
    return min(limits, default=None)


def _number(path: Path) -> int | None:
    """None also for a limit of "max", which is none."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _backup_age(backups: Path) -> float | None:
    made_at = last_backup_at(backups)
    return None if made_at is None else max(0.0, time.time() - made_at / 1000)


def _free(directory: Path) -> int | None:
    try:
        disk = os.statvfs(directory)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize
