"""Another program in the server's place, which answers whatever it is asked in one way."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager


@contextmanager
def answering(response: bytes) -> Iterator[int]:
    """Another program, which answers every request so; gives its port."""

    def serve() -> None:
        while True:
            try:
                connected, _ = listener.accept()
            except OSError:
                return
            with connected:
                connected.recv(65536)
                connected.sendall(response)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
