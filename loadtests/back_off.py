"""When a client comes back that has lost its connection, as docs/protocol.md asks."""

from __future__ import annotations

import random
from collections.abc import Callable

BACK_OFF_SECONDS = 0.5
MAX_BACK_OFF_SECONDS = 30.0
HELD_SECONDS = 5.0
"""After a connection that held so long, the back-off begins anew."""


class BackOff:
    """When to come back: full jitter over 0.5 s, and over twice as long after each failure, up to 30 s."""

    def __init__(self, chance: Callable[[float, float], float] = random.uniform) -> None:
        self._chance = chance
        self._failures = 0

    def pause(self, held: float) -> float:
        """How long to wait, in seconds, after a connection that held so long; 0 where there was none."""
        if held > HELD_SECONDS:
            self._failures = 0
        longest = min(MAX_BACK_OFF_SECONDS, BACK_OFF_SECONDS * 2.0**self._failures)
        self._failures += 1
        return self._chance(0.0, longest)
