"""pywsgi with bounds: who is slow, too large or ambiguous is turned away before the application sees it.

An upgrade of /socket goes to the realtime gateway. gevent-websocket's handler does the switch of protocols;
nothing of it is used afterwards.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from io import BytesIO
from types import TracebackType
from typing import Any

import falcon
import gevent
import msgspec
from gevent import Timeout, with_timeout
from gevent import socket as gevent_socket
from gevent.event import Event
from gevent.pywsgi import Input, WSGIServer
from geventwebsocket.handler import WebSocketHandler  # type: ignore[import-untyped]

from chat_server.config import LimitsSection
from chat_server.http.cors import Cors
from chat_server.http.errors import (
    JSON,
    ErrorAnswer,
    ErrorBody,
    InvalidHandshakeError,
    RequestTooSlowError,
    TooManyHttpConnectionsError,
    TooManyRequestsError,
    UpgradeRequiredError,
    answer,
)
from chat_server.http.journal import HEADERS
from chat_server.http.limit import RequestLimit
from chat_server.http.request import Request
from chat_server.http.wire import Head, read_body, read_head
from chat_server.realtime.gateway import Admission, Gateway, RefusedError

log = logging.getLogger("chat_server.http")

SOCKET_PATH = "/socket"
NEWCOMER_SECONDS = 1.0
LINGER_SECONDS = 2
LINGER_BYTES = 1024 * 1024
# pywsgi discards what the application left unread. Bodies are read whole beforehand, so nothing ever is.
_NOTHING_LEFT = Input(BytesIO(), 0)  # type: ignore[arg-type]  # any stream will do


class Handler(WebSocketHandler):  # type: ignore[misc]  # the library has no types
    """One connection, request after request, until it closes or becomes a WebSocket."""

    server: HttpServer
    socket: gevent_socket.socket

    def __init__(self, connected: gevent_socket.socket, address: object, server: HttpServer) -> None:
        super().__init__(connected, address, server)
        self._counted = True
        server.connections += 1

    def handle_one_request(self) -> bool | None:
        """True when another request may follow; None when the connection is to be closed."""
        if not self._await_request() or not self._receive():
            return None
        self.application = self.server.application
        self.handle_one_response()
        return None if self.close_connection else True

    def leave(self) -> None:
        """The connection has ended, or is no longer HTTP: it does not count any more."""
        if self._counted:
            self._counted = False
            self.server.left()

    def hang_up(self) -> None:
        """Ends a connection that waits for a request."""
        with suppress(OSError):
            self.socket.shutdown(gevent_socket.SHUT_RDWR)

    def _await_request(self) -> bool:
        """Whether a request begins before the connection has been idle for too long."""
        limits = self.server.limits
        is_first = not self.headers_sent
        seconds = limits.request_timeout_seconds if is_first else limits.keepalive_seconds
        self.server.idle[self] = None
        try:
            return bool(with_timeout(seconds, self.rfile.peek, 1, timeout_value=b""))
        except OSError:
            return False
        finally:
            del self.server.idle[self]

    def _receive(self) -> bool:
        """Reads a request, whole. False when there was none to be read; then it is answered, if it can be."""
        limits = self.server.limits
        origin = None
        try:
            with Timeout(limits.request_timeout_seconds, RequestTooSlowError()):
                head = read_head(self.rfile)
                origin = head.headers.get("Origin")
                body = read_body(
                    self.rfile, head.length, limit=limits.max_body_bytes, proceed=lambda: self._proceed(head)
                )
        except OSError:
            return False
        except Exception as fault:  # noqa: BLE001  the table of errors knows them all
            self._refuse(answer(fault, now=self.server.clock()), origin=origin)
            return False
        self._take(head, body)
        return True

    def _proceed(self, head: Head) -> None:
        """Says 100 Continue to who waits for it before sending the body (RFC 9110, section 10.1.1)."""
        if head.version == "HTTP/1.1" and head.has_option("expect", "100-continue"):
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take(self, head: Head, body: bytes) -> None:
        """Sets what pywsgi sets by its own reading of a request."""
        self.requestline, self.command, self.path = head.line, head.method, head.target
        self.request_version, self.headers, self.content_length = head.version, head.headers, len(body)
        is_kept = head.version == "HTTP/1.1" or head.has_option("connection", "keep-alive")
        self.close_connection = self.server.stopping or not is_kept or head.has_option("connection", "close")
        self.environ = self.get_environ()
        self.environ.pop("HTTP_TRANSFER_ENCODING", None)
        self.environ["CONTENT_LENGTH"] = str(len(body))
        self.environ["wsgi.input"] = BytesIO(body)
        self.wsgi_input = _NOTHING_LEFT

    def _refuse(self, answered: ErrorAnswer, *, origin: str | None = None) -> None:
        """Answers what never got to be a request of the application's, and reads on for a moment.

        `origin` is that of the page which asked, where it is known. A connection that is closed with bytes unread is
        reset, and the answer may be lost with it.
        """
        log.debug("request refused", {"status": answered.status, "peer": str(self.client_address[0])})

        def answer_and_linger() -> None:
            self.socket.sendall(_on_the_wire(answered, self.server.cors.headers(origin)))
            self.socket.shutdown(gevent_socket.SHUT_WR)
            left = LINGER_BYTES
            while left > 0 and (unread := self.socket.recv(65536)):
                left -= len(unread)

        with suppress(OSError):
            with_timeout(LINGER_SECONDS, answer_and_linger, timeout_value=None)

    # From here on: what the base classes call.

    def upgrade_websocket(self) -> list[bytes] | None:
        """Called for each request. An upgrade of /socket is admitted, or refused with the body given back.

        Everything else is the application's to answer; at /socket, with 426.
        """
        if self.environ["PATH_INFO"] != SOCKET_PATH or not _asks_for_websocket(self.environ):
            return None
        server = self.server
        try:
            accept = accept_handshake(self.environ)
            address = server.limit.address_of(self.environ)
            limited = server.limit.applies_to(address)
            if limited:
                server.limit.count(address)
            # From here on it is no HTTP connection: admission may wait for the database, and when everybody comes back
            # at once, after a restart, those who wait are not to count as so many idle clients and be refused for it.
            self.leave()
            admission = server.gateway.admit(self.environ, address=address, limited=limited)
        except RefusedError as refusal:
            body = ErrorBody(refusal.code, refusal.message, server.clock())
            return self._decline(ErrorAnswer(refusal.status, msgspec.json.encode(body), JSON))
        except (UpgradeRequiredError, InvalidHandshakeError, TooManyRequestsError) as fault:
            return self._decline(answer(fault, now=server.clock()))
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        if admission.subprotocol is not None:
            headers.append(("Sec-WebSocket-Protocol", admission.subprotocol))
        # The two marks by which the base class knows that it is to switch protocols.
        self.websocket = self.environ["wsgi.websocket"] = admission
        self.start_response("101 Switching Protocols", headers)
        return None

    def _decline(self, answered: ErrorAnswer) -> list[bytes]:
        log.debug("upgrade refused", {"status": answered.status, "peer": str(self.client_address[0])})
        self.close_connection = True
        self.start_response(answered.status_line, [*HEADERS.items(), *answered.headers.items()])
        return [answered.body]

    def run_websocket(self) -> None:
        """Hands the connection to the gateway, with what had been read beyond the upgrade; keeps nothing else.

        Tens of thousands may be open and idle: the request's environment and the read buffer are most of
        what each would cost.
        """
        admission: Admission = self.websocket
        connected = self.socket
        connected.settimeout(0)
        early: bytes = self.rfile.peek() or b""
        connected.settimeout(None)
        self.rfile.close()
        for name in ("rfile", "environ", "headers", "requestline", "path", "response_headers", "websocket"):
            del self.__dict__[name]
        self.leave()
        self.server.gateway.serve(connected, admission, early)

    def finalize_headers(self) -> None:
        super().finalize_headers()
        response_headers: list[tuple[bytes, bytes]] = self.response_headers
        is_upgrade = self.code == HTTPStatus.SWITCHING_PROTOCOLS
        if self.close_connection and self.request_version == "HTTP/1.1" and not is_upgrade:
            response_headers.append((b"Connection", b"close"))

    def _sendall(self, data: bytes) -> None:
        """Gives up on who does not take the answer, so that nobody can hold a connection by not reading."""
        patience = self.server.limits.request_timeout_seconds
        with Timeout(patience, ConnectionResetError(errno.ECONNRESET, "the client reads too slowly")):
            super()._sendall(data)

    def handle_error(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        """The application lets nothing through, so this is about the connection or about the gateway."""
        self.close_connection = True
        if isinstance(error, gevent.GreenletExit):
            return
        log.error("connection failed", exc_info=(kind, error, traceback))
        if not self.headers_sent:
            self._refuse(answer(Exception(), now=self.server.clock()))

    def log_request(self) -> None:
        """journal.py has logged it."""


class HttpServer(WSGIServer):
    """Accepts connections, only so many at a time. `limits` may be replaced while it runs."""

    def __init__(
        self,
        listener: gevent_socket.socket,
        application: falcon.App[Request, falcon.Response],
        gateway: Gateway,
        *,
        limit: RequestLimit,
        limits: LimitsSection,
        cors: Cors,
        clock: Callable[[], int],
    ) -> None:
        # Without a name of its own pywsgi asks the resolver for one, which may take long or fail.
        super().__init__(
            listener,
            application,
            handler_class=Handler,
            log=None,
            error_log=None,
            environ={"SERVER_NAME": "chat-server"},
        )
        self.gateway = gateway
        self.limit = limit
        self.limits = limits
        self.cors = cors
        self.clock = clock
        self.connections = 0
        """How many are open, without those that became WebSockets."""
        self.idle: dict[Handler, None] = {}
        """Those that wait for a request, the longest waiting first."""
        self.stopping = False
        self._left = Event()

    def handle(self, connected: gevent_socket.socket, address: object) -> None:
        """Serves one connection to its end. Over the limit, the longest idle one makes room."""
        if self.connections >= self.limits.max_http_connections:
            longest_idle = next(iter(self.idle), None)
            if longest_idle is None:
                with suppress(OSError):
                    connected.sendall(_on_the_wire(answer(TooManyHttpConnectionsError(), now=self.clock()), {}))
                connected.close()
                return
            longest_idle.hang_up()
        handler = Handler(connected, address, self)
        try:
            handler.handle()
        finally:
            handler.leave()

    def left(self) -> None:
        """A connection ended, or became a WebSocket."""
        self.connections -= 1
        self._left.set()

    def stop(self, timeout: float | None = None) -> None:
        """Closes the listener and the idle connections, and lets those under way be answered, for so many seconds.

        Who has only just come is given a moment to ask: with systemd's socket, nobody is refused by a restart.
        """
        self.stopping = True
        self.close()
        self._hang_up([handler for handler in self.idle if handler.headers_sent])
        gevent.spawn_later(NEWCOMER_SECONDS, lambda: self._hang_up(list(self.idle)))
        with_timeout(timeout, self._wait_until_empty, timeout_value=None)

    def _hang_up(self, handlers: list[Handler]) -> None:
        for handler in handlers:
            handler.hang_up()

    def _wait_until_empty(self) -> None:
        while self.connections:
            self._left.clear()
            self._left.wait()


def accept_handshake(environ: dict[str, Any]) -> str:
    """The Sec-WebSocket-Accept of an upgrade request (RFC 6455, section 4.2.2).

    Raises UpgradeRequiredError for another version, InvalidHandshakeError for a bad key.
    """
    if environ["SERVER_PROTOCOL"] != "HTTP/1.1" or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13":
        raise UpgradeRequiredError
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        nonce = base64.b64decode(key, validate=True)
    except ValueError as fault:
        raise InvalidHandshakeError from fault
    if len(nonce) != 16:
        raise InvalidHandshakeError
    digest = hashlib.sha1((key + Handler.GUID).encode("ascii"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _asks_for_websocket(environ: dict[str, Any]) -> bool:
    def lists(field: str, option: str) -> bool:
        return option in (one.strip().lower() for one in environ.get(field, "").split(","))

    is_get = environ["REQUEST_METHOD"] == "GET"
    return is_get and lists("HTTP_UPGRADE", "websocket") and lists("HTTP_CONNECTION", "upgrade")


def _on_the_wire(answered: ErrorAnswer, also: Mapping[str, str]) -> bytes:
    """A whole response, for where there is no request that pywsgi could answer."""
    fields = {**HEADERS, **answered.headers, **also, "Content-Length": str(len(answered.body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {answered.status_line}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answered.body
