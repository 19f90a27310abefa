"""A service under systemd: it says when it is ready, alive and stopping, and serves on a socket passed to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server.systemd import notify, passed_sockets, watchdog_seconds
from tests.server import COMMAND, free_port, running_server


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The end of the notification socket at which systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(10)
        yield listening


def told(systemd: socket.socket) -> str:
    return systemd.recv(4096).decode()


class TestNotify:
    def test_a_state_reaches_systemd(self, systemd: socket.socket) -> None:
        assert notify("READY=1\nSTATUS=serving", {"NOTIFY_SOCKET": systemd.getsockname()})
        assert told(systemd) == "READY=1\nSTATUS=serving"

    def test_a_state_reaches_an_abstract_socket(self) -> None:
        name = f"chat-server-tests-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(f"\0{name}")
            assert notify("READY=1", {"NOTIFY_SOCKET": f"@{name}"})
            assert told(listening) == "READY=1"

    @pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
    def test_without_systemd_nothing_happens(self, environ: dict[str, str]) -> None:
        assert not notify("READY=1", environ)

    def test_a_systemd_that_takes_nothing_stops_nobody(self, systemd: socket.socket) -> None:
        answers = [notify("WATCHDOG=1", {"NOTIFY_SOCKET": systemd.getsockname()}) for _ in range(1000)]
        assert answers[0]
        assert not answers[-1]


class TestWatchdogSeconds:
    def test_are_half_of_what_systemd_waits(self) -> None:
        assert watchdog_seconds({"WATCHDOG_USEC": "30000000"}) == 15
        assert watchdog_seconds({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}) == 0.25

    @pytest.mark.parametrize(
        "environ", [{}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "²"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}]
    )
    def test_are_none_when_systemd_does_not_watch_this_process(self, environ: dict[str, str]) -> None:
        assert watchdog_seconds(environ) == 0


class TestPassedSockets:
    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"LISTEN_FDS": "1"},
            {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
            {"LISTEN_FDS": "", "LISTEN_PID": str(os.getpid())},
            {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        ],
    )
    def test_there_are_none_for_another_process(self, environ: dict[str, str]) -> None:
        assert passed_sockets(environ) == []

    def test_they_are_counted_from_three_and_kept_from_children(self) -> None:
        program = (
            "import os; from chat_server.systemd import passed_sockets as passed\n"
            "print(os.get_inheritable(3), passed(), os.get_inheritable(3))"
        )
        answer = subprocess.run(
            [*activated(0), sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert answer.stdout == "True [3] False\n"


# Listens on a port and becomes another program to which it passes the socket, as systemd does.
ACTIVATE = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
"""


def activated(port: int) -> tuple[str, ...]:
    return (sys.executable, "-c", ACTIVATE, str(port))


def test_a_server_says_when_it_is_ready_and_when_it_stops(systemd: socket.socket, tmp_path: Path) -> None:
    with running_server(tmp_path, environ={"NOTIFY_SOCKET": systemd.getsockname()}) as server:
        assert told(systemd) == "READY=1"
        server.process.send_signal(signal.SIGTERM)
        assert told(systemd) == "STOPPING=1"
        assert server.process.wait(15) == 0


def test_a_server_feeds_the_watchdog(systemd: socket.socket, tmp_path: Path) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "400000"}
    with running_server(tmp_path, environ=environ):
        assert sorted(told(systemd) for _ in range(5)) == ["READY=1", *["WATCHDOG=1"] * 4]


def test_a_server_serves_on_the_socket_that_was_passed(tmp_path: Path) -> None:
    port = free_port()
    # Were it to bind the port itself, it would find it taken and not start.
    with running_server(tmp_path, port=port, command=(*activated(port), *COMMAND)) as server:
        assert server.client().get("/health").status == 200
