"""Asking the server that runs on this machine how it is."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Literal

import msgspec

from chat_server.config import ServerSection

HEALTH_SECONDS = 8
"""The server has 5 to find out whether it can write."""
STATUS_SECONDS = 3
MOST_BYTES = 65_536

# Where a server that listens on every interface answers.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  it is looked up, not listened on


@dataclass(frozen=True, slots=True)
class Health:
    """What /health says, or why it doesn't; `detail` is one line for a person."""

    status: Literal["healthy", "unhealthy"]
    detail: str


@dataclass(frozen=True, slots=True)
class Running:
    """Of /status, what the database can't tell; times in ms since the epoch."""

    version: str
    started_at: int
    connected_sockets: int
    messages_per_second: float
    queue_depth: int


class _Connections(msgspec.Struct, frozen=True, rename="camel"):
    active_websocket: int


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    version: str
    started_at: int
    connections: _Connections
    messages_per_second: float
    queue_depth: int


class SilentError(Exception):
    """Nothing, or nothing of ours, answered. Its text is one line that names the address."""


def health(server: ServerSection) -> Health:
    """Whether the server answers that it is healthy, within 8 seconds for each step of asking."""
    try:
        status, _ = _get(server, "/health", HEALTH_SECONDS)
    except SilentError as error:
        return Health("unhealthy", str(error))
    where = address(server)
    if status == http.HTTPStatus.OK:
        return Health("healthy", f"{where} answers")
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        return Health("unhealthy", f"{where} answers 503: the database cannot be written")
    return Health("unhealthy", f"{where} answers {status}")


def running(server: ServerSection) -> Running | None:
    """What a running server says of itself; None where none answers as ours do."""
    try:
        _, body = _get(server, "/status", STATUS_SECONDS)
        status = msgspec.json.decode(body, type=_Status)
    except (SilentError, msgspec.DecodeError):
        return None
    return Running(
        version=status.version,
        started_at=status.started_at,
        connected_sockets=status.connections.active_websocket,
        messages_per_second=status.messages_per_second,
        queue_depth=status.queue_depth,
    )


def _get(server: ServerSection, path: str, seconds: int) -> tuple[int, bytes]:
    """The answer's status and body, within so many seconds for each step. Raises SilentError."""
    connection = http.client.HTTPConnection(_host(server), server.port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(MOST_BYTES)
    except TimeoutError:
        raise SilentError(f"{address(server)} gives no answer within {seconds} s") from None
    except OSError as error:
        raise SilentError(f"{address(server)}: {error.strerror or error}") from None
    except http.client.HTTPException:
        raise SilentError(f"{address(server)} does not speak HTTP") from None
    finally:
        connection.close()


def _host(server: ServerSection) -> str:
    return _LOOPBACK.get(server.host, server.host)


def address(server: ServerSection) -> str:
    """Where a server with this configuration answers its own machine."""
    host = _host(server)
    return f"http://[{host}]:{server.port}" if ":" in host else f"http://{host}:{server.port}"
