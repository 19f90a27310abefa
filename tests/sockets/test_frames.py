"""What a client may send on its socket, and how it is told that something was wrong; the socket stays."""

from __future__ import annotations

import json
import time

import pytest

from tests.client import Person
from tests.device import Frame, online
from tests.server import Server


def answer_to(server: Server, person: Person, payload: str) -> Frame:
    """The frame that answers a payload, on a socket that lives on."""
    with online(server, person) as device:
        device.send_raw(payload)
        device.sync()
        answers = [frame for frame in device.frames if frame["type"] not in {"ready", "heartbeat"}]
    assert len(answers) == 1, answers
    return answers[0]


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "hello",
        "{'id': 'a'}",
        '{"id":"a","type":"heartbeat"}}',
        '{"id":"a","type":"heartbeat"} {"id":"b","type":"heartbeat"}',
        '{"id":"\\x","type":"heartbeat"}',
        "[" * 30_000,
        '{"type":"heartbeat","data":' + "[" * 30_000 + "]" * 30_000 + "}",
        "NaN",
        '{"id":"a","type":"nonsense"',
        '[{"id":"a","type":"heartbeat"}',
    ],
    ids=lambda payload: payload[:20],
)
def test_what_is_no_json(shared_server: Server, anna: Person, payload: str) -> None:
    answer = answer_to(shared_server, anna, payload)
    assert answer["type"] == "error"
    assert set(answer["data"]) == {"code", "message", "details"}
    assert answer["data"]["code"] == "INVALID_JSON"
    assert answer["data"]["message"]


@pytest.mark.parametrize(
    "frame",
    [
        {},
        {"type": "nonsense"},
        {"type": None},
        {"type": 7},
        {"type": "ready"},
        {"type": "ack"},
        {"type": "presence"},
        {"type": "message"},
        {"type": "message", "data": None},
        {"type": "message", "data": []},
        {"type": "message", "data": {"content": "hello"}},
        {"type": "message", "data": {"recipientId": "user-x"}},
        {"type": "message", "data": {"recipientId": "user-x", "content": 7}},
        {"type": "message", "data": {"recipientId": "user-x", "content": None}},
        {"type": "message", "data": {"recipientId": ["user-x"], "content": "hello"}},
        {"type": "read", "data": {"conversationId": "conv-x"}},
        {"type": "typing", "data": {"recipientId": "user-x"}},
        {"type": "typing", "data": {"recipientId": "user-x", "isTyping": "yes"}},
        {"type": "auth"},
        {"type": "auth", "data": {"token": 7}},
    ],
    ids=json.dumps,
)
def test_what_is_no_frame_of_ours(shared_server: Server, anna: Person, frame: Frame) -> None:
    answer = answer_to(shared_server, anna, json.dumps({"id": "the-id", **frame}))
    assert (answer["type"], answer["id"]) == ("error", "the-id")
    assert answer["data"]["code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize("payload", ["[]", '"message"', "7", "null", "true", '[{"type":"heartbeat"}]'])
def test_json_that_is_no_object(shared_server: Server, anna: Person, payload: str) -> None:
    assert answer_to(shared_server, anna, payload)["data"]["code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize("frame_id", [7, None, ["a"], {"a": 1}])
def test_an_id_is_text(shared_server: Server, anna: Person, frame_id: object) -> None:
    answer = answer_to(shared_server, anna, json.dumps({"id": frame_id, "type": "heartbeat"}))
    assert answer["data"]["code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize("content", [r"cut \ud83d", r"\ude00", r"\ud83d\ud83d!"])
def test_half_a_character_is_refused_with_the_id_of_its_message(
    shared_server: Server, anna: Person, content: str
) -> None:
    payload = f'{{"id":"the-id","type":"message","data":{{"recipientId":"user-x","content":"{content}"}}}}'
    answer = answer_to(shared_server, anna, payload)
    assert (answer["type"], answer["id"], answer["data"]["code"]) == ("error", "the-id", "INVALID_MESSAGE")


def test_half_a_character_in_the_id_itself(shared_server: Server, anna: Person) -> None:
    answer = answer_to(shared_server, anna, r'{"id":"\ud83d","type":"heartbeat"}')
    assert (answer["type"], answer["data"]["code"]) == ("error", "INVALID_MESSAGE")


def test_what_we_do_not_know_beside_what_we_do_is_let_be(shared_server: Server, anna: Person, ben: Person) -> None:
    """So that newer clients may say more."""
    data = {"recipientId": ben.user_id, "content": "hello", "mood": "good"}
    frame = {"data": data, "version": 9, "timestamp": "now", "type": "message", "id": "the-id"}
    with online(shared_server, anna) as device:
        device.send_raw(json.dumps(frame))
        device.ack("the-id")


def test_heartbeats_are_echoed_with_the_servers_time(shared_server: Server, anna: Person) -> None:
    with online(shared_server, anna) as device:
        before = int(time.time() * 1000)
        device.send("heartbeat", frame_id="beat-1")
        echo = device.wait(lambda frame: frame["type"] == "heartbeat")
        assert echo["id"] == "beat-1"
        assert set(echo["data"]) == {"serverTime"}
        assert before <= echo["data"]["serverTime"] <= int(time.time() * 1000)


@pytest.mark.parametrize(
    "frame", [{"type": "heartbeat"}, {"type": "heartbeat", "data": None}, {"type": "heartbeat", "id": ""}]
)
def test_a_heartbeat_needs_nothing_but_its_type(shared_server: Server, anna: Person, frame: Frame) -> None:
    with online(shared_server, anna) as device:
        device.send_raw(json.dumps(frame))
        assert device.wait(lambda frame: frame["type"] == "heartbeat")["id"]


def test_every_frame_of_the_servers_has_an_id_of_its_own_or_the_one_it_answers(
    shared_server: Server, anna: Person, ben: Person
) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        annas.say(ben, "hello", "the-id")
        annas.wait_for_receipt("delivered", 1)
        bens.send("typing", {"recipientId": anna.user_id, "isTyping": True})
        bens.send_raw("rubbish")
        annas.wait(lambda frame: frame["type"] == "typing")
        bens.error()
        for frame in annas.frames + bens.frames:
            assert set(frame) == {"id", "type", "timestamp", "data"}
            assert isinstance(frame["id"], str)
            assert frame["id"]
            assert abs(frame["timestamp"] - time.time() * 1000) < 60_000
