"""Starting, listing, reading and searching conversations over REST."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.client import PASSWORD, Person
from tests.conftest import Newcomer
from tests.device import online
from tests.server import Server

Json = dict[str, Any]


def talk(server: Server, one: Person, other: Person, contents: list[str]) -> str:
    """One says these to the other; gives the conversation's id."""
    with online(server, one) as phone:
        for content in contents[:-1]:
            phone.write(other, content)
        return str(phone.say(other, contents[-1])["conversationId"])


class TestStarting:
    def test_makes_one_once(self, shared_server: Server, anna: Person, ben: Person) -> None:
        with online(shared_server, ben):
            first = anna.client.post("/conversations/start", {"otherUserId": ben.user_id})
        again = ben.client.post("/conversations/start", {"otherUserId": anna.user_id})
        assert (first.status, again.status) == (201, 200)
        assert first.json == {
            "conversationId": again.json["conversationId"],
            "participantId": ben.user_id,
            "participantUsername": ben.username,
            "participantIsOnline": True,
        }
        assert first.json["conversationId"].startswith("conv-")

    def test_takes_another_living_person(self, anna: Person, ben: Person) -> None:
        ben.client.delete("/user/me", {"password": PASSWORD}).succeeded()
        answers = [
            anna.client.post("/conversations/start", {"otherUserId": user_id})
            for user_id in (anna.user_id, "user-nobody", ben.user_id)
        ]
        assert [(answer.status, answer.error) for answer in answers] == [
            (400, "WITH_ONESELF"),
            (404, "USER_NOT_FOUND"),
            (404, "RECIPIENT_DELETED"),
        ]


class TestListing:
    def test_shows_where_each_stands(self, shared_server: Server, anna: Person, ben: Person) -> None:
        conversation_id = talk(shared_server, anna, ben, ["one", "two", "three"])
        [mine] = anna.client.get("/conversations").succeeded()["conversations"]
        [theirs] = ben.client.get("/conversations").succeeded()["conversations"]
        assert mine.pop("lastMessageAt") == theirs.pop("lastMessageAt") > 1_700_000_000_000
        assert mine == {
            "conversationId": conversation_id,
            "participantId": ben.user_id,
            "participantUsername": ben.username,
            "participantIsOnline": False,
            "lastMessage": "three",
            "messageCount": 3,
            "lastSeq": 3,
            "unreadCount": 0,
            "deliveredSeq": 0,
            "readSeq": 0,
            "myReadSeq": 0,
        }
        assert (theirs["participantId"], theirs["unreadCount"]) == (anna.user_id, 3)

    def test_follows_what_the_other_has_got_and_read(self, shared_server: Server, anna: Person, ben: Person) -> None:
        conversation_id = talk(shared_server, anna, ben, ["one", "two", "three"])
        with online(shared_server, anna) as phone, online(shared_server, ben) as other:
            phone.wait_for_receipt("delivered", 3)
            other.send("read", {"conversationId": conversation_id, "upToSeq": 2})
            phone.wait_for_receipt("read", 2)
        [mine] = anna.client.get("/conversations").succeeded()["conversations"]
        [theirs] = ben.client.get("/conversations").succeeded()["conversations"]
        assert (mine["deliveredSeq"], mine["readSeq"]) == (3, 2)
        assert (theirs["myReadSeq"], theirs["unreadCount"]) == (2, 1)

    def test_without_messages_there_is_no_last_one(self, anna: Person, ben: Person) -> None:
        anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
        [item] = anna.client.get("/conversations").succeeded()["conversations"]
        assert (item["lastMessage"], item["lastMessageAt"], item["messageCount"]) == (None, None, 0)

    def test_pages_by_cursor_stably_and_by_offset_simply(
        self, shared_server: Server, anna: Person, newcomer: Newcomer
    ) -> None:
        people = [newcomer() for _ in range(5)]
        for person in people:
            talk(shared_server, anna, person, ["hello"])
        newest_first = [person.user_id for person in reversed(people)]

        first = anna.client.get("/conversations", limit=2).succeeded()
        assert (first["total"], first["hasMore"]) == (5, True)
        # Activity between two pages moves a conversation to the top; the cursor still goes on where it was.
        talk(shared_server, anna, people[0], ["hello again"])
        second = anna.client.get("/conversations", limit=2, cursor=first["nextCursor"]).succeeded()
        paged = [item["participantId"] for page in (first, second) for item in page["conversations"]]
        assert paged == newest_first[:4]
        assert (second["hasMore"], second["nextCursor"]) == (False, None)

        by_offset = anna.client.get("/conversations", limit=2, offset=3).succeeded()
        assert [item["participantId"] for item in by_offset["conversations"]] == newest_first[2:4]

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"offset": -1}, {"cursor": "nonsense"}, {"offset": 2**60}], ids=str
    )
    def test_refuses_what_is_no_page(self, anna: Person, query: dict[str, object]) -> None:
        answer = anna.client.get("/conversations", **query)
        assert (answer.status, answer.error) == (400, "INVALID_QUERY")


