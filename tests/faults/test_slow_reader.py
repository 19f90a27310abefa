"""A client that does not read what it is sent costs the server next to nothing, and nobody else anything."""

from __future__ import annotations

import select
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.client import Person
from tests.faults.conftest import Report
from tests.faults.line import Line, LineLostError, message
from tests.server import UNMEASURED, Server, running_server

CONTENT = "x" * 4000
FEW, CONGESTING, WARM_UP, FLOOD = 100, 400, 3000, 12000
RECEIVE_BUFFER = 64 * 1024
# Little enough at once that messages are pushed as they come, not in pages.
WINDOW = 16
MIB = 2**20
STALLED_SECONDS = 3
# What a slow reader may cost: its own queue (1 MiB by default), and the noise of an allocator.
GROWTH_BYTES = 8 * MIB
PROBE_SECONDS = 0.02
LATENCY_SECONDS = 0.25


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(
        tmp_path,
        environ=UNMEASURED,
        rate_limit={"enabled": False},
        limits={"stalled_seconds": STALLED_SECONDS},
        websocket={"heartbeat_seconds": 3, "heartbeat_timeout_seconds": 2},
    ) as server:
        yield server


class Reader:
    """Somebody's socket, which reads when it is told to."""

    def __init__(self, server: Server, person: Person, writer: Person) -> None:
        self.line = Line(server.port, person.token, receive_buffer=RECEIVE_BUFFER)
        self._writer = writer
        self.seqs: list[int] = []
        """Of the writer's messages, as they came."""

    def read(self) -> None:
        """What has come by now."""
        for frame in self.line.receive():
            if frame["type"] == "message" and frame["data"]["senderId"] == self._writer.user_id:
                self.seqs.append(frame["data"]["seq"])

    def read_to(self, seq: int) -> None:
        """Until this message has come; raises LineLostError if the connection ends before."""
        deadline = time.monotonic() + 30
        while seq not in self.seqs[-1:]:
            assert time.monotonic() < deadline, f"nothing came after {self.seqs[-1:]}"
            select.select([self.line], [], [], 1)
            self.read()


class Flood:
    """Somebody who sends a lot, while a bystander writes a line now and then and others read, or don't."""

    def __init__(self, server: Server, sender: Person, bystander: Person, readers: list[Reader]) -> None:
        self._process = psutil.Process(server.process.pid)
        self._line = Line(server.port, sender.token)
        self._bystander = bystander
        self._probe = Line(server.port, bystander.token)
        self._readers = readers
        self.latencies: list[float] = []
        self.peak_bytes = 0

    def send(self, recipient: Person, count: int) -> None:
        """Returns when all are acknowledged."""
        lines = {reader.line: reader for reader in self._readers}
        sent = acknowledged = 0
        probed_at, probe_due = 0.0, 0.0
        while acknowledged < count:
            if sent - acknowledged <= WINDOW // 2 and sent < count:
                burst = min(WINDOW - (sent - acknowledged), count - sent)
                self._line.send(b"".join(message(str(uuid.uuid4()), recipient.user_id, CONTENT) for _ in range(burst)))
                sent += burst
            if not probed_at and time.monotonic() >= probe_due:
                self._probe.send(message(str(uuid.uuid4()), recipient.user_id, "and me?"))
                probed_at = time.monotonic()
            ready, _, _ = select.select([self._line, self._probe, *lines], [], [], PROBE_SECONDS)
            if self._line in ready:
                acknowledged += sum(_is_sent(frame) for frame in self._line.receive())
            if self._probe in ready and any(_is_sent(frame) for frame in self._probe.receive()):
                self.latencies.append(time.monotonic() - probed_at)
                probed_at, probe_due = 0.0, time.monotonic() + PROBE_SECONDS
            for line in lines.keys() & set(ready):
                lines[line].read()
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)


def _is_sent(frame: dict[str, object]) -> bool:
    assert frame["type"] != "error", frame
    data = frame["data"]
    assert isinstance(data, dict)
    return frame["type"] == "ack" and data["status"] == "sent"


def test_who_reads_nothing_is_closed_and_the_servers_memory_stays_flat(server: Server, report: Report) -> None:
    ann, bob, cat = (server.client().sign_up(name) for name in ("ann", "bob", "cat"))
    reader = Reader(server, bob, ann)
    flood = Flood(server, ann, cat, [reader])
    flood.send(bob, WARM_UP)
    reader.read_to(WARM_UP)
    usual_bytes, usual_latencies = flood.peak_bytes, flood.latencies

    flood = Flood(server, ann, cat, [])
    with ThreadPoolExecutor(1) as thread:
        flooding = thread.submit(flood.send, bob, FLOOD)
        server.wait_for_log("slow reader closed", seconds=30)
        with pytest.raises(LineLostError):
            reader.read_to(WARM_UP + FLOOD)
        flooding.result()

    growth = flood.peak_bytes - usual_bytes
    report(
        f"{FLOOD * len(CONTENT) / MIB:.0f} MiB unread: memory +{growth / MIB:.1f} MiB; a bystander's acks took "
        f"{statistics.median(flood.latencies) * 1000:.1f} ms, at most {max(flood.latencies) * 1000:.0f} ms "
        f"(before: {statistics.median(usual_latencies) * 1000:.1f} ms, {max(usual_latencies) * 1000:.0f} ms)"
    )
    assert growth < GROWTH_BYTES
    # One of twenty may be the disk's: an acknowledgement waits for its sync.
    assert statistics.quantiles(flood.latencies, n=20)[-1] < LATENCY_SECONDS
    assert reader.line.close_code == 1013


def test_who_reads_again_in_time_gets_everything_in_order(server: Server) -> None:
    ann, bob, cat = (server.client().sign_up(name) for name in ("ann", "bob", "cat"))
    reader = Reader(server, bob, ann)
    Flood(server, ann, cat, [reader]).send(bob, FEW)
    reader.read_to(FEW)
    Flood(server, ann, cat, []).send(bob, CONGESTING)
    reader.read_to(FEW + CONGESTING)
    assert reader.seqs == list(range(1, FEW + CONGESTING + 1))
