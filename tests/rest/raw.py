"""Bytes to the server and back, for what no HTTP client would send."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.server import Server

PATIENCE_SECONDS = 10


@dataclass(frozen=True)
class Exchange:
    """All that came back until the server hung up, or for as long as somebody waited."""

    received: bytes
    closed: bool
    seconds: float

    @property
    def answers(self) -> list[tuple[int, Any]]:
        """Status and JSON of each response; they all have a Content-Length."""
        rest, answers = self.received, []
        while rest:
            head, rest = rest.split(b"\r\n\r\n", 1)
            length = re.search(rb"\r\ncontent-length: (\d+)", head, re.IGNORECASE)
            size = int(length[1]) if length else 0
            answers.append((int(head.split()[1]), json.loads(rest[:size] or b"null")))
            rest = rest[size:]
        return answers

    @property
    def error(self) -> tuple[int, str]:
        """Status and code of what must be the only answer, in the one shape."""
        [(status, body)] = self.answers
        assert set(body) - {"details"} == {"error", "message", "timestamp"}, body
        return status, body["error"]


def exchange(server: Server, *pieces: bytes, pause: float = 0, seconds: float = PATIENCE_SECONDS) -> Exchange:
    """Sends the pieces, with pauses between, and reads until the server hangs up or the seconds are over."""
    started = time.monotonic()
    received, closed = b"", False
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        _send(connection, pieces, pause)
        try:
            while not closed:
                connection.settimeout(max(started + seconds - time.monotonic(), 0.001))
                data = connection.recv(65536)
                received, closed = received + data, not data
        except TimeoutError:
            pass
        except ConnectionError:
            closed = True
    return Exchange(received, closed, time.monotonic() - started)


def _send(connection: socket.socket, pieces: Iterable[bytes], pause: float) -> None:
    """As much as the server takes: it may have answered, and hung up, before the end."""
    with suppress(ConnectionError):
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(pause)
            connection.sendall(piece)


def request(target: str = "/health", *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request with a Host; `fields` are whole header lines."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: here", *fields, "", ""]).encode("latin-1") + body
