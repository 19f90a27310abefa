"""At debug the log says who connects and why they went, for the guide's chapter on sockets that drop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device import online
from tests.server import Server, running_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, server={"log_level": "debug"}) as server:
        yield server


def test_who_connects_and_from_where(server: Server) -> None:
    anna = server.client().sign_up("anna")
    with online(server, anna):
        line = server.wait_for_log("socket opened")
    assert f"user={anna.user_id} address=127.0.0.1" in line
    assert anna.token not in server.logged()


def test_the_clients_own_code(server: Server) -> None:
    with online(server, server.client().sign_up("anna")) as phone:
        phone.close()
    assert "code=1000" in server.wait_for_log("socket closed")


def test_the_servers_code(server: Server) -> None:
    with online(server, server.client().sign_up("anna")) as phone:
        phone.send_raw(b"\x00")
        phone.wait_closed()
        assert "code=1003" in server.wait_for_log("socket closed")


def test_a_connection_that_was_lost(server: Server) -> None:
    with online(server, server.client().sign_up("anna")) as phone:
        phone.cut()
        assert "code=1006" in server.wait_for_log("socket closed")
