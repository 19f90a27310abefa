"""Lets people in: who may open a socket, and what happens around a connection's life."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from gevent import socket as gevent_socket

from chat_server.chat.sessions import AccountDeletedError, Caller, UnauthorizedError
from chat_server.realtime.connection import Connection
from chat_server.realtime.websocket import WebSocket

if TYPE_CHECKING:
    from chat_server.realtime.announcer import Announcer
    from chat_server.realtime.liveness import Liveness
    from chat_server.realtime.parts import Parts

log = logging.getLogger("chat_server.realtime")

SUBPROTOCOL = "chat-v1"
BEARER_SUBPROTOCOL = "bearer."


class RefusedError(Exception):
    """The upgrade is refused, with an HTTP status and the one JSON error shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Admission:
    """Who comes in, and the subprotocol to echo."""

    caller: Caller
    subprotocol: str | None
    address: str
    limited: bool


class Gateway:
    """Admits upgrades and serves what was admitted."""

    def __init__(self, parts: Parts, liveness: Liveness, announcer: Announcer) -> None:
        self._parts = parts
        self._liveness = liveness
        self._announcer = announcer
        self.stopping = False

    def admit(self, environ: dict[str, Any], *, address: str, limited: bool) -> Admission:
        """Who the upgrade request comes from. `limited`: whether limits of rate apply to its `address`.

        Raises RefusedError.
        """
        limits = self._parts.config.limits
        if self.stopping:
            raise RefusedError(503, "UNAVAILABLE", "The server is stopping: come back in a moment.")
        offered = [name.strip() for name in str(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "")).split(",")]
        try:
            caller = self._parts.sessions.verify(_token(environ, offered))
        except UnauthorizedError as error:
            raise RefusedError(401, "UNAUTHORIZED", "The token is missing, expired or not valid.") from error
        except AccountDeletedError as error:
            raise RefusedError(403, "ACCOUNT_DELETED", "This account was deleted.") from error
        # Only now: who comes in is counted before anything else can happen, however many verify their tokens at once.
        if len(self._parts.hub) >= limits.max_connections:
            raise RefusedError(503, "TOO_MANY_CONNECTIONS", "The server has as many connections as it may have.")
        if len(self._parts.hub.sockets(caller.user_id)) >= limits.max_connections_per_user:
            raise RefusedError(503, "TOO_MANY_CONNECTIONS", "You have as many connections as one person may have.")
        return Admission(caller, SUBPROTOCOL if SUBPROTOCOL in offered else None, address, limited)

    def serve(self, connected: gevent_socket.socket, admission: Admission, early: bytes) -> None:
        """Runs the admitted connection to its end. `early`: bytes that came right behind the upgrade."""
        limits = self._parts.config.limits
        socket = WebSocket(connected, max_message=limits.max_frame_bytes, queue_limit=limits.outbound_queue_bytes)
        connection = Connection(
            self._parts, socket, admission.caller, address=admission.address, limited=admission.limited
        )
        self._parts.hub.add(connection)
        log.debug("socket opened", {"user": connection.user_id, "address": connection.address})
        try:
            self._liveness.watch(connection)
            acquaintances = self._parts.conversations.acquaintances(connection.user_id)
            self._announcer.arrived(connection, acquaintances)
            connection.run(acquaintances, early)
        finally:
            socket.abort()
            connection.released()
            if self._parts.hub.remove(connection):
                self._announcer.left(connection)
            log.debug("socket closed", {"user": connection.user_id, "code": socket.close_code})


def _token(environ: dict[str, Any], offered: list[str]) -> str:
    """From the header, the subprotocols or the query, in this order: the later ones for clients that must."""
    scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for name in offered:
        if name.startswith(BEARER_SUBPROTOCOL):
            return name[len(BEARER_SUBPROTOCOL) :]
    return str(parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0])
