"""PING and PONG: answered, passed on, and never in the way of a message."""

from __future__ import annotations

import time

import gevent
import pytest
from websockets.frames import Opcode

from tests.websocket.loopback import loopback
from tests.websocket.raw import CONTINUATION, PING, PONG, TEXT, Got, close_frame, closing, frame


@pytest.mark.parametrize(
    "payload", [b"", b"?", b"\xff\x00\xfe", b"x" * 125], ids=["empty", "short", "binary", "longest"]
)
def test_a_ping_is_answered_with_its_payload(payload: bytes) -> None:
    with loopback() as made:
        made.peer.send(frame(PING, payload))
        assert made.peer.get() == Got(PONG, payload)
        assert made.received == [(Opcode.PING, payload)]


def test_pings_within_a_message_are_answered_before_it_is_whole() -> None:
    with loopback(echo=True) as made:
        made.peer.send(frame(TEXT, b"one ", final=False), frame(PING, b"1"))
        made.peer.send(frame(CONTINUATION, b"two ", final=False), frame(PING, b"2"))
        assert [made.peer.get(), made.peer.get()] == [Got(PONG, b"1"), Got(PONG, b"2")]
        made.peer.send(frame(CONTINUATION, b"three"), frame(PING, b"3"))
        assert [made.peer.get(), made.peer.get()] == [Got(TEXT, b"one two three"), Got(PONG, b"3")]


def test_answers_keep_the_order_of_what_they_answer() -> None:
    with loopback(echo=True) as made:
        made.peer.send(frame(TEXT, b"a"), frame(PING, b"b"), frame(TEXT, b"c"), frame(PING, b"d"))
        got = [made.peer.get() for _ in range(4)]
        assert got == [Got(TEXT, b"a"), Got(PONG, b"b"), Got(TEXT, b"c"), Got(PONG, b"d")]


def test_a_pong_is_passed_on_asked_for_or_not() -> None:
    with loopback() as made:
        made.websocket.write_ping(b"17")
        made.websocket.flush()
        assert made.peer.get() == Got(PING, b"17")
        made.peer.send(frame(PONG, b"17"), frame(PONG, b"unasked"), frame(PING))
        made.peer.get()
        assert made.received[:2] == [(Opcode.PONG, b"17"), (Opcode.PONG, b"unasked")]


def test_a_flood_of_pings_whose_answers_are_not_read_is_bounded_and_ends_in_1013() -> None:
    limit, answer = 100_000, Got(PONG, b"x" * 125)
    with loopback(queue_limit=limit, send_buffer=4096, receive_buffer=4096) as made:
        for _ in range(10_000):
            made.peer.send(frame(PING, b"x" * 125))
        made.peer.send(close_frame(1000))
        *answers, last = made.peer.get_all()
        assert closing(last) == 1013
        assert answers == [answer] * len(answers)
        assert len(answers) * 127 < 2 * limit


def test_whatever_comes_is_a_sign_of_life_even_half_a_frame() -> None:
    with loopback() as made:
        for half in (frame(TEXT, b"hello")[:3], frame(TEXT, b"hello")[3:], frame(PONG)):
            began = time.monotonic()
            assert made.websocket.last_received < began
            made.peer.send(half)
            gevent.sleep(0.01)
            assert made.websocket.last_received >= began
