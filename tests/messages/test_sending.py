"""A message from one person to another: what each of them is told, and what is refused."""

from __future__ import annotations

import json
import sqlite3
import time

import pytest

from tests.client import PASSWORD, Person
from tests.conftest import Newcomer
from tests.device import Device, Frame, online
from tests.server import Server


def history(reader: Person, conversation_id: str) -> list[Frame]:
    """The whole conversation, as its reader is shown it."""
    page = reader.client.get(f"/conversations/{conversation_id}/messages", limit=100).succeeded()
    messages: list[Frame] = page["messages"]
    return messages


def test_the_sender_learns_that_it_was_sent(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        before = int(time.time() * 1000)
        phone.write(ben, "hello", "msg-8c0d")
        frame = phone.wait(lambda frame: frame["type"] == "ack")
    data = frame["data"]
    assert set(frame) == {"id", "type", "timestamp", "data"}
    assert frame["id"] == "msg-8c0d"
    assert set(data) == {"status", "messageId", "conversationId", "seq", "serverTimestamp"}
    assert (data["status"], data["messageId"], data["seq"]) == ("sent", "msg-8c0d", 1)
    assert before <= data["serverTimestamp"] <= frame["timestamp"] <= int(time.time() * 1000)


def test_what_is_acknowledged_is_in_the_database(shared_server: Server, anna: Person, ben: Person) -> None:
    with (
        sqlite3.connect(f"file:{shared_server.database}?mode=ro", uri=True) as database,
        online(shared_server, anna) as phone,
    ):
        for number in range(20):
            ack = phone.say(ben, f"kept {number}")
            stored = database.execute(
                "SELECT content FROM messages WHERE conversation_id = ? AND seq = ?",
                (ack["conversationId"], ack["seq"]),
            ).fetchall()
            assert stored == [(f"kept {number}",)]
    database.close()


def test_the_recipient_gets_it_with_the_senders_id(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        ack = annas.say(ben, "hello", "the.id:of-Anna_1")
        frame = bens.wait(lambda frame: frame["type"] == "message")
    assert frame["id"] == ack["messageId"] == "the.id:of-Anna_1"
    assert frame["data"] == {
        "senderId": anna.user_id,
        "senderUsername": anna.username,
        "recipientId": ben.user_id,
        "content": "hello",
        "conversationId": ack["conversationId"],
        "seq": 1,
        "status": "sent",
    }
    assert frame["timestamp"] == ack["serverTimestamp"]


def test_the_first_message_makes_the_conversation(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        made = phone.say(ben, "hello")["conversationId"]
    listed = ben.client.get("/conversations").succeeded()["conversations"]
    assert [(one["conversationId"], one["participantId"], one["lastMessage"]) for one in listed] == [
        (made, anna.user_id, "hello")
    ]
    assert anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).json["conversationId"] == made


def test_people_who_write_to_each_other_at_once_meet_in_one_conversation(
    shared_server: Server, newcomer: Newcomer
) -> None:
    for _attempt in range(8):
        anna, ben = newcomer(), newcomer()
        with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
            from_anna, from_ben = annas.write(ben, "first"), bens.write(anna, "first")
            acks = annas.ack(from_anna), bens.ack(from_ben)
            assert acks[0]["conversationId"] == acks[1]["conversationId"]
            assert {ack["seq"] for ack in acks} == {1, 2}
            assert annas.say(ben, "later")["seq"] == 3
            assert bens.say(anna, "later")["seq"] == 4


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("x", id="one character"),
        pytest.param("x" * 5000, id="5,000 characters"),
        pytest.param("🦊" * 5000, id="5,000 emoji, 20,000 bytes"),
        pytest.param("👩‍👩‍👧‍👦", id="joined emoji"),
        pytest.param(" \t\n", id="white space"),
        pytest.param("before\0after", id="NUL"),
        pytest.param("\0", id="NUL alone"),
        pytest.param("\u202eright to left, \ufeff and \uffff", id="controls"),
        pytest.param("'; DROP TABLE messages; --", id="SQL"),
    ],
)
def test_content_arrives_as_it_was_written(shared_server: Server, anna: Person, ben: Person, content: str) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        ack = annas.say(ben, content)
        assert bens.wait_for_messages(1)[0]["content"] == content
    assert [message["content"] for message in history(ben, ack["conversationId"])] == [content]


def test_escapes_may_make_a_message_twelve_times_as_long(shared_server: Server, anna: Person, ben: Person) -> None:
    frame = {"id": "long", "type": "message", "data": {"recipientId": ben.user_id, "content": "🦊" * 5000}}
    escaped = json.dumps(frame)
    assert len(escaped) > 60_000
    with online(shared_server, anna) as phone:
        phone.send_raw(escaped)
        assert phone.ack("long")["seq"] == 1


@pytest.mark.parametrize(
    "content",
    [pytest.param("", id="empty"), pytest.param("x" * 5001, id="5,001"), pytest.param("🦊" * 5001, id="emoji")],
)
def test_a_message_has_1_to_5000_characters(shared_server: Server, anna: Person, ben: Person, content: str) -> None:
    with online(shared_server, anna) as phone:
        refused = phone.write(ben, content)
        assert phone.error(refused)["code"] == "INVALID_MESSAGE_LENGTH"
        assert phone.say(ben, "still here")["seq"] == 1


