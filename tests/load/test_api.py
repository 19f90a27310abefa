"""Calls of the REST API: refusals, connections that have gone stale, and servers that are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.api import Api, RefusedError, UnreachableError
from loadtests.host import Host
from tests.server import Server, free_port, running_server


def test_a_refusal_says_why_and_when_to_come_back(tmp_path: Path) -> None:
    codes: list[str] = []
    with (
        running_server(tmp_path, rate_limit={"max_requests_per_minute": 1}) as server,
        pytest.raises(RefusedError, match="429 RATE_LIMITED: ") as refused,
    ):
        Api(Host.parse(server.url), refused=codes.append).call("GET", "/status")
    assert codes == ["RATE_LIMITED"]
    assert 0 < refused.value.retry_after <= 60


def test_a_connection_that_the_server_has_closed_is_replaced(tmp_path: Path) -> None:
    port = free_port()
    api = Api(Host.parse(f"http://127.0.0.1:{port}"), refused=lambda _code: None)
    for _ in range(2):
        with running_server(tmp_path, port=port):
            assert api.call("GET", "/status")["status"] == "running"
    with pytest.raises(UnreachableError, match="GET /status: "):
        api.call("GET", "/status")


def test_a_host_may_have_a_path_in_front(shared_server: Server) -> None:
    api = Api(Host.parse(f"{shared_server.url}/chat/"), refused=lambda _code: None)
    with pytest.raises(RefusedError, match="404 NOT_FOUND"):
        api.call("GET", "/status")


@pytest.mark.parametrize(
    ("url", "socket_url"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/socket"),
        ("http://chat.example.org:80/", "ws://chat.example.org/socket"),
        ("https://chat.example.org/chat/", "wss://chat.example.org/chat/socket"),
        ("https://chat.example.org:8443", "wss://chat.example.org:8443/socket"),
        ("http://[::1]:8080", "ws://[::1]:8080/socket"),
    ],
)
def test_sockets_are_opened_where_the_host_is(url: str, socket_url: str) -> None:
    assert Host.parse(url).socket_url == socket_url
