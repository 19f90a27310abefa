"""However connections end, nothing of them stays open in the server."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import psutil

from tests.client import Person
from tests.faults.line import CLOSE, Line, LineLostError, masked
from tests.server import Server, running_server

ROUND = 40


def come_and_go(server: Server, person: Person) -> None:
    """Connections that end in every way there is, many of them at once."""
    lines = [Line(server.port, person.token) for _ in range(ROUND)]
    for number, line in enumerate(lines):
        match number % 3:
            case 0:
                line.send(masked(CLOSE, (1000).to_bytes(2, "big")))
            case 1:
                reset(line)
        line.close()
    for _ in range(ROUND):
        try:
            Line(server.port, "no.token.atall")
        except LineLostError as refusal:
            assert "401" in str(refusal)  # noqa: PT017  a context manager would make a loop of one line five
        with socket.create_connection(("127.0.0.1", server.port)) as half_a_request:
            half_a_request.sendall(b"POST /auth/login HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        person.client.get("/conversations")


def reset(line: Line) -> None:
    """Makes its end an RST instead of a FIN, as of a client that crashed."""
    connection = socket.socket(fileno=socket.dup(line.fileno()))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def descriptors(server: Server, *, at_most: int) -> int:
    """How many are open once that is no more than this, or after ten seconds."""
    process = psutil.Process(server.process.pid)
    deadline = time.monotonic() + 10
    while (count := process.num_fds()) > at_most and time.monotonic() < deadline:
        time.sleep(0.05)
    return count


def test_connections_leave_no_descriptor_behind(tmp_path: Path) -> None:
    with running_server(
        tmp_path,
        rate_limit={"enabled": False},
        limits={"max_connections_per_user": ROUND},
        database={"readers": 1},  # each reader's thread opens the database when it first has something to do
    ) as server:
        ann = server.client().sign_up("ann")
        come_and_go(server, ann)
        usual = descriptors(server, at_most=30)
        for _ in range(3):
            come_and_go(server, ann)
        assert descriptors(server, at_most=usual) <= usual
