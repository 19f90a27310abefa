"""`ready`: the first frame on every socket."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import online
from tests.server import Server
from tests.wire import texts, wired


def test_it_says_who_and_when_and_how(shared_server: Server, anna: Person) -> None:
    before = int(time.time() * 1000)
    with online(shared_server, anna) as device:
        frame = device.frames[0]
    assert set(frame) == {"id", "type", "timestamp", "data"}
    assert frame["type"] == "ready"
    assert before <= frame["data"].pop("serverTime") <= int(time.time() * 1000)
    assert frame["data"] == {
        "userId": anna.user_id,
        "username": anna.username,
        "heartbeatSeconds": 25,
        "conversations": [],
        "hasMore": False,
    }


def test_it_lists_conversations_the_newest_activity_first(
    shared_server: Server, anna: Person, newcomer: Newcomer
) -> None:
    others = [newcomer() for _ in range(3)]
    with online(shared_server, anna) as device:
        ids = [device.say(other, "one")["conversationId"] for other in others]
        device.say(others[1], "two")
    with online(shared_server, anna) as device:
        assert device.frames[0]["data"]["conversations"] == [
            {"conversationId": ids[1], "lastSeq": 2},
            {"conversationId": ids[2], "lastSeq": 1},
            {"conversationId": ids[0], "lastSeq": 1},
        ]


def test_it_lists_200_and_says_whether_there_are_more(shared_server: Server, anna: Person, newcomer: Newcomer) -> None:
    def start_conversation(_number: int) -> str:
        other = newcomer()
        started = anna.client.post("/conversations/start", {"otherUserId": other.user_id}).succeeded()
        return str(started["conversationId"])

    oldest = start_conversation(0)
    with ThreadPoolExecutor(8) as pool:
        newest = set(pool.map(start_conversation, range(199)))
    with online(shared_server, anna) as device:
        ready = device.frames[0]["data"]
        assert {one["conversationId"] for one in ready["conversations"]} == newest | {oldest}
        assert not ready["hasMore"]
    newest.add(start_conversation(200))
    with online(shared_server, anna) as device:
        ready = device.frames[0]["data"]
        assert {one["conversationId"] for one in ready["conversations"]} == newest
        assert ready["hasMore"]


def test_it_comes_before_all_that_happens_meanwhile(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, ben) as bens:
        for number in range(30):
            written = bens.write(anna, f"{number}")
            with wired(shared_server, anna.token) as annas:
                bens.send("typing", {"recipientId": anna.user_id, "isTyping": True})
                bens.send("read", {"conversationId": "conv-any", "upToSeq": 1})
                bens.ack(written)
                first = annas.read_until(lambda frames: texts(frames) != [])
                assert texts(first)[0]["type"] == "ready"
