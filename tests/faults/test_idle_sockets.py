"""Thousands of people who are just there."""

from __future__ import annotations

import resource
import selectors
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import Report
from tests.faults.line import Line
from tests.server import UNMEASURED, Server, running_server

PEOPLE, DEVICES = 50, 100
SOCKETS = PEOPLE * DEVICES
HEARTBEAT_SECONDS = 6
KIB_PER_SOCKET = 25
DESCRIPTORS = SOCKETS + 500


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """As many as the test and, by inheritance, its server need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"this user may open {hard} files at once, which is less than the {DESCRIPTORS} needed: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Audience:
    """Open sockets on which nothing is said; their PINGs are answered."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._selector = selectors.EpollSelector()

    def add(self, line: Line) -> None:
        self.lines.append(line)
        self._selector.register(line, selectors.EVENT_READ)

    def turn(self, seconds: float) -> None:
        """Raises LineLostError when the server has closed one."""
        for key, _ in self._selector.select(seconds):
            line = key.fileobj
            assert isinstance(line, Line)
            line.receive()

    def close(self) -> None:
        self._selector.close()
        for line in self.lines:
            line.close()


def resident_kib(server: Server) -> float:
    return psutil.Process(server.process.pid).memory_info().rss / 1024


@pytest.mark.usefixtures("many_descriptors")
def test_five_thousand_idle_sockets_stay_open_and_cost_little_each(tmp_path: Path, report: Report) -> None:
    with (
        running_server(
            tmp_path,
            environ=UNMEASURED,
            limits={"max_connections_per_user": DEVICES},
            rate_limit={"enabled": False},
            websocket={"heartbeat_seconds": HEARTBEAT_SECONDS},
        ) as server,
        closing(Audience()) as audience,
    ):
        people = [server.client().sign_up(f"user{number}") for number in range(PEOPLE)]
        before = resident_kib(server)
        began = time.monotonic()
        for person in people:
            for _ in range(DEVICES):
                audience.add(Line(server.port, person.token))
                audience.turn(0)
        opened = time.monotonic() - began
        deadline = time.monotonic() + 4 * HEARTBEAT_SECONDS
        while min(line.pings for line in audience.lines) < 2:
            assert time.monotonic() < deadline, "a socket has had no second heartbeat"
            audience.turn(0.1)
        each = (resident_kib(server) - before) / SOCKETS
        assert server.client().get("/status").succeeded()["connections"]["activeWebsocket"] == SOCKETS
        report(f"{each:.1f} KiB of memory for each of {SOCKETS} idle sockets; {SOCKETS / opened:.0f} opened a second")
        assert each < KIB_PER_SOCKET