def test_half_a_surrogate_pair_is_no_character(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        for content in (r"\ud83e", r"\udd8a", r"\udd8a\ud83e", r"fine until \ud83e here"):
            phone.send_raw(
                f'{{"id":"half","type":"message","data":{{"recipientId":"{ben.user_id}","content":"{content}"}}}}'
            )
        assert phone.say(ben, "still here")["seq"] == 1
        assert [(frame["id"], frame["data"]["code"]) for frame in phone.of("error")] == [
            ("half", "INVALID_MESSAGE")
        ] * 4


def test_nobody_of_that_id(shared_server: Server, anna: Person) -> None:
    with online(shared_server, anna) as phone:
        sent = phone.send("message", {"recipientId": "user-nobody", "content": "hello?"})
        assert phone.error(sent)["code"] == "RECIPIENT_NOT_FOUND"


def test_nobody_writes_to_themselves(shared_server: Server, anna: Person) -> None:
    with online(shared_server, anna) as phone:
        assert phone.error(phone.write(anna, "dear diary"))["code"] == "INVALID_MESSAGE"


def test_a_deleted_person_gets_no_messages(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        phone.say(ben, "before")
        ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
        assert phone.error(phone.write(ben, "after"))["code"] == "RECIPIENT_DELETED"


def test_nobody_meets_a_deleted_person(shared_server: Server, anna: Person, ben: Person) -> None:
    ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
    with online(shared_server, anna) as phone:
        assert phone.error(phone.write(ben, "hello?"))["code"] == "RECIPIENT_DELETED"
    assert anna.client.get("/conversations").succeeded()["total"] == 0


class TestBlocked:
    """Ben has blocked Anna."""

    def test_her_messages_are_refused(self, shared_server: Server, anna: Person, ben: Person) -> None:
        with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
            annas.say(ben, "before")
            ben.client.post(f"/users/{anna.user_id}/block").succeeded()
            assert annas.error(annas.write(ben, "blocked"))["code"] == "BLOCKED"
            ben.client.delete(f"/users/{anna.user_id}/block").succeeded()
            annas.say(ben, "after")
            assert [message["content"] for message in bens.wait_for_messages(2)] == ["before", "after"]

    def test_she_makes_no_conversation(self, shared_server: Server, anna: Person, ben: Person) -> None:
        ben.client.post(f"/users/{anna.user_id}/block").succeeded()
        with online(shared_server, anna) as phone:
            assert phone.error(phone.write(ben, "blocked"))["code"] == "BLOCKED"
        assert ben.client.get("/conversations").succeeded()["total"] == 0

    def test_her_typing_is_refused(self, shared_server: Server, anna: Person, ben: Person) -> None:
        with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
            annas.say(ben, "before")
            ben.client.post(f"/users/{anna.user_id}/block").succeeded()
            typing = annas.send("typing", {"recipientId": ben.user_id, "isTyping": True})
            assert annas.error(typing)["code"] == "BLOCKED"
            bens.sync()
            assert bens.of("typing") == []

    def test_he_may_write_to_her(self, shared_server: Server, anna: Person, ben: Person) -> None:
        ben.client.post(f"/users/{anna.user_id}/block").succeeded()
        with online(shared_server, ben) as phone:
            assert phone.say(anna, "leave me alone")["seq"] == 1


class TestIds:
    def test_are_unique_within_a_conversation_only(
        self, shared_server: Server, anna: Person, ben: Person, newcomer: Newcomer
    ) -> None:
        with online(shared_server, anna) as phone:
            assert phone.say(ben, "hello", "1")["seq"] == 1
            phone.write(newcomer(), "hello", "1")
            phone.sync()
            phone.say(ben, "the end")
            assert [frame["data"]["seq"] for frame in phone.of("ack") if frame["id"] == "1"] == [1, 1]
            assert phone.of("error") == []

    @pytest.mark.parametrize("message_id", ["A", "msg-5f0c", "0", "x" * 64, "a.b_c:d-e"])
    def test_are_what_the_sender_chose(self, shared_server: Server, anna: Person, ben: Person, message_id: str) -> None:
        with online(shared_server, anna) as phone:
            ack = phone.say(ben, "hello", message_id)
        assert ack["messageId"] == message_id
        assert [message["id"] for message in history(ben, ack["conversationId"])] == [message_id]

    @pytest.mark.parametrize("message_id", ["x" * 65, "with space", "ümlaut", "back\\slash", "a/b", "new\nline", "a\n"])
    def test_of_other_characters_are_refused(
        self, shared_server: Server, anna: Person, ben: Person, message_id: str
    ) -> None:
        with online(shared_server, anna) as phone:
            phone.write(ben, "hello", message_id)
            assert phone.error(message_id)["code"] == "INVALID_MESSAGE"

    def test_are_needed(self, shared_server: Server, anna: Person, ben: Person) -> None:
        data = {"recipientId": ben.user_id, "content": "hello"}
        with online(shared_server, anna) as phone:
            for frame in ({"type": "message", "data": data}, {"id": "", "type": "message", "data": data}):
                phone.send_raw(json.dumps(frame))
            phone.sync()
            assert [error["data"]["code"] for error in phone.of("error")] == ["INVALID_MESSAGE"] * 2


def test_the_ack_goes_to_the_device_that_sent(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, online(shared_server, anna) as laptop:
        phone.say(ben, "hello")
        laptop.wait_for_messages(1)
        assert _sent(laptop) == []
        assert _sent(phone) == [1]


def _sent(device: Device) -> list[int]:
    return [frame["data"]["seq"] for frame in device.of("ack") if frame["data"]["status"] == "sent"]
