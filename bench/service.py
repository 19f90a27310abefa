"""chat-server as the benchmark runs it: as installed, with its defaults, and limits of rate too high to be met."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.people import Crowd, populate
from bench.process import Process, free_port
from chat_server.listener import BACKLOG

PROGRAM = (sys.executable, "-m", "chat_server")
UNLIMITED = 1_000_000_000
# The limits are on, so that what they cost is in the figures.
LIMITS: dict[str, object] = {
    "max_requests_per_minute": UNLIMITED,
    "messages_per_minute": UNLIMITED,
    "burst": UNLIMITED,
    "frames_per_minute": UNLIMITED,
}


class Service:
    """The service on a database of its own, in a directory. Not started yet."""

    def __init__(self, directory: Path, *, core: int) -> None:
        self.database = directory / "chat.db"
        self._directory = directory
        self._core = core
        self._port = free_port()
        self._secret = secrets.token_urlsafe(32)
        self._config = directory / "config.toml"
        sections: dict[str, dict[str, object]] = {
            "server": {
                "host": "127.0.0.1",
                "port": self._port,
                "log_format": "journal",
                "trusted_proxies": ["127.0.0.1"],
            },
            "database": {"path": str(self.database)},
            "auth": {"jwt_secret": self._secret},
            "rate_limit": LIMITS,
            "limits": {"max_connections": 20_000},
            "backup": {"directory": str(directory)},
        }
        # What JSON writes of these values is TOML too.
        self._config.write_text(
            "\n".join(
                f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
                for name, keys in sections.items()
            )
        )
        self._config.chmod(0o600)

    def populate(self, *, people: int, long_messages: int, stored: int) -> Crowd:
        """Fills the database, before the first start."""
        return populate(self.database, people=people, long_messages=long_messages, stored=stored, secret=self._secret)

    def listen(self) -> socket.socket:
        """A socket that listens where the service would, to be kept while it is restarted."""
        return socket.create_server(("127.0.0.1", self._port), backlog=BACKLOG)

    def start(self, *, program: Sequence[str] = PROGRAM, listener: socket.socket | None = None) -> Process:
        """Starts it. Raises CannotRunError."""
        return Process(
            [*program, "--config", str(self._config)],
            core=self._core,
            port=self._port,
            log=self._directory / "service.log",
            listener=listener,
        )
