"""A server in the foreground lives as long as its terminal."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.client import Client
from tests.server import COMMAND, STOP_SECONDS, UNMEASURED, free_port, write_config


@dataclass(frozen=True)
class Foreground:
    """A server that a person has started in a terminal; `screen` is the person's end of it."""

    process: subprocess.Popen[bytes]
    screen: int
    port: int

    def wait_for(self, words: str) -> str:
        """All that is on the screen, once the words are."""
        shown = ""
        while words not in shown:
            shown += os.read(self.screen, 4096).decode()
        return shown


@contextmanager
def in_a_terminal(tmp_path: Path) -> Iterator[Foreground]:
    port = free_port()
    config = write_config(tmp_path, port=port)
    screen, terminal = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, "--config", config],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, **UNMEASURED},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  no thread of ours holds a lock here
    )
    os.close(terminal)
    try:
        yield Foreground(process, screen, port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def foreground(tmp_path: Path) -> Iterator[Foreground]:
    with in_a_terminal(tmp_path) as server:
        server.wait_for("serving")
        yield server


def test_it_ends_when_its_terminal_is_closed(foreground: Foreground) -> None:
    """Or it would go on where nobody sees it, and keep the service from starting."""
    os.close(foreground.screen)
    assert foreground.process.wait(STOP_SECONDS) == 0


def test_it_reloads_when_only_the_signal_comes(foreground: Foreground) -> None:
    foreground.process.send_signal(signal.SIGHUP)
    foreground.wait_for("configuration reloaded")
    assert Client("127.0.0.1", foreground.port).get("/health").status == 200
    os.close(foreground.screen)


def test_ctrl_c_ends_it(foreground: Foreground) -> None:
    os.write(foreground.screen, b"\x03")
    foreground.wait_for("stopped")
    assert foreground.process.wait(STOP_SECONDS) == 0
    os.close(foreground.screen)
