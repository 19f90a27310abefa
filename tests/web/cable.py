"""A network between browsers and a server, which can fall silent without anybody's being told."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

BYTES = 1 << 16


class Cable:
    """Forwards TCP connections to a port of this machine, for the length of a `with` block."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._works = threading.Event()
        self._works.set()
        self._ends: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The server's, by way of this."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def fall_silent(self) -> None:
        """From now on nothing comes through, in either direction, on no connection."""
        self._works.clear()

    def mend(self) -> None:
        """New connections work. Those that fell silent are gone."""
        self._close()
        self._works.set()

    def __enter__(self) -> Cable:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._close()
        self._works.set()

    def _accept(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._ends += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(BYTES):
                self._works.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _close(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()
