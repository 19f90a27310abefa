"""Passwords: the policy, and argon2id (RFC 9106) in native threads beside the hub.

One hash takes some 64 MiB and 0.2 s of CPU. `Passwords` therefore hashes in a few threads of its own, at a
lower priority than the hub's, and turns callers away when too many wait, before they cost memory.
"""

from __future__ import annotations

import base64
import contextlib
import math
import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar, cast

from argon2 import DEFAULT_HASH_LENGTH, DEFAULT_PARALLELISM, DEFAULT_RANDOM_SALT_LENGTH, PasswordHasher
from argon2.exceptions import Argon2Error, VerifyMismatchError
from argon2.low_level import error_to_str

from chat_server.threads import running_pool

if TYPE_CHECKING:
    from collections.abc import Callable

MIN_CHARACTERS: Final = 8
MAX_BYTES: Final = 1024

_NICENESS: Final = 10
_NO_MEMORY: Final = error_to_str(-22)  # ARGON2_MEMORY_ALLOCATION_ERROR, which the exceptions tell in words alone
_T = TypeVar("_T")


class WeakPassword(Exception):  # noqa: N818  named by meaning
    """A password the policy refuses. `reason` is a sentence for the person who chose it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HashingBusy(Exception):  # noqa: N818  named by meaning
    """Too many passwords are waiting to be hashed; the queue should be empty in `retry_after_seconds`."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many passwords are being hashed, try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


def check_policy(password: str) -> None:
    """Raise WeakPassword unless it has 8 characters, both cases and a digit, in at most 1,024 bytes."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise WeakPassword("The password is not valid Unicode text.") from None
    if size > MAX_BYTES:
        raise WeakPassword(f"The password may take at most {MAX_BYTES:,} bytes.")
    if len(password) < MIN_CHARACTERS:
        raise WeakPassword(f"The password needs at least {MIN_CHARACTERS} characters.")
    if not any(map(str.isupper, password)):
        raise WeakPassword("The password needs an upper-case letter.")
    if not any(map(str.islower, password)):
        raise WeakPassword("The password needs a lower-case letter.")
    if not any(map(str.isdecimal, password)):
        raise WeakPassword("The password needs a digit.")


def hash_password(password: str, *, memory_kib: int, iterations: int) -> str:
    """The argon2id digest of a password. Blocks the thread: for the command line, never on the hub."""
    return _hasher(memory_kib, iterations).hash(password)


def _hasher(memory_kib: int, iterations: int) -> PasswordHasher:
    return PasswordHasher(time_cost=iterations, memory_cost=memory_kib)


def _digest_of_nobody(memory_kib: int, iterations: int) -> str:
    """A digest no password has, which costs as much to check as a real one."""

    def noise(size: int) -> str:
        return base64.b64encode(os.urandom(size)).rstrip(b"=").decode()

    parameters = f"m={memory_kib},t={iterations},p={DEFAULT_PARALLELISM}"
    return f"$argon2id$v=19${parameters}${noise(DEFAULT_RANDOM_SALT_LENGTH)}${noise(DEFAULT_HASH_LENGTH)}"


class Passwords:
    """Hashes and verifies in `threads` native threads; at most `queue` callers wait for one of them.

    An `address` may hold an eighth of the queue, so that no stranger keeps everybody else from logging in; an
    empty one, for who is trusted, is not counted. Belongs to the hub it is made on. Every method that hashes
    blocks the calling greenlet only.
    """

    def __init__(self, *, threads: int, queue: int, memory_kib: int, iterations: int) -> None:
        self._hasher = _hasher(memory_kib, iterations)
        self._nobody = _digest_of_nobody(memory_kib, iterations)
        self._threads = threads
        self._queue = queue
        self._pool = running_pool(threads)
        self._closed = False
        self._admitted = 0
        self._share = max(1, queue // 8)
        self._by_address: Counter[str] = Counter()
        self._seconds_per_hash = 0.2

    @property
    def running(self) -> int:
        """How many passwords are being hashed at the moment."""
        return min(self._admitted, self._threads)

    @property
    def waiting(self) -> int:
        """How many callers wait for a thread."""
        return self._admitted - self.running

    def hash(self, password: str, *, address: str = "") -> str:
        """The digest to store.

        Raises HashingBusy when the queue, or the address's share of it, is full, and MemoryError.
        """
        return self._in_thread(lambda: self._hasher.hash(password), address)

    def verify(self, digest: str | None, password: str, *, address: str = "") -> bool:
        """Whether the digest is the password's; None, for an unknown person, takes as long and is False.

        Raises HashingBusy and MemoryError as `hash` does, ValueError for a digest that is none.
        """

        def matches() -> bool:
            try:
                return self._hasher.verify(self._nobody if digest is None else digest, password)
            except VerifyMismatchError:
                return False

        return self._in_thread(matches, address)

    def needs_rehash(self, digest: str) -> bool:
        """Whether a digest was made with other parameters than are configured now."""
        return self._hasher.check_needs_rehash(digest)

    def close(self) -> None:
        """Turn away who waits or still comes, and end the threads when those that are hashing have finished."""
        self._closed = True
        self._pool.kill()

    def _in_thread(self, work: Callable[[], _T], address: str) -> _T:
        if self._closed or self._admitted >= self._threads + self._queue or self._by_address[address] >= self._share:
            raise self._busy()
        self._enter(address)
        try:
            result = self._pool.spawn(self._attempt, work)
        except BaseException:
            self._leave(address)
            raise
        # Not in a `finally` here: a caller may be killed while the thread is still at work for it.
        result.rawlink(lambda _result: self._leave(address))
        outcome = result.get()
        if isinstance(outcome, Exception):
            raise outcome
        return cast("_T", outcome)

    def _attempt(self, work: Callable[[], _T]) -> _T | Exception:
        """Runs in the native thread. A failure is returned, since gevent prints to stderr what is raised."""
        if self._closed:
            return self._busy()
        _lower_priority()
        started = time.monotonic()
        try:
            return work()
        except (Argon2Error, ValueError) as failure:
            return MemoryError("for the hash of a password") if str(failure) == _NO_MEMORY else failure
        finally:
            self._seconds_per_hash += (time.monotonic() - started - self._seconds_per_hash) / 8

    def _busy(self) -> HashingBusy:
        return HashingBusy(max(1, math.ceil(self._seconds_per_hash * self._admitted / self._threads)))

    def _enter(self, address: str) -> None:
        self._admitted += 1
        if address:
            self._by_address[address] += 1

    def _leave(self, address: str) -> None:
        self._admitted -= 1
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]


def _lower_priority() -> None:
    """Let the hub go before this thread, and before the lanes argon2 starts from it, which inherit this."""
    thread = threading.get_native_id()
    # A sandbox may forbid it; hashing then competes with the hub as an equal, and still works.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
