"""Calls of the REST API: refusals, connections that have gone stale, and servers that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.api import Api, RefusedError, UnreachableError
from tests.server import Server, free_port, running_server


def test_a_refusal_says_why_and_when_to_come_back(tmp_path: Path) -> None:
    codes: list[str] = []
    with (
        running_server(tmp_path, rate_limit={"max_requests_per_minute": 1}) as server,
        pytest.raises(RefusedError, match="429 RATE_LIMITED: ") as refused,
    ):
        Api(server.url, refused=codes.append).call("GET", "/status")
    assert codes == ["RATE_LIMITED"]
    assert 0 < refused.value.retry_after <= 60


def test_a_connection_that_the_server_has_closed_is_replaced(tmp_path: Path) -> None:
    port = free_port()
    api = Api(f"http://127.0.0.1:{port}", refused=lambda _code: None)
    for _ in range(2):
        with running_server(tmp_path, port=port):
            assert api.call("GET", "/status")["status"] == "running"
    with pytest.raises(UnreachableError, match="GET /status: "):
        api.call("GET", "/status")


def test_a_host_may_have_a_path_in_front(shared_server: Server) -> None:
    api = Api(f"{shared_server.url}/chat/", refused=lambda _code: None)
    assert api.socket_url == f"{shared_server.socket_url.replace('/socket', '/chat/socket')}"
    with pytest.raises(RefusedError, match="404 NOT_FOUND"):
        api.call("GET", "/status")


def test_a_host_with_tls_has_sockets_with_tls() -> None:
    assert Api("https://chat.example.org", refused=lambda _code: None).socket_url == "wss://chat.example.org/socket"
