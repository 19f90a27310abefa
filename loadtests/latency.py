"""How long things took: counts in buckets, so that a run of any length fits into memory."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

RESOLUTION = 1.02
"""A bucket's upper edge over its lower one: figures are exact to 2 %."""
FLOOR_SECONDS = 10e-6
MAX_POINTS = 600

_LOG_RESOLUTION = math.log(RESOLUTION)


class Histogram:
    """Durations, in seconds. Shorter ones than 10 µs count as that."""

    __slots__ = ("_buckets", "count", "longest")

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self.count = 0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        self._buckets[math.ceil(math.log(max(seconds, FLOOR_SECONDS) / FLOOR_SECONDS) / _LOG_RESOLUTION)] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def merge(self, other: Histogram) -> None:
        """Takes the other's durations in."""
        self._buckets.update(other._buckets)
        self.count += other.count
        self.longest = max(self.longest, other.longest)

    def percentile(self, percent: float) -> float:
        """What so many percent of the durations did not exceed, in seconds; 0 where there are none."""
        wanted = max(1, math.ceil(self.count * percent / 100))
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return float(min(FLOOR_SECONDS * RESOLUTION**bucket, self.longest))
        return 0.0


@dataclass
class Timeline:
    """Durations by when they ended. Points are a second wide; when there are too many, neighbours are put together."""

    width: int = 1
    points: list[Histogram] = field(default_factory=list)

    def add(self, at: float, seconds: float) -> None:
        """`at`: seconds since the run began."""
        while at >= self.width * MAX_POINTS:
            self._halve()
        while len(self.points) <= at // self.width:
            self.points.append(Histogram())
        self.points[int(at // self.width)].add(seconds)

    def _halve(self) -> None:
        self.width *= 2
        for left, right in zip(self.points[::2], self.points[1::2], strict=False):
            left.merge(right)
        self.points = self.points[::2]
