"""How long things took: percentiles that hide nothing by averaging."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct


class Latency(Struct, frozen=True):
    """Percentiles, in milliseconds, of `count` measurements; the nearest rank, so each is one that was measured."""

    count: int
    p50: float
    p99: float
    p999: float
    max: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Latency:
        """Raises ValueError where nothing was measured."""
        ordered = sorted(seconds)
        if not ordered:
            raise ValueError("nothing was measured")
        return cls(len(ordered), *(1000 * percentile(ordered, share) for share in (0.5, 0.99, 0.999, 1)))


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` of the ordered values do not exceed."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]
