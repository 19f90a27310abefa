"""Finding people, and blocking them."""

from __future__ import annotations

import pytest

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import online
from tests.server import Server


def start(one: Person, other: Person) -> str:
    """The id of their conversation."""
    body = one.client.post("/conversations/start", {"otherUserId": other.user_id}).succeeded()
    return str(body["conversationId"])


class TestSearching:
    def test_finds_by_the_beginning_of_the_name(self, anna: Person, ben: Person) -> None:
        body = anna.client.get("/users/search", q=ben.username.upper()).succeeded()
        assert set(body) == {"results", "total"}
        assert {"userId": ben.user_id, "username": ben.username, "isOnline": False} in body["results"]

    def test_gives_ten_unless_told_otherwise(self, shared_server: Server, anna: Person) -> None:
        for number in range(12):
            shared_server.client().sign_up(f"crowd_{number:02}")
        ten = anna.client.get("/users/search", q="crowd_").succeeded()
        assert (len(ten["results"]), ten["total"]) == (10, 12)
        assert len(anna.client.get("/users/search", q="CROWD_", limit=1000).succeeded()["results"]) == 12

    @pytest.mark.parametrize(
        "query",
        [{}, {"q": ""}, {"q": "a" * 51}, {"q": "a", "limit": 0}, {"q": "a", "limit": "x"}],
        ids=str,
    )
    def test_refuses_what_is_no_query(self, anna: Person, query: dict[str, object]) -> None:
        answer = anna.client.get("/users/search", **query)
        assert (answer.status, answer.error) == (400, "INVALID_QUERY")

    def test_tells_only_partners_who_is_online(self, shared_server: Server, anna: Person, ben: Person) -> None:
        def shown() -> bool:
            [found] = anna.client.get("/users/search", q=ben.username).succeeded()["results"]
            return bool(found["isOnline"])

        with online(shared_server, ben):
            assert not shown()
            start(anna, ben)
            assert shown()
        assert not shown()


class TestBlocking:
    def test_is_listed_until_it_is_taken_back(self, anna: Person, ben: Person) -> None:
        assert anna.client.post(f"/users/{ben.user_id}/block").status == 204
        [blocked] = anna.client.get("/user/me/blocks").succeeded()["blocks"]
        assert set(blocked) == {"userId", "username", "blockedAt"}
        assert blocked["username"] == ben.username
        assert anna.client.delete(f"/users/{ben.user_id}/block").status == 204
        assert anna.client.get("/user/me/blocks").succeeded()["blocks"] == []

    def test_takes_somebody_else(self, anna: Person) -> None:
        for method in ("POST", "DELETE"):
            answer = anna.client.request(method, "/users/user-nobody/block")
            assert (answer.status, answer.error) == (404, "USER_NOT_FOUND")
        answer = anna.client.post(f"/users/{anna.user_id}/block")
        assert (answer.status, answer.error) == (400, "WITH_ONESELF")

    def test_hides_one_and_refuses_conversations(self, anna: Person, ben: Person) -> None:
        self.assert_refused_and_hidden(anna, ben)

    def test_also_refuses_to_start_the_one_there_is(self, anna: Person, ben: Person) -> None:
        start(ben, anna)
        self.assert_refused_and_hidden(anna, ben)
        start(anna, ben)

    def assert_refused_and_hidden(self, anna: Person, ben: Person) -> None:
        anna.client.post(f"/users/{ben.user_id}/block").succeeded()
        assert ben.client.get("/users/search", q=anna.username).succeeded()["results"] == []
        answer = ben.client.post("/conversations/start", {"otherUserId": anna.user_id})
        assert (answer.status, answer.error) == (403, "BLOCKED")

    def test_hides_whether_one_is_online(self, shared_server: Server, anna: Person, ben: Person) -> None:
        start(anna, ben)
        with online(shared_server, anna):
            [before] = ben.client.get("/conversations").succeeded()["conversations"]
            anna.client.post(f"/users/{ben.user_id}/block").succeeded()
            [after] = ben.client.get("/conversations").succeeded()["conversations"]
        assert (before["participantIsOnline"], after["participantIsOnline"]) == (True, False)

    def test_works_at_once_on_open_sockets(self, shared_server: Server, anna: Person, newcomer: Newcomer) -> None:
        ben = newcomer()
        with online(shared_server, ben) as phone:
            phone.say(anna, "hello")
            anna.client.post(f"/users/{ben.user_id}/block").succeeded()
            assert phone.error(phone.write(anna, "hello?"))["code"] == "BLOCKED"
            anna.client.delete(f"/users/{ben.user_id}/block").succeeded()
            phone.say(anna, "hello again")
