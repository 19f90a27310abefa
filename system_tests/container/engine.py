"""A docker engine, and chat-server in a container of it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.client import Client
from tests.server import free_port

ROOT = Path(__file__).parents[2]
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
IMAGE = "chat-server:latest"
START_SECONDS = 20

# As docs/container.md has it, but for the network: an engine of with-docker has no other than the host's.
HARDENED = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=host",
)
# argon2's cheapest parameters, as in tests/server.py.
CHEAP = {"CHAT_SERVER_AUTH__PASSWORD_MEMORY_KIB": "1024", "CHAT_SERVER_AUTH__PASSWORD_ITERATIONS": "1"}


def install(program: str) -> None:
    """Debian's package of that name, where it is missing. Its service is not started."""
    if not shutil.which(program, path=PATH):
        environ = {"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_OFFLINE": "1"}
        command = ["apt-get", "--quiet", "--yes", "--option=DPkg::Lock::Timeout=120", "--no-install-recommends"]
        done = subprocess.run([*command, "install", program], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Engine:
    """What `docker` on this machine talks to, by the address that DOCKER_HOST has."""

    address: str

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": PATH, "HOME": os.environ.get("HOME", "/"), "DOCKER_HOST": self.address}

    def run(self, *words: str | Path, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """`docker WORDS`."""
        done = subprocess.run(
            ["docker", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environ,
            timeout=seconds,
            check=False,
        )
        assert not check or done.returncode == 0, f"docker {' '.join(map(str, words))}: {done.stderr}"
        return done

    def inspect(self, name: str) -> Any:  # noqa: ANN401  as JSON is
        return json.loads(self.run("inspect", name).stdout)[0]

    @contextmanager
    def volumes(self) -> Iterator[tuple[str, ...]]:
        """Options for a container whose data and backups are in volumes of their own, removed afterwards."""
        name = f"test-{secrets.token_hex(4)}"
        try:
            yield (f"--volume={name}-data:/var/lib/chat-server", f"--volume={name}-backups:/var/backups/chat-server")
        finally:
            self.run("volume", "rm", "--force", f"{name}-data", f"{name}-backups")

    @contextmanager
    def container(
        self,
        *options: str,
        command: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        hardened: Sequence[str] = HARDENED,
    ) -> Iterator[Container]:
        """A container for the length of the block, however it ends by itself."""
        port = free_port()
        variables = {
            "CHAT_SERVER_SERVER__HOST": "127.0.0.1",
            "CHAT_SERVER_SERVER__PORT": str(port),
            **CHEAP,
            **(environ or {}),
        }
        given = [f"--env={name}={value}" for name, value in variables.items()]
        name = f"test-{secrets.token_hex(4)}"
        self.run("run", "--detach", f"--name={name}", *hardened, *given, *options, IMAGE, *command)
        try:
            yield Container(self, name, port)
        finally:
            self.run("rm", "--force", "--volumes", name)


@dataclass(frozen=True)
class Container:
    """One that runs, or ran."""

    engine: Engine
    name: str
    port: int

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/socket"

    def client(self, token: str = "") -> Client:
        return Client("127.0.0.1", self.port, token=token)

    @property
    def state(self) -> Any:  # noqa: ANN401  as JSON is
        return self.engine.inspect(self.name)["State"]

    def logged(self) -> str:
        done = self.engine.run("logs", self.name)
        return done.stdout + done.stderr

    def wait_until_logged(self, phrase: str) -> None:
        """Returns once docker has written down that it has said so."""
        deadline = time.monotonic() + START_SECONDS
        while phrase not in (told := self.logged()):
            assert time.monotonic() < deadline, told
            time.sleep(0.1)

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command within it."""
        return self.engine.run("exec", self.name, *words, check=check)

    def wait_until_healthy(self) -> None:
        """Until /health answers, as seen from outside."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=START_SECONDS):
                    return
            except urllib.error.HTTPError as error:
                raise AssertionError(f"/health answers {error.code}:\n{self.logged()}") from error
            except OSError:
                assert self.state["Running"], f"exit code {self.state['ExitCode']}:\n{self.logged()}"
                assert time.monotonic() < deadline, f"no answer:\n{self.logged()}"
                time.sleep(0.05)

    def wait_for_health(self, status: str, *, seconds: float = START_SECONDS) -> None:
        """Until the engine says so of it."""
        deadline = time.monotonic() + seconds
        while (found := self.state["Health"]["Status"]) != status:
            assert time.monotonic() < deadline, f"{found}: {self.state['Health']['Log'][-1:]}"
            time.sleep(0.1)

    def exit_code(self) -> int:
        """Waits for its end."""
        return int(self.engine.run("wait", self.name).stdout)

    def stop(self) -> None:
        """`docker stop`, with as much time as compose.yaml gives it; who needs more is killed, and ends with 137."""
        self.engine.run("stop", "--time=20", self.name)
