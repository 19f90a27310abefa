"""The rule that stops guessing passwords: so many failed logins in the window, and then a wait.

Failures are counted three ways: by username and address, which stops the ordinary guesser without locking the
owner out elsewhere; and, with far higher bounds, by username and by address alone, for who guesses from many
places or at many names. What has failed is read from auth_logs each time, so deleting rows there lifts a lockout.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chat_server.config import RateLimitSection

# An attempt under way may succeed, so those behind it need not wait out the window.
_UNDER_WAY_RETRY_MS: Final = 1000


class LockedOut(Exception):  # noqa: N818  named by meaning
    """Too many logins failed. The next is looked at in `retry_after_ms`."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(f"too many failed logins, try again in {retry_after_ms} ms")
        self.retry_after_ms = retry_after_ms


@dataclass(frozen=True, slots=True)
class Failed:
    """How many logins failed within the window, and when the first of those did (milliseconds; 0 for none).

    To count no more than the bound is enough: of the newest that many, `oldest_at` gives the wait exactly.
    """

    count: int = 0
    oldest_at: int = 0


@dataclass(frozen=True, slots=True)
class Failures:
    """What auth_logs says of one username and one address: together, and each alone."""

    pair: Failed = Failed()
    username: Failed = Failed()
    address: Failed = Failed()


class Lockout:
    """Decides whether a login may be tried. Knows the attempts under way, so that parallel ones count too."""

    def __init__(self, limits: RateLimitSection) -> None:
        self._under_way: Counter[tuple[str, ...]] = Counter()
        self.retune(limits)

    def retune(self, limits: RateLimitSection) -> None:
        """Take the bounds and the window from a configuration that may have changed."""
        self._window_ms = limits.auth_window_seconds * 1000
        self._bounds = (
            limits.max_auth_attempts,
            limits.max_auth_attempts_per_username,
            limits.max_auth_attempts_per_address,
        )

    @contextmanager
    def attempt(self, username: str, address: str, read: Callable[[], Failures], *, now: int) -> Iterator[None]:
        """Hold this around a login, from before the password is looked at until a failure is in auth_logs.

        `address` is what auth_logs calls the client; `read` gives the failures since `now` less the window,
        and may block. Raises LockedOut, before the body runs.
        """
        username = username.lower()
        keys = (("pair", username, address), ("username", username), ("address", address))
        # Whoever came before either is still under way here, or has its failure where `read` finds it.
        ahead = [self._under_way[key] for key in keys]
        self._under_way.update(keys)
        try:
            self._check(ahead, read(), now)
            yield
        finally:
            self._under_way.subtract(keys)
            for key in keys:
                if not self._under_way[key]:
                    del self._under_way[key]

    def _check(self, ahead: list[int], failures: Failures, now: int) -> None:
        waits = [0]
        counts = (failures.pair, failures.username, failures.address)
        for failed, under_way, bound in zip(counts, ahead, self._bounds, strict=True):
            if failed.count >= bound:
                waits.append(failed.oldest_at + self._window_ms - now)
            elif failed.count + under_way >= bound:
                waits.append(_UNDER_WAY_RETRY_MS)
        if len(waits) > 1:
            raise LockedOut(max(1, *waits))
