"""Where the server is, and how to get a connection to it."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Host:
    """The server under test, as `--host` names it: https://chat.example.org, perhaps with a port or a path."""

    name: str
    port: int
    prefix: str
    """What stands in front of every path."""
    tls: ssl.SSLContext | None
    """One for all connections: to make one takes longer than to use it."""

    @classmethod
    def parse(cls, url: str) -> Host:
        """From an http or https URL."""
        parts = urlsplit(url)
        tls = ssl.create_default_context() if parts.scheme == "https" else None
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), parts.path.rstrip("/"), tls)

    @property
    def socket_url(self) -> str:
        """Where WebSockets are opened."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        port = "" if self.port == (443 if self.tls else 80) else f":{self.port}"
        return f"{'wss' if self.tls else 'ws'}://{name}{port}{self.prefix}/socket"

    def connect(self, timeout: float) -> socket.socket:
        """A connection, with TLS where the URL said so. Raises OSError."""
        connected = socket.create_connection((self.name, self.port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            return connected
        try:
            return self.tls.wrap_socket(connected, server_hostname=self.name)
        except BaseException:
            connected.close()
            raise


class ReadAhead:
    """A connection that reads what has come, and hands it out in small pieces.

    websocket-client reads a handshake byte by byte and a frame in three parts, each of which would be a system call.
    """

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._data = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        """At most so many bytes; none when the other end has closed. Raises OSError."""
        if self._at == len(self._data):
            self._data, self._at = self._socket.recv(READ_BYTES), 0
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def __getattr__(self, name: str) -> object:
        """Everything else is the connection's own."""
        return getattr(self._socket, name)
