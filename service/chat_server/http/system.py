"""/health, /status, /metrics, and /socket for who comes there without a WebSocket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import gevent
from msgspec import Struct

from chat_server import __version__
from chat_server.http.endpoint import Document, Reply, endpoint
from chat_server.http.errors import UpgradeRequiredError
from chat_server.observability.backups import last_backup_at
from chat_server.observability.metrics import Metrics
from chat_server.storage.errors import StorageUnavailableError
from chat_server.storage.models import User, WriteProbe
from chat_server.storage.readers import Readers
from chat_server.storage.room import LEAST_BYTES, free_bytes
from chat_server.storage.writer import Writer

PROBE_EVERY_MS = 1_000
PROBE_PATIENCE_SECONDS = 5


class HealthBody(Struct, frozen=True):
    """In snake_case, unlike the rest: monitors know this answer as it is."""

    status: Literal["healthy", "unhealthy"]
    timestamp: int
    uptime_seconds: int


class DatabaseBody(Struct, frozen=True, rename="camel"):
    type: str
    path: str
    status: Literal["connected", "failing"]


class ConnectionsBody(Struct, frozen=True, rename="camel"):
    active_websocket: int
    total_users: int


class StatusBody(Struct, frozen=True, rename="camel"):
    status: Literal["running"]
    version: str
    started_at: int
    uptime_seconds: int
    database: DatabaseBody
    connections: ConnectionsBody
    messages_per_second: float
    queue_depth: int
    last_backup_at: int | None


class Pulse:
    """Whether the database can be written: tried at most once a second, however many ask."""

    def __init__(self, writer: Writer, database: Path, *, clock: Callable[[], int]) -> None:
        self._writer = writer
        self._directory = database.parent
        self._clock = clock
        self._probe: gevent.Greenlet[..., bool] | None = None
        self._probed_at = 0

    def is_writable(self) -> bool:
        """Waits for the probe that is under way, or a few seconds at most: a disk that hangs is not healthy."""
        now = self._clock()
        if self._probe is None or (self._probe.dead and not 0 <= now - self._probed_at < PROBE_EVERY_MS):
            self._probed_at = now
            self._probe = gevent.spawn(self._try, now)
        self._probe.join(PROBE_PATIENCE_SECONDS)
        return bool(self._probe.value)

    def _try(self, now: int) -> bool:
        try:
            has_room = free_bytes(self._directory) >= LEAST_BYTES
            self._writer.write(write_probe, now)
        except (OSError, StorageUnavailableError):
            return False
        return has_room


class Health:
    def __init__(self, pulse: Pulse, *, clock: Callable[[], int], started_at: int) -> None:
        self._pulse = pulse
        self._clock = clock
        self._started_at = started_at

    @endpoint(status=200, or_status=503)
    def on_get(self) -> Reply[HealthBody]:
        """For monitors: 200 while messages can be stored, 503 when the database cannot be written."""
        writable = self._pulse.is_writable()
        now = self._clock()
        body = HealthBody("healthy" if writable else "unhealthy", now, (now - self._started_at) // 1000)
        return Reply(200 if writable else 503, body)

    @endpoint(status=200, or_status=503)
    def on_head(self) -> Reply[HealthBody]:
        """The same without a body."""
        return self.on_get.__wrapped__(self)  # type: ignore[attr-defined,no-any-return]


class Status:
    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        *,
        database: Path,
        backups: Path,
        sockets: Callable[[], int],
        messages_per_second: Callable[[], float],
        clock: Callable[[], int],
        started_at: int,
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._database = database
        self._backups = backups
        self._sockets = sockets
        self._messages_per_second = messages_per_second
        self._clock = clock
        self._started_at = started_at

    @endpoint()
    def on_get(self) -> StatusBody:
        """What an admin wants to know at a glance."""
        return StatusBody(
            status="running",
            version=__version__,
            started_at=self._started_at,
            uptime_seconds=(self._clock() - self._started_at) // 1000,
            database=DatabaseBody("sqlite", str(self._database), "failing" if self._writer.failing else "connected"),
            connections=ConnectionsBody(self._sockets(), self._readers.run(count_users)),
            messages_per_second=round(self._messages_per_second(), 1),
            queue_depth=self._writer.depth,
            last_backup_at=last_backup_at(self._backups),
        )


class MetricsPage:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @endpoint(content_type="text/plain")
    def on_get(self) -> Document:
        """Counters and gauges as Prometheus reads them."""
        return Document(*self._metrics.render())


class Socket:
    """Real upgrades never get here: handler.py hands them to the gateway."""

    @endpoint(status=101, refuses=(UpgradeRequiredError,))
    def on_get(self) -> None:
        """Upgrade to a WebSocket (RFC 6455) for messages in real time, as docs/protocol.md describes.

        The token is the query's `token`, an Authorization header, or a subprotocol `bearer.<token>` beside
        `chat-v1`. 401 for a token that is not valid, 403 for a deleted account, 503 when there are too many.
        """
        raise UpgradeRequiredError


def write_probe(now: int) -> None:
    """Runs in the writer."""
    WriteProbe.update(probed_at=now).execute()


def count_users() -> int:
    """How many accounts there are, without deleted ones. Runs in a reader."""
    return User.select().where(User.deleted_at.is_null()).count()
