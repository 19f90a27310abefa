"""Finds the sockets nobody is behind any more: heartbeats, stalled readers, expired tokens.

One greenlet watches them all; a socket of its own would cost each idle connection kilobytes. Times are
monotonic seconds.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from typing import TYPE_CHECKING

import gevent

from chat_server.realtime.connection import Connection

if TYPE_CHECKING:
    from chat_server.realtime.parts import Parts

log = logging.getLogger("chat_server.realtime")

TICK_SECONDS = 0.5
CHECKS_PER_TURN = 64


class Watch:
    """What is known of one connection's liveness. `check` says when to look again."""

    __slots__ = ("_beat_at", "_beat_left", "_connection", "_parts", "_unacknowledged")

    def __init__(self, parts: Parts, connection: Connection, now: float) -> None:
        self._parts = parts
        self._connection = connection
        self._beat_at = now + parts.config.websocket.heartbeat_seconds
        self._beat_left = 0.0
        """When the PING that is awaited left, or last was seen on its way; 0 where none is."""
        self._unacknowledged = 0

    def check(self, now: float) -> float | None:
        """Does what is due; gives when the next thing is, None when the connection is over."""
        socket = self._connection.socket
        if not socket.is_open:
            return None
        if self._connection.expires_at <= self._parts.clock():
            self._expire()
        elif self._stalled(now):
            log.info("slow reader closed", {"user": self._connection.user_id, "queued": socket.queued})
            socket.give_up()
        elif self._beat_left and not self._answered(now):
            log.info("heartbeat missed", {"user": self._connection.user_id, "address": self._connection.address})
            self._connection.close(1002, "heartbeat: no answer to PING")
            socket.abort()  # nobody is there to answer the CLOSE; the person is offline from now on
        elif now >= self._beat_at:
            self._beat(now)
        return self.due(now)

    def _expire(self) -> None:
        self._connection.refuse("", "UNAUTHORIZED", "The token has expired.")
        self._connection.close(1008, "token expired")

    def _stalled(self, now: float) -> bool:
        """Bytes have waited for the client for too long, in which it neither took nor sent any."""
        socket = self._connection.socket
        if not socket.queued:
            return False
        newest = max(socket.last_progress, socket.last_received)
        return now - newest >= self._parts.config.limits.stalled_seconds

    def _beat(self, now: float) -> None:
        self._connection.courier.beat()
        self._beat_at = now + self._parts.config.websocket.heartbeat_seconds
        self._beat_left = now
        self._unacknowledged = 0  # asked for when the answer is late, which it hardly ever is

    def _answered(self, now: float) -> bool:
        """Whether the client is alive, or may yet be: on a slow link what it acknowledges is a sign of life."""
        socket = self._connection.socket
        if socket.last_received >= self._beat_left:
            self._beat_left = 0.0
            return True
        waiting = socket.unacknowledged() + socket.queued
        if waiting < self._unacknowledged or socket.queued:
            self._beat_left = now  # the PING is still on its way, behind what is moving (or stalls, which is seen to)
        self._unacknowledged = waiting
        return now - self._beat_left < self._parts.config.websocket.heartbeat_timeout_seconds

    def due(self, now: float) -> float:
        """When to look next."""
        if self._beat_left or self._connection.socket.queued:
            return now + TICK_SECONDS
        expiry = now + (self._connection.expires_at - self._parts.clock()) / 1000
        return min(self._beat_at, expiry)


class Liveness:
    """Watches connections until they are over."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._due: list[tuple[float, int, Watch]] = []
        self._numbers = itertools.count()

    def watch(self, connection: Connection) -> None:
        now = time.monotonic()
        watch = Watch(self._parts, connection, now)
        self._push(watch.due(now), watch)

    def run(self) -> None:
        """Checks what is due, for ever."""
        while True:
            gevent.sleep(TICK_SECONDS)
            checked = 0
            while self._due and self._due[0][0] <= time.monotonic():
                self._check(heapq.heappop(self._due)[2])
                checked += 1
                if checked % CHECKS_PER_TURN == 0:
                    gevent.idle(priority=2)  # once around the loop, sockets included

    def _check(self, watch: Watch) -> None:
        try:
            due = watch.check(time.monotonic())
        except Exception:
            log.exception("checking a connection failed")
            return
        if due is not None:
            self._push(due, watch)

    def _push(self, due: float, watch: Watch) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), watch))