class TestReading:
    @pytest.fixture
    def conversation_id(self, shared_server: Server, anna: Person, ben: Person) -> str:
        return talk(shared_server, anna, ben, [f"message {number}" for number in range(1, 8)])

    def page(self, person: Person, conversation_id: str, **query: object) -> tuple[list[int], bool]:
        body = person.client.get(f"/conversations/{conversation_id}/messages", **query).succeeded()
        assert body["total"] == 7
        return [message["seq"] for message in body["messages"]], body["hasMore"]

    def test_shows_whole_messages_to_both(self, anna: Person, ben: Person, conversation_id: str) -> None:
        bodies = [
            one.client.get(f"/conversations/{conversation_id}/messages", limit=1).succeeded() for one in (anna, ben)
        ]
        assert bodies[0] == bodies[1]
        assert bodies[0]["conversationId"] == conversation_id
        [message] = bodies[0]["messages"]
        assert message.pop("createdAt") > 1_700_000_000_000
        assert len(message.pop("id")) == 36
        assert message == {
            "seq": 7,
            "senderId": anna.user_id,
            "senderUsername": anna.username,
            "recipientId": ben.user_id,
            "content": "message 7",
            "status": "sent",
        }

    def test_pages_in_each_direction(self, anna: Person, conversation_id: str) -> None:
        def page(**query: object) -> tuple[list[int], bool]:
            return self.page(anna, conversation_id, **query)

        assert page() == ([1, 2, 3, 4, 5, 6, 7], False)
        assert page(limit=3) == ([5, 6, 7], True)
        assert page(limit=3, offset=3) == ([2, 3, 4], True)
        assert page(limit=3, offset=6) == ([1], False)
        assert page(limit=3, offset=7) == ([], False)
        assert page(limit=3, before=4) == ([1, 2, 3], False)
        assert page(limit=3, before=5) == ([2, 3, 4], True)
        assert page(limit=3, before=1) == ([], False)
        assert page(limit=3, after=3) == ([4, 5, 6], True)
        assert page(limit=3, after=4) == ([5, 6, 7], False)
        assert page(limit=3, after=7) == ([], False)
        assert page(limit=3, after=0) == ([1, 2, 3], True)

    @pytest.mark.parametrize(
        "query",
        [{"limit": 2**60}, {"before": 3, "after": 1}, {"offset": 1, "after": 1}, {"after": -1}, {"before": "x"}],
        ids=str,
    )
    def test_refuses_what_is_no_page(self, anna: Person, conversation_id: str, query: dict[str, object]) -> None:
        answer = anna.client.get(f"/conversations/{conversation_id}/messages", **query)
        assert (answer.status, answer.error) == (400, "INVALID_QUERY")

    def test_who_asks_for_everything_gets_a_page(self, shared_server: Server, anna: Person, ben: Person) -> None:
        conversation_id = talk(shared_server, anna, ben, [f"message {number}" for number in range(1, 103)])
        page = anna.client.get(f"/conversations/{conversation_id}/messages", limit=100_000).succeeded()
        assert ([message["seq"] for message in page["messages"]], page["hasMore"]) == (list(range(3, 103)), True)

    @pytest.mark.parametrize("what", ["messages", "search?q=x"])
    def test_is_for_the_two_only(self, anna: Person, newcomer: Newcomer, conversation_id: str, what: str) -> None:
        unknown = anna.client.get(f"/conversations/conv-none/{what}")
        assert (unknown.status, unknown.error) == (404, "CONVERSATION_NOT_FOUND")
        stranger = newcomer().client.get(f"/conversations/{conversation_id}/{what}")
        assert (stranger.status, stranger.error) == (403, "NOT_A_PARTICIPANT")


