"""Tokens and sessions over the wire: refreshing, logging out, the list of devices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Client, Person
from tests.device import online
from tests.server import Server, running_server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose tokens last three seconds."""
    with running_server(tmp_path_factory.mktemp("impatient"), auth={"token_expiry_seconds": 3}) as server:
        yield server


@pytest.fixture
def client(shared_server: Server) -> Client:
    return shared_server.client()


def wait_until_expired(person: Person) -> None:
    deadline = time.monotonic() + 10
    while (answer := person.client.get("/user/me")).status == 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert answer.error == "UNAUTHORIZED"


class TestRefreshing:
    def test_a_valid_token_gives_another_of_the_same_session(self, anna: Person) -> None:
        answer = anna.client.post("/auth/refresh")
        assert answer.status == 200
        assert set(answer.json) == {"token", "expiresIn"}
        renewed = anna.client.signed_in(answer.json["token"])
        [session] = renewed.get("/user/me/sessions").succeeded()["sessions"]
        assert session["isCurrent"]

    def test_an_expired_token_is_no_token_but_for_refreshing(self, impatient: Server) -> None:
        person = impatient.client().sign_up("expired")
        wait_until_expired(person)
        renewed = person.client.post("/auth/refresh").succeeded()["token"]
        assert person.client.signed_in(renewed).get("/user/me").status == 200

    def test_a_copied_token_ends_the_session_and_is_logged(self, impatient: Server) -> None:
        copied = impatient.client().sign_up("copied")
        wait_until_expired(copied)
        second = copied.client.signed_in(copied.client.post("/auth/refresh").succeeded()["token"])
        newest = second.signed_in(second.post("/auth/refresh").succeeded()["token"])
        assert copied.client.post("/auth/refresh").status == 401
        assert newest.get("/user/me").status == 401
        assert newest.post("/auth/refresh").status == 401
        line = impatient.wait_for_log("token reused")
        assert copied.user_id in line
        assert copied.token not in line

    def test_nothing_comes_of_nothing(self, client: Client) -> None:
        for token in ("", "made.up.token"):
            answer = client.signed_in(token).post("/auth/refresh")
            assert (answer.status, answer.error) == (401, "UNAUTHORIZED")

    def test_a_dead_session_refreshes_no_more(self, anna: Person) -> None:
        anna.client.post("/auth/logout").succeeded()
        assert anna.client.post("/auth/refresh").status == 401


class TestLoggingOut:
    def test_kills_the_session_at_once_and_no_other(self, shared_server: Server, client: Client, anna: Person) -> None:
        other = client.signed_in(client.log_in(anna.username).succeeded()["token"])
        with online(shared_server, anna) as phone:
            answer = anna.client.post("/auth/logout")
            assert phone.wait_closed()[0] == 1000
        assert (answer.status, answer.json) == (200, {})
        assert anna.client.get("/user/me").status == 401
        assert other.get("/user/me").status == 200

    def test_everywhere_kills_every_session(self, shared_server: Server, client: Client, anna: Person) -> None:
        other = client.signed_in(client.log_in(anna.username).succeeded()["token"])
        with online(shared_server, anna) as phone:
            other.post("/auth/logout", everywhere="true").succeeded()
            assert phone.wait_closed()[0] == 1000
        assert [one.get("/user/me").status for one in (anna.client, other)] == [401, 401]


class TestDevices:
    def test_each_login_is_one(self, client: Client, anna: Person) -> None:
        credentials = {"username": anna.username, "password": "Correct-Horse-7"}
        client.request("POST", "/auth/login", credentials, headers={"User-Agent": "Phone/1.0"}).succeeded()
        sessions = anna.client.get("/user/me/sessions").succeeded()["sessions"]
        assert [session["agent"] for session in sessions] == ["Phone/1.0", ""]
        assert [session["isCurrent"] for session in sessions] == [False, True]
        assert {session["address"] for session in sessions} == {"127.0.0.1"}
        assert set(sessions[0]) == {"sessionId", "createdAt", "lastUsedAt", "address", "agent", "isCurrent"}

    def test_one_can_be_ended_from_another(self, client: Client, anna: Person) -> None:
        other = client.signed_in(client.log_in(anna.username).succeeded()["token"])
        [current] = [one for one in other.get("/user/me/sessions").json["sessions"] if one["isCurrent"]]
        assert anna.client.delete(f"/user/me/sessions/{current['sessionId']}").status == 204
        assert other.get("/user/me").status == 401
        again = anna.client.delete(f"/user/me/sessions/{current['sessionId']}")
        assert (again.status, again.error) == (404, "SESSION_NOT_FOUND")

    def test_nobody_ends_anothers(self, anna: Person, ben: Person) -> None:
        [session] = anna.client.get("/user/me/sessions").json["sessions"]
        assert ben.client.delete(f"/user/me/sessions/{session['sessionId']}").error == "SESSION_NOT_FOUND"
        assert anna.client.get("/user/me").status == 200


def test_sessions_survive_a_restart_and_their_end_does_too(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        anna = server.client().sign_up("anna")
        ben = server.client().sign_up("ben")
        ben.client.post("/auth/logout").succeeded()
    with running_server(tmp_path) as server:
        assert server.client(anna.token).get("/user/me").status == 200
        assert server.client(ben.token).get("/user/me").status == 401
