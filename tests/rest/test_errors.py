"""Every error has the one shape, and tells a stranger nothing it need not."""

from __future__ import annotations

import time

import pytest

from tests.client import Answer, Client, Person
from tests.server import Server


@pytest.fixture
def client(shared_server: Server) -> Client:
    return shared_server.client()


def assert_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.error) == (status, code), answer
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) - {"details"} == {"error", "message", "timestamp"}
    assert answer.json["message"].endswith(".")
    assert abs(answer.json["timestamp"] - time.time() * 1000) < 60_000


@pytest.mark.parametrize("path", ["/nope", "/auth", "/auth/login/", "/user/me/", "/conversations/x"])
def test_an_unknown_address(client: Client, path: str) -> None:
    assert_error(client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/auth/login", {"POST", "OPTIONS"}),
        ("PUT", "/user/me", {"GET", "DELETE", "OPTIONS"}),
        ("PATCH", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/socket", {"GET", "OPTIONS"}),
        ("TRACE", "/status", {"GET", "OPTIONS"}),
    ],
)
def test_a_method_an_address_does_not_take(client: Client, method: str, path: str, allowed: set[str]) -> None:
    answer = client.request(method, path)
    assert_error(answer, 405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_method_nobody_knows(client: Client) -> None:
    assert_error(client.request("BREW", "/health"), 400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"username": "a" "password": "b"}',
        b'{"username": "\xff"}',
        b'{"username": "a", "password": "b"}{}',
    ],
    ids=repr,
)
def test_a_body_that_is_not_json(client: Client, body: bytes) -> None:
    assert_error(client.request("POST", "/auth/login", body), 400, "INVALID_JSON")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "text",
        {"username": "anna"},
        {"username": 1, "password": "x"},
        {"username": "anna", "password": None},
        {"username": ["anna"], "password": "x"},
    ],
    ids=repr,
)
def test_json_of_the_wrong_types(client: Client, body: object) -> None:
    sent = b"null" if body is None else body
    assert_error(client.request("POST", "/auth/login", sent), 400, "INVALID_REQUEST")


def test_the_message_says_which_field_is_wrong(client: Client) -> None:
    answer = client.request("POST", "/auth/login", {"username": 1, "password": "x"})
    assert "$.username" in answer.json["message"]


def test_json_nested_without_end(client: Client) -> None:
    body = b'{"username": "a", "password": "b", "more": ' + b"[" * 60_000
    assert_error(client.request("POST", "/auth/login", body), 400, "INVALID_JSON")


def test_fields_nobody_asked_for_are_passed_over(client: Client) -> None:
    body = {"username": "nobody", "password": "x", "more": [1, 2, 3]}
    assert_error(client.request("POST", "/auth/login", body), 401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_body_of_another_kind(client: Client, media_type: str) -> None:
    body = b'{"username": "nobody", "password": "x"}'
    answer = client.request("POST", "/auth/login", body, headers={"Content-Type": media_type})
    assert_error(answer, 415, "UNSUPPORTED_MEDIA_TYPE")


def test_the_kind_of_body_may_have_parameters(client: Client) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = client.request("POST", "/auth/login", {"username": "nobody", "password": "x"}, headers=headers)
    assert answer.status == 401


@pytest.mark.parametrize("query", ["limit=1&limit=2", "limit=1_0", "limit=%D9%A3", "offset=-1", f"limit={2**60}"])
def test_a_query_of_the_wrong_types(anna: Person, query: str) -> None:
    assert_error(anna.client.get(f"/conversations?{query}"), 400, "INVALID_QUERY")


@pytest.mark.parametrize("user_id", ["%00", "%FF%FE", "..%2F..%2Fetc", "'%20OR%201=1--", "x" * 4000], ids=str)
def test_an_id_of_any_characters_is_nobodys(anna: Person, user_id: str) -> None:
    assert anna.client.post(f"/users/{user_id}/block").status == 404


def test_every_answer_has_an_id_of_its_own_and_is_for_its_asker_only(client: Client) -> None:
    answers = [client.get("/health"), client.get("/nope")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 2
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["referrer-policy"] == "no-referrer"
