"""How much is too much: the pure rules behind the limits of rate. Times are milliseconds since the epoch.

A `TokenBucket` (messages of a person, frames of a socket) allows short bursts; `Violations` says when whoever
keeps running against it has to go; a `RequestWindow` counts the HTTP requests of each client address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chat_server.security.addresses import address_group

MINUTE: Final = 60_000
MAX_VIOLATIONS: Final = 3


class Rate:
    """So many a minute, in bursts of so many. The buckets it governs share it, so one call retunes all."""

    __slots__ = ("burst", "per_minute")

    def __init__(self, *, per_minute: int, burst: int) -> None:
        self.retune(per_minute=per_minute, burst=burst)

    def retune(self, *, per_minute: int, burst: int) -> None:
        self.per_minute = per_minute
        self.burst = burst


class TokenBucket:
    """A bucket of `rate.burst` tokens that fills at `rate.per_minute`, and is full when it is made.

    The level is kept in 1/60,000 of a token: `per_minute` of those accrue each millisecond, exactly.
    """

    __slots__ = ("_level", "_rate", "_settled_at")

    def __init__(self, rate: Rate, now: int) -> None:
        self._rate = rate
        self._level = rate.burst * MINUTE
        self._settled_at = now

    def take(self, now: int) -> int:
        """Take a token: 0 when there was one, or else the milliseconds until there is one."""
        # A clock that was set back gives nothing and costs nothing.
        accrued = max(0, now - self._settled_at) * self._rate.per_minute
        self._level = min(self._level + accrued, self._rate.burst * MINUTE)
        self._settled_at = now
        if self._level < MINUTE:
            return -((self._level - MINUTE) // self._rate.per_minute)
        self._level -= MINUTE
        return 0

    def is_full(self, now: int) -> bool:
        """Whether it is as good as new, so that there is no need to keep it."""
        accrued = max(0, now - self._settled_at) * self._rate.per_minute
        return self._level + accrued >= self._rate.burst * MINUTE


class Violations:
    """Counts the times somebody ran against a limit; all within the wait they were told of is one time."""

    __slots__ = ("_count", "_wait_ends_at")

    def __init__(self) -> None:
        self._count = 0
        self._wait_ends_at = 0

    def refused(self, now: int, *, retry_after_ms: int) -> bool:
        """Note a refusal, of which the offender is told to wait. True when it was one too many: close.

        A minute without a refusal after the wait, and all is forgotten.
        """
        if now < self._wait_ends_at:
            return False
        if now >= self._wait_ends_at + MINUTE:
            self._count = 0
        self._count += 1
        self._wait_ends_at = now + retry_after_ms
        return self._count >= MAX_VIOLATIONS


@dataclass(frozen=True, slots=True)
class Quota:
    """What a client address may still do, for the X-RateLimit headers; its window ends in `reset_seconds`."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int


class _Window:
    __slots__ = ("count", "ends_at")

    def __init__(self, ends_at: int) -> None:
        self.count = 0
        self.ends_at = ends_at


class RequestWindow:
    """Counts requests by client address, IPv6 by its /64. A window is the minute after an address's first.

    Windows live in two generations. The older is dropped after a minute, when all in it have ended, or when
    the younger holds `max_addresses`: memory is bounded, and a flood of addresses makes it forget at worst.
    """

    def __init__(self, limit: int, *, max_addresses: int = 32_768) -> None:
        self._limit = limit
        self._max_addresses = max_addresses
        self._young: dict[str, _Window] = {}
        self._old: dict[str, _Window] = {}
        self._turns_at = 0

    def retune(self, limit: int) -> None:
        """Change the limit; what was counted so far stays counted."""
        self._limit = limit

    def count(self, address: str, now: int) -> Quota:
        """Count one request of an address, and say whether it is within the limit."""
        window = self._window(address_group(address), now)
        window.count += 1
        return Quota(
            allowed=window.count <= self._limit,
            limit=self._limit,
            remaining=max(0, self._limit - window.count),
            reset_seconds=-((now - window.ends_at) // 1000),
        )

    def _window(self, group: str, now: int) -> _Window:
        window = self._young.get(group) or self._old.get(group)
        # One that ends more than a minute from now was begun before the clock was set back.
        if window is not None and now < window.ends_at <= now + MINUTE:
            return window
        if not self._turns_at - MINUTE <= now < self._turns_at or len(self._young) >= self._max_addresses:
            self._old, self._young = self._young, {}
            self._turns_at = now + MINUTE
        window = self._young[group] = _Window(now + MINUTE)
        return window
