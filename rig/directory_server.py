"""A folder of this machine, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the base class names it
        """Says nothing: who asked shows in the guest."""


@contextmanager
def serve_directory(directory: Path, address: str) -> Iterator[str]:
    """Serves what is in the folder, now and later, on a free port of the address; gives the URL, without a slash."""
    with ThreadingHTTPServer((address, 0), partial(_Quiet, directory=str(directory))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://{address}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
