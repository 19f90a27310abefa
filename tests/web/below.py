"""A proxy that has the server below a path of its own, as a host with other pages would."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

BYTES = 1 << 16
END_OF_HEAD = b"\r\n\r\n"


class Below:
    """Takes requests for a path and what lies below it to the server's own, for the length of a `with` block."""

    def __init__(self, port: int, path: str) -> None:
        """`path` begins and ends with a slash."""
        self._port = port
        self._path = path.encode()
        self._listening = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """The page's."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}{self._path.decode()}"

    def __enter__(self) -> Below:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        """One request, or one WebSocket."""
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
            asked = b""
            while END_OF_HEAD not in asked:
                data = near.recv(BYTES)
                if not data:
                    return
                asked += data
            method, _, rest = asked.partition(b" ")
            if not rest.startswith(self._path):
                near.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            rest = b"/" + rest.removeprefix(self._path)
            far.sendall(method + b" " + rest.replace(b"Connection: keep-alive", b"Connection: close", 1))
            threading.Thread(target=_forward, args=(near, far), daemon=True).start()
            _forward(far, near)


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(BYTES):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
