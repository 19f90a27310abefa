"""One WebSocket to the server: frames out, frames in, until it is lost."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

import gevent
import websocket
from gevent.event import Event

from loadtests.api import RefusedError, UnreachableError
from loadtests.host import Host, ReadAhead

Frame = dict[str, Any]

CONNECT_SECONDS = 10.0
QUIET_HEARTBEATS = 2.5
"""A server from which nothing was heard for so many heartbeats is gone."""


class LineLostError(Exception):
    """The connection is over: by the server's close code, or 1006 where there was none."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code


class Line:
    """An open socket. What is sent leaves in a greenlet of its own: the sender never waits for the server."""

    def __init__(self, host: Host, token: str) -> None:
        """Connects. Raises RefusedError, UnreachableError."""
        self._socket = _open(host, token)
        self._outgoing: deque[str] = deque()
        self._wake = Event()
        self._writer = gevent.spawn(self._write)

    def hear_every(self, seconds: float) -> None:
        """The server sends something at least this often, or the line counts as lost."""
        self._socket.settimeout(seconds * QUIET_HEARTBEATS)

    def send(self, kind: str, data: Frame, frame_id: str) -> None:
        frame = {"id": frame_id, "type": kind, "timestamp": int(time.time() * 1000), "data": data}
        self._outgoing.append(json.dumps(frame))
        self._wake.set()

    def receive(self) -> Frame:
        """The next frame; PINGs are answered meanwhile. Raises LineLostError."""
        try:
            opcode, payload = self._socket.recv_data()
        except (websocket.WebSocketException, OSError) as error:
            raise LineLostError(1006, str(error)) from error
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise LineLostError(int.from_bytes(payload[:2]) or 1005, payload[2:].decode(errors="replace"))
        frame: Frame = json.loads(payload)
        return frame

    def cut(self) -> None:
        """Ends the connection as a lost network does: no CLOSE."""
        self._writer.kill(block=False)
        self._socket.abort()

    def hang_up(self) -> None:
        """Says goodbye; whoever receives then hears the server's answer."""
        try:
            self._socket.send_close()
        except (websocket.WebSocketException, OSError):
            self.cut()

    def release(self) -> None:
        """After the line was lost."""
        self._writer.kill(block=False)
        self._socket.shutdown()

    def _write(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._outgoing:
                try:
                    self._socket.send(self._outgoing.popleft())
                except (websocket.WebSocketException, OSError):
                    self._socket.abort()
                    return


def _open(host: Host, token: str) -> websocket.WebSocket:
    opened = websocket.WebSocket(skip_utf8_validation=True)
    header = [f"Authorization: Bearer {token}"]
    try:
        connected = ReadAhead(host.connect(CONNECT_SECONDS))
        opened.connect(host.socket_url, socket=connected, header=header, suppress_origin=True)
    except websocket.WebSocketBadStatusException as error:
        raise _refusal(error) from error
    except (websocket.WebSocketException, OSError) as error:
        raise UnreachableError(f"the socket: {error}") from error
    return opened


def _refusal(error: websocket.WebSocketBadStatusException) -> RefusedError:
    headers = {str(name).lower(): value for name, value in (error.resp_headers or {}).items()}
    try:
        body = json.loads(error.resp_body or b"{}")
    except ValueError:
        body = {}
    code, message = str(body.get("error", error.status_code)), str(body.get("message", ""))
    return RefusedError(error.status_code, code, message, float(headers.get("retry-after", 0)))
