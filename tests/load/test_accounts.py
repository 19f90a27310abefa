"""The people of load tests: signed up once, kept where only their owner can read them, used again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from loadtests.accounts import Accounts, PreparationError, default_file
from loadtests.api import Api
from loadtests.host import Host
from tests.server import Server, running_server


def api(server: Server) -> Api:
    return Api(Host.parse(server.url), refused=lambda _code: None)


def prepared(server: Server, file: Path, count: int) -> Accounts:
    accounts = Accounts.load(file, server.url)
    accounts.prepare(count, 0, api(server))
    return accounts


def hashed(server: Server) -> float:
    """How many requests the server has had that cost it a password's hash."""
    metrics = server.client().get("/metrics").body.decode()
    counts = re.findall(r'^chat_http_requests_total{.*route="/auth/(?:signup|login)".*} (\S+)$', metrics, re.MULTILINE)
    assert counts
    return sum(map(float, counts))


def test_later_runs_have_the_same_people_and_cost_the_server_no_hash(exempting_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    first = prepared(exempting_server, file, 3)
    before = hashed(exempting_server)
    second = prepared(exempting_server, file, 2)
    assert hashed(exempting_server) == before
    assert [one.user_id for one in second.people] == [one.user_id for one in first.people]
    assert [one.token for one in second.people[:2]] != [one.token for one in first.people[:2]]
    for person in second.people:
        assert exempting_server.client(person.token).get("/user/me").succeeded()["userId"] == person.user_id


def test_a_run_that_needs_more_people_signs_up_those(exempting_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    first = prepared(exempting_server, file, 1)
    second = prepared(exempting_server, file, 3)
    assert len({one.user_id for one in second.people}) == 3
    assert second.people[0].user_id == first.people[0].user_id


def test_the_file_is_for_its_owners_eyes_only(exempting_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "cache" / "accounts.json"
    for count in (1, 2):
        prepared(exempting_server, file, count)
        assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


def test_who_was_deleted_is_replaced(exempting_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    gone, stays = prepared(exempting_server, file, 2).people
    exempting_server.client(gone.token).delete("/user/me", {"password": gone.password}).succeeded()
    new, same = prepared(exempting_server, file, 2).people
    assert (new.user_id != gone.user_id, same.user_id) == (True, stays.user_id)


def test_a_session_that_has_ended_costs_one_login(exempting_server: Server, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    (person,) = prepared(exempting_server, file, 1).people
    exempting_server.client(person.token).post("/auth/logout").succeeded()
    (again,) = prepared(exempting_server, file, 1).people
    assert again.user_id == person.user_id
    assert exempting_server.client(again.token).get("/user/me").status == 200


def test_what_was_signed_up_before_a_failure_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    with running_server(tmp_path, rate_limit={"max_requests_per_minute": 5}) as server:
        accounts = Accounts(file, server.url)
        with pytest.raises(PreparationError, match="429 RATE_LIMITED"):
            accounts.prepare(20, 0, api(server))
        kept = [one.user_id for one in Accounts.load(file, server.url).people if one.user_id]
    # /health, with which the tests wait for a server, is a request too
    assert 1 <= len(kept) <= 4


def test_closed_registration_is_explained(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, auth={"registration": "closed"}) as server,
        pytest.raises(PreparationError, match=r'set \[auth\] registration = "open"'),
    ):
        Accounts(tmp_path / "accounts.json", server.url).prepare(1, 0, api(server))


def test_the_accounts_of_another_host_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    Accounts(file, "https://one.example").save()
    with pytest.raises(
        PreparationError, match=r"has the accounts of https://one\.example, not of https://two\.example"
    ):
        Accounts.load(file, "https://two.example")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", json.dumps({"host": "h", "people": [{"no": 1}], "archivists": []})]
)
def test_a_file_that_is_something_else_is_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    file = tmp_path / "accounts.json"
    file.write_text(content)
    with pytest.raises(PreparationError, match="is not a file of accounts"):
        Accounts.load(file, "h")
    assert file.read_text() == content


def test_two_runs_cannot_use_one_file(tmp_path: Path) -> None:
    accounts = Accounts(tmp_path / "accounts.json", "h")
    with accounts.locked(), pytest.raises(PreparationError, match="in use by another run"), accounts.locked():
        pass
    with accounts.locked():
        pass


def test_unless_told_otherwise_they_are_in_the_cache_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert default_file("https://chat.example.org:8443") == Path(
        "/somewhere/chat-server-loadtests/chat.example.org-8443.json"
    )
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert default_file("http://h").parent == Path("/home/ann/.cache/chat-server-loadtests")
