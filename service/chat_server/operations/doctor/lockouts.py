"""Who is locked out at this moment, by the rule of security/lockout.py, of all that auth_logs has."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from chat_server.config import RateLimitSection

MOST_ATTEMPTS: Final = 100_000


class Attempt(NamedTuple):
    """A row of auth_logs, in the order in which they were written."""

    username: str
    address: str
    succeeded: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Locked:
    """`username` or `address` is empty where the lockout is for all of them; `until` in ms since the epoch."""

    username: str
    address: str
    until: int


_Failures = dict[tuple[str, str], deque[int]]


def attempts(connection: sqlite3.Connection, limits: RateLimitSection, *, now: int) -> Iterator[list[object]]:
    """The attempts within the window, the newest of them if they are too many, the oldest first."""
    yield from connection.execute(
        "SELECT * FROM (SELECT lower(username), address, succeeded, created_at, id FROM auth_logs"
        " WHERE created_at > ? ORDER BY id DESC LIMIT ?) ORDER BY id",
        (now - limits.auth_window_seconds * 1000, MOST_ATTEMPTS),
    )


def existing(connection: sqlite3.Connection, names: Collection[str]) -> Iterator[str]:
    """Those of the names that somebody has, as they write it."""
    yield from (
        row[0]
        for row in connection.execute(
            "SELECT username FROM users WHERE username IN (SELECT value FROM json_each(?)) AND deleted_at IS NULL",
            (json.dumps(sorted(names)),),
        )
    )


def locked_out(made: Iterable[Attempt], limits: RateLimitSection, *, now: int) -> list[Locked]:
    """The lockouts in force, those of one name at one address first."""
    window = limits.auth_window_seconds * 1000
    bounds = (
        limits.max_auth_attempts,
        limits.max_auth_attempts_per_username,
        limits.max_auth_attempts_per_address,
    )
    failed: tuple[_Failures, ...] = ({}, {}, {})
    for username, address, succeeded, created_at in made:
        keys = ((username, address), (username, ""), ("", address))
        if succeeded:
            failed[0].pop(keys[0], None)
        elif created_at > now - window:
            for times, key, bound in zip(failed, keys, bounds, strict=True):
                times.setdefault(key, deque(maxlen=bound)).append(created_at)
    return [
        Locked(username, address, min(newest) + window)
        for times, bound in zip(failed, bounds, strict=True)
        for (username, address), newest in times.items()
        if len(newest) == bound
    ]
