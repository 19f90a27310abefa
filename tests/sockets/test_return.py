"""Everybody comes back at once, after a restart."""

from __future__ import annotations

import socket
from pathlib import Path

from tests.server import running_server
from tests.wire import upgrade_headers

PEOPLE = 60


def request(token: str) -> bytes:
    """An upgrade."""
    fields = {"Host": "localhost", "Authorization": f"Bearer {token}", **upgrade_headers()}
    return "\r\n".join(["GET /socket HTTP/1.1", *map(": ".join, fields.items()), "", ""]).encode()


def test_nobody_is_refused_who_waits_to_be_admitted(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        tokens = [server.client().sign_up(f"person_{number}").token for number in range(PEOPLE)]
    with running_server(tmp_path, limits={"max_http_connections": 3}) as server:
        crowd = []
        for token in tokens:
            crowd.append(socket.create_connection(("127.0.0.1", server.port)))
            crowd[-1].sendall(request(token))
        assert {connected.recv(12) for connected in crowd} == {b"HTTP/1.1 101"}
        for connected in crowd:
            connected.close()
