"""Reads, off the hub: a few native threads, each with a read-only connection of its own.

A query is a function of models and may read several times: it sees the database as of one moment.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from gevent.event import Event
from peewee import SqliteDatabase

from chat_server.threads import running_pool

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("chat_server.storage")


class Readers:
    """Runs functions that only read, on `threads` native threads. Waiting blocks the calling greenlet only."""

    def __init__(
        self,
        database: SqliteDatabase,
        *,
        threads: int,
        slow_query_ms: int,
        slow: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._pool = running_pool(threads)
        self._slow_query_ms = slow_query_ms
        self._slow = slow
        self._connections: list[sqlite3.Connection] = []
        self.waiting = 0
        """How many reads somebody waits for, under way or queued."""
        self._idle = Event()
        self._idle.set()
        self._local = threading.local()

    def run(self, query: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The query's result. It runs on a reader's thread with the models bound to a read-only connection."""
        self.waiting += 1
        self._idle.clear()
        try:
            outcome = self._pool.apply(self._attempt, (query, args, kwargs))
        finally:
            self.waiting -= 1
            if not self.waiting:
                self._idle.set()
        if isinstance(outcome, Exception):
            raise outcome
        return cast("T", outcome)

    def _attempt(self, query: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T | Exception:
        """Runs in a reader's thread. What is raised is returned: gevent would print it, and a refusal is no fault."""
        try:
            return self._read(query, args, kwargs)
        except Exception as error:  # noqa: BLE001  it is raised again where the query was asked for
            return error

    def _read(self, query: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]) -> T:
        if not getattr(self._local, "ready", False):
            self._connections.append(self._database.connection())
            self._database.execute_sql("PRAGMA query_only = ON")
            self._local.ready = True
        started = time.monotonic()
        try:
            with self._database.atomic():
                return query(*args, **kwargs)
        finally:
            self.report_if_slow(query.__qualname__, started)

    def report_if_slow(self, name: str, started: float) -> None:
        """Logs a `slow query` (guide, chapter 5) where one that began at `started` (monotonic) took too long."""
        elapsed_ms = (time.monotonic() - started) * 1000
        if elapsed_ms >= self._slow_query_ms:
            self._slow()
            log.warning("slow query", {"query": name, "ms": round(elapsed_ms)})

    def close(self) -> None:
        """Waits for what was asked, then closes every reader's connection."""
        self._idle.wait()  # the pool's own join forgets those it has no room for yet
        self._pool.kill()
        for connection in self._connections:
            connection.close()
        self._connections.clear()