class TestSearching:
    def search(self, person: Person, conversation_id: str, **query: object) -> Json:
        body: Json = person.client.get(f"/conversations/{conversation_id}/search", **query).succeeded()
        return body

    def test_finds_every_character_as_it_is_in_any_case(self, shared_server: Server, anna: Person, ben: Person) -> None:
        conversation_id = talk(shared_server, anna, ben, ["Ärger 100%", "100 percent", "a_b", "axb", "ÄRGER.*"])

        def found(text: str) -> list[str]:
            return [match["content"] for match in self.search(anna, conversation_id, q=text)["matches"]]

        assert found("ärger") == ["ÄRGER.*", "Ärger 100%"]
        assert found("0%") == ["Ärger 100%"]
        assert found("A_B") == ["a_b"]
        assert found(".*") == ["ÄRGER.*"]
        assert found("nothing") == []

    def test_shows_the_match_in_its_surroundings(self, shared_server: Server, anna: Person, ben: Person) -> None:
        content = "x" * 300 + " needle " + "y" * 300
        conversation_id = talk(shared_server, anna, ben, [content])
        body = self.search(ben, conversation_id, q="NEEDLE")
        assert set(body) == {"conversationId", "matches", "total", "searchedToSeq", "hasMore"}
        [match] = body["matches"]
        assert set(match) == {"id", "seq", "senderId", "senderUsername", "content", "createdAt", "matchContext"}
        assert match["content"] == content
        assert "needle" in match["matchContext"]
        assert len(match["matchContext"]) < 120

    def test_goes_on_where_it_stopped(self, shared_server: Server, anna: Person, ben: Person) -> None:
        conversation_id = talk(shared_server, anna, ben, [f"needle {number}" for number in range(1, 6)])
        first = self.search(anna, conversation_id, q="needle", limit=2)
        assert [match["seq"] for match in first["matches"]] == [5, 4]
        assert (first["searchedToSeq"], first["hasMore"]) == (4, True)
        rest = self.search(anna, conversation_id, q="needle", before=first["searchedToSeq"])
        assert [match["seq"] for match in rest["matches"]] == [3, 2, 1]
        assert (rest["searchedToSeq"], rest["hasMore"]) == (1, False)

    def test_knows_the_letters_that_change_their_shape_with_their_case(
        self, shared_server: Server, anna: Person, ben: Person
    ) -> None:
        conversation_id = talk(shared_server, anna, ben, ["istanbul", "x" * 300 + "İSTANBUL", "ΟΔΟΣ", "οδος"])
        for text, contexts in (("iStanbul", ["…" + "x" * 40 + "İSTANBUL", "istanbul"]), ("ΟδΟς", ["οδος", "ΟΔΟΣ"])):
            matches = self.search(anna, conversation_id, q=text)["matches"]
            assert [match["matchContext"] for match in matches] == contexts

    def test_keeps_its_time_whatever_is_looked_for(self, shared_server: Server, anna: Person, ben: Person) -> None:
        # Most of the text fits at every place of the message, and never all of it.
        conversation_id = talk(shared_server, anna, ben, ["a" * 5000] * 400)
        began = time.monotonic()
        body = self.search(anna, conversation_id, q="a" * 499 + "b")
        assert (body["searchedToSeq"], body["total"]) == (1, 0)
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 501}, {"q": "x", "limit": 0}], ids=str)
    def test_refuses_what_is_no_query(self, anna: Person, query: dict[str, object]) -> None:
        answer = anna.client.get("/conversations/conv-any/search", **query)
        assert (answer.status, answer.error) == (400, "INVALID_QUERY")
