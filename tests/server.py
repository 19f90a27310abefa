"""The real server, as a process of its own, for tests of what a process promises."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.client import Client

SECRET = "d2f0c9a1b7e84f63a5c1907e2b4d8f6a-only-for-tests"

# What starts a server; tests put others in front of it (strace, unshare) or a broken one in its place.
COMMAND = (sys.executable, "-m", "chat_server")
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}
"""The environment of a server that runs at its full speed: without coverage."""

START_SECONDS = 20
STOP_SECONDS = 15

# argon2's cheapest parameters: tests sign many people up, and nobody attacks them.
DEFAULTS: dict[str, dict[str, object]] = {
    "server": {"host": "127.0.0.1", "log_format": "text"},
    "auth": {"jwt_secret": SECRET, "password_memory_kib": 1024, "password_iterations": 1},
}


@dataclass(frozen=True)
class Server:
    """A server that runs, or ran."""

    port: int
    database: Path
    config: Path
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/socket"

    def client(self, token: str = "") -> Client:
        """A REST client, signed in when a token is given."""
        return Client("127.0.0.1", self.port, token=token)

    def logged(self) -> str:
        """All the server has logged."""
        return self.log.read_text()

    def wait_for_log(self, text: str, *, seconds: float = 5) -> str:
        """The first line that contains the text, waiting for it to be logged."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.logged().splitlines():
                if text in line:
                    return line
            assert time.monotonic() < deadline, f"no {text!r} in the log:\n{self.logged()}"
            time.sleep(0.02)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_config(directory: Path, *, port: int, **sections: Mapping[str, object]) -> Path:
    """config.toml in the directory, the tests' defaults with the given sections over them."""
    merged = {name: dict(keys) for name, keys in DEFAULTS.items()}
    merged["server"]["port"] = port
    merged["database"] = {"path": str(directory / "chat.db")}
    merged["backup"] = {"directory": str(directory / "backups")}
    for name, keys in sections.items():
        merged.setdefault(name, {}).update(keys)
    path = directory / "config.toml"
    # What JSON writes of these values is TOML too.
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name, keys in merged.items()
    ]
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


def start_server(
    directory: Path,
    *,
    port: int = 0,
    command: Sequence[str] = COMMAND,
    environ: Mapping[str, str] | None = None,
    **sections: Mapping[str, object],
) -> Server:
    """Starts a server on the directory's database and waits until /health answers. The caller stops it."""
    port = port or free_port()
    config = write_config(directory, port=port, **sections)
    log = directory / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environ or {})},
        )
    database = Path(str(sections.get("database", {}).get("path", directory / "chat.db")))
    server = Server(port=port, database=database, config=config, log=log, process=process)
    try:
        _wait_until_healthy(server)
    except BaseException:
        server.kill()
        raise
    return server


@contextmanager
def running_server(
    directory: Path,
    *,
    port: int = 0,
    command: Sequence[str] = COMMAND,
    environ: Mapping[str, str] | None = None,
    exits_cleanly: bool = True,
    **sections: Mapping[str, object],
) -> Iterator[Server]:
    """A server for the length of the block: `running_server(tmp_path, auth={"token_expiry_seconds": 1})`.

    At the end it is stopped by SIGTERM and must exit with 0, unless the test ended it already or
    `exits_cleanly` is false.
    """
    server = start_server(directory, port=port, command=command, environ=environ, **sections)
    try:
        yield server
        if server.process.poll() is None:
            code = server.stop()
            assert code == 0 or not exits_cleanly, f"exit code {code}:\n{server.logged()}"
    finally:
        if server.process.poll() is None:
            server.kill()


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{server.url}/health", timeout=START_SECONDS):
                return
        except urllib.error.HTTPError as error:
            raise AssertionError(f"/health answers {error.code}:\n{server.logged()}") from error
        except OSError as error:
            code = server.process.poll()
            if code is not None or time.monotonic() > deadline:
                state = "still starting" if code is None else f"exit code {code}"
                raise AssertionError(f"the server does not answer ({state}):\n{server.logged()}") from error
        time.sleep(0.02)
