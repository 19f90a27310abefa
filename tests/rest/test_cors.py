"""Pages of configured origins may call the API from a browser, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.client import Answer
from tests.rest.raw import exchange, request
from tests.server import Server, running_server

ORIGIN = "https://chat.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("cors"), server={"cors_origins": [ORIGIN]}) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("impatient")
    limits = {"request_timeout_seconds": 1}
    with running_server(directory, server={"cors_origins": [ORIGIN]}, limits=limits) as running:
        yield running


def preflight(server: Server, origin: str, path: str = "/auth/login") -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return server.client().request("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("path", ["/auth/login", "/user/me", "/nowhere"])
def test_a_preflight_of_a_known_origin_says_what_it_may(server: Server, path: str) -> None:
    answer = preflight(server, ORIGIN, path)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET, POST, DELETE, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "http://chat.example.com", "null", ORIGIN + ".evil"])
def test_another_origin_is_told_nothing(server: Server, origin: str) -> None:
    answers = [
        preflight(server, origin),
        server.client().request("GET", "/health", headers={"Origin": origin}),
    ]
    assert [answer.status for answer in answers] == [204, 200]
    for answer in answers:
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert answer.headers["vary"] == "Origin"


def test_answers_and_errors_can_be_read_by_the_page(server: Server) -> None:
    for path in ("/health", "/user/me", "/nowhere"):
        answer = server.client().request("GET", path, headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Retry-After" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize(("origin", "told"), [(ORIGIN, [ORIGIN]), ("https://evil.example", [])])
@pytest.mark.parametrize(("size", "status"), [("65537", 413), ("2", 408)])
def test_so_can_the_refusal_of_a_body_that_is_too_large_or_never_comes(
    impatient: Server, origin: str, told: list[str], size: str, status: int
) -> None:
    fields = ("Content-Type: application/json", f"Content-Length: {size}", f"Origin: {origin}")
    answer = exchange(impatient, request("/auth/login", *fields, method="POST"))
    assert answer.error[0] == status
    assert re.findall(r"^Access-Control-Allow-Origin: (\S+)\r$", answer.received.decode(), re.MULTILINE) == told
    assert b"\r\nVary: Origin\r\n" in answer.received


def test_without_configured_origins_there_is_no_cors(shared_server: Server) -> None:
    answer = preflight(shared_server, ORIGIN)
    assert answer.status == 204
    assert not any(name.startswith(("access-control-", "vary")) for name in answer.headers)


def test_options_without_a_preflight_names_the_methods(server: Server) -> None:
    answer = server.client().request("OPTIONS", "/user/me")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "DELETE"}
