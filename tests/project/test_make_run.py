"""`make run`, in a copy of what it needs, with the virtual environment that is there already."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.server import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


@contextmanager
def make_run(checkout: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`make run` in a session of its own, as in a terminal of its own, and no part of `make test`."""
    environ = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    terminal = subprocess.Popen(
        ["make", "run", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.runtime"],
        cwd=checkout,
        env={**environ, "CHAT_SERVER_SERVER__PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield terminal
    finally:
        with suppress(ProcessLookupError):
            os.killpg(terminal.pid, signal.SIGKILL)
        terminal.wait()


def wait_until_healthy(terminal: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/health", timeout=20):
                return
        except OSError:
            if terminal.poll() is not None or time.monotonic() > deadline:
                terminal.kill()
                pytest.fail(f"no answer on port {port}: {terminal.communicate()[0]}")
            time.sleep(0.05)


def test_it_says_where_it_serves_and_ctrl_c_stops_it(checkout: Path) -> None:
    port = free_port()
    with make_run(checkout, port) as terminal:
        wait_until_healthy(terminal, port)
        os.killpg(terminal.pid, signal.SIGINT)
        said, _ = terminal.communicate(timeout=15)
    assert said.startswith(f"chat-server: http://localhost:{port} - stop it with Ctrl-C; ")
    assert "Traceback" not in said
    assert (checkout / ".run" / "chat.db").exists()
    assert not (checkout / ".run" / "chat.db-wal").exists()


def test_a_second_start_keeps_the_secret(checkout: Path) -> None:
    config = checkout / ".run" / "config.toml"
    written = []
    for _ in range(2):
        port = free_port()
        with make_run(checkout, port) as terminal:
            wait_until_healthy(terminal, port)
            written.append(config.read_text())
    assert written[0] == written[1]
