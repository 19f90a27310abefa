"""Clients that do not read: what waits for them is bounded, and so is how long it does."""

from __future__ import annotations

import itertools

import gevent
import pytest

from chat_server.realtime import websocket as layer
from chat_server.realtime.websocket import text_frame
from tests.websocket.loopback import Loopback, loopback
from tests.websocket.raw import TEXT, close_frame, closing

LIMIT = 200_000


def write_until_given_up(made: Loopback) -> int:
    """How many numbered messages of 1,000 bytes were written before."""
    for number in itertools.count():
        if not made.websocket.is_open:
            return number
        assert number < 10_000
        made.websocket.write(text_frame(b"%-1000d" % number))
        made.websocket.flush()
        assert made.websocket.queued <= LIMIT
        if number % 7 == 0:
            gevent.sleep(0)
    raise AssertionError


def test_who_reads_nothing_is_given_up_when_the_queue_is_full() -> None:
    with loopback(queue_limit=LIMIT, send_buffer=4096, receive_buffer=4096) as made:
        assert LIMIT / 1004 <= write_until_given_up(made) < 2 * LIMIT / 1004
        assert made.websocket.queued < LIMIT


def test_who_reads_again_gets_whole_messages_in_order_and_then_1013() -> None:
    with loopback(queue_limit=LIMIT, send_buffer=4096, receive_buffer=4096) as made:
        written = write_until_given_up(made)
        made.peer.send(close_frame(1000))
        *messages, last = made.peer.get_all()
        assert closing(last) == 1013
        assert 0 < len(messages) < written
        assert [(one.opcode, int(one.payload)) for one in messages] == [(TEXT, n) for n in range(len(messages))]
        made.peer.end()
        made.wait_for_end(1.5)


def test_who_never_reads_again_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "CLOSING_SECONDS", 0.2)
    with loopback(queue_limit=LIMIT, send_buffer=4096, receive_buffer=4096) as made:
        write_until_given_up(made)
        assert not made.reading.ready()
        made.wait_for_end(1.5)
        assert made.websocket.queued == 0


def test_who_reads_slowly_but_reads_is_kept() -> None:
    with loopback(queue_limit=LIMIT, send_buffer=4096, receive_buffer=4096) as made:
        made.peer.at_most = 1500
        for number in range(1000):
            made.websocket.write(text_frame(b"%-1000d" % number))
            made.websocket.flush()
            got = made.peer.get()
            assert got is not None
            assert int(got.payload) == number
            gevent.sleep(0)
        assert made.websocket.is_open


def test_giving_up_while_nothing_is_queued_just_closes() -> None:
    with loopback() as made:
        made.websocket.give_up()
        assert closing(made.peer.get()) == 1013


def test_giving_up_who_is_being_closed_already_leaves_them_their_close() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        made.websocket.write(text_frame(bytes(100_000)))
        made.websocket.flush()
        made.websocket.close(1008, "token expired")
        made.websocket.give_up()
        made.peer.send(close_frame(1008))
        message, last = made.peer.get_all()
        assert len(message.payload) == 100_000
        assert closing(last) == 1008
