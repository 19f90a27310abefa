"""How connections end: either side's CLOSE, and those that end without one."""

from __future__ import annotations

import select
import struct
import time
from contextlib import suppress

import gevent
import pytest
from gevent import socket

from chat_server.realtime import websocket as layer
from tests.websocket.loopback import loopback
from tests.websocket.raw import CLOSE, CONTINUATION, PING, PONG, TEXT, Got, close_frame, closing, frame


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
def test_a_clients_close_is_answered_with_its_code_and_the_server_ends_the_connection(code: int) -> None:
    with loopback() as made:
        made.peer.send(close_frame(code, "auf später".encode()))
        assert closing(made.peer.get()) == code
        assert made.peer.get() is None
        made.peer.end()
        made.wait_for_end(1.5)


def test_a_close_without_a_code_is_answered_without_one() -> None:
    with loopback() as made:
        made.peer.send(frame(CLOSE))
        assert made.peer.get() == Got(CLOSE, b"")
        assert made.peer.get() is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_a_code_that_may_not_be_sent_is_answered_with_1002(code: int) -> None:
    with loopback() as made:
        made.peer.send(close_frame(code))
        assert closing(made.peer.get()) == 1002
        assert made.peer.get() is None


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        pytest.param(b"\x03", 1002, id="half a code"),
        pytest.param(struct.pack("!H", 1000) + b"\xe2\x82", 1007, id="reason not UTF-8"),
        pytest.param(struct.pack("!H", 1000) + bytes(124), 1002, id="reason too long"),
    ],
)
def test_a_malformed_close_is_refused(payload: bytes, code: int) -> None:
    with loopback() as made:
        made.peer.send(frame(CLOSE, payload))
        assert closing(made.peer.get()) == code


def test_a_client_may_close_within_a_message() -> None:
    with loopback() as made:
        made.peer.send(frame(TEXT, b"never", final=False), close_frame(1000), frame(CONTINUATION, b"mind"))
        assert closing(made.peer.get()) == 1000
        made.peer.end()
        made.wait_for_end()
        assert made.received == []


def test_what_was_written_before_a_clients_close_arrives_before_the_answer() -> None:
    with loopback(echo=True, send_buffer=4096, receive_buffer=4096) as made:
        long = b"x" * 65536
        made.peer.send(frame(TEXT, long))
        made.peer.send(close_frame(1000))
        echoed, answer = made.peer.get_all()
        assert echoed.payload == long
        assert closing(answer) == 1000


def test_the_servers_close_tells_code_and_reason_and_ends_with_the_clients_answer() -> None:
    with loopback() as made:
        made.websocket.close(1008, "token expired")
        assert not made.websocket.is_open
        assert made.peer.get() == Got(CLOSE, struct.pack("!H", 1008) + b"token expired")
        made.peer.send(close_frame(1008))
        assert made.peer.get() is None
        made.peer.end()
        made.wait_for_end(1.5)


def test_nothing_is_taken_nor_written_once_the_server_has_closed() -> None:
    with loopback() as made:
        made.websocket.close(1000, "signed out")
        made.websocket.write(layer.text_frame(b"too late"))
        made.websocket.close(1011, "again")
        made.websocket.give_up()
        made.peer.send(frame(TEXT, b"hello"), frame(PING), frame(PONG), close_frame(1000))
        assert closing(made.peer.get()) == 1000
        assert made.peer.get() is None
        assert made.received == []


def test_a_close_from_both_sides_at_once_is_one_close_each() -> None:
    with loopback() as made:
        made.peer.send(close_frame(1001))
        made.websocket.close(1000)
        (only,) = made.peer.get_all()
        assert closing(only) == 1000


def test_a_client_that_never_answers_the_close_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "CLOSING_SECONDS", 0.3)
    with loopback() as made:
        began = time.monotonic()
        made.websocket.close(1001, "stopping")
        with suppress(OSError):
            while not made.reading.ready():
                made.peer.send(frame(TEXT, b"still here"), frame(PING))
                gevent.sleep(0.01)
        made.wait_for_end(1.5)
        assert time.monotonic() - began >= 0.3
        assert closing(made.peer.get()) == 1001


@pytest.mark.parametrize("talks", [False, True], ids=["silent", "talking on"])
def test_a_client_that_never_ends_a_closed_connection_is_dropped(monkeypatch: pytest.MonkeyPatch, talks: bool) -> None:
    monkeypatch.setattr(layer, "FINISH_SECONDS", 0.3)
    with loopback() as made:
        made.peer.send(close_frame(1000))
        assert closing(made.peer.get()) == 1000
        began = time.monotonic()
        while not made.reading.ready() and time.monotonic() < began + 2:
            if talks:
                made.peer.send(frame(TEXT, bytes(1000)))
            gevent.sleep(0.001)
        assert 0.2 < time.monotonic() - began < 1.5
        made.wait_for_end(0)


def test_a_refused_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "FINISH_SECONDS", 0.3)
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        made.websocket.write(layer.text_frame(bytes(200_000)))
        made.websocket.flush()
        made.peer.send(frame(TEXT, masked=False))
        made.wait_for_end(1.5)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(frame(TEXT, b"hello")[:1], id="half a header"),
        pytest.param(frame(TEXT, b"x" * 300)[:3], id="half a length"),
        pytest.param(frame(TEXT, b"hello")[:4], id="half a mask"),
        pytest.param(frame(TEXT, b"hello")[:-1], id="most of a frame"),
        pytest.param(frame(TEXT, b"hel", final=False), id="half a message"),
        pytest.param(frame(PING), id="a ping"),
    ],
)
@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_a_connection_that_just_ends_ends_receive(sent: bytes, reset: bool) -> None:
    with loopback() as made:
        made.peer.send(sent)
        gevent.sleep(0.01)
        if reset:
            made.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            made.peer.socket.close()
        else:
            made.peer.end()
        made.wait_for_end(1.5)
        assert not made.websocket.is_open
        assert made.texts() == []


def test_an_abort_ends_receive_and_everything_after_it_does_nothing() -> None:
    with loopback() as made:
        made.peer.send(frame(TEXT, b"before"))
        gevent.sleep(0.01)
        made.websocket.abort()
        made.websocket.abort()
        made.wait_for_end(1.5)
        made.websocket.close(1000)
        made.websocket.give_up()
        made.websocket.write_ping(b"1")
        made.websocket.flush()
        assert not made.websocket.is_open
        assert made.websocket.queued == 0
        assert made.peer.get() is None


def test_an_abort_while_a_message_is_handled_ends_receive_without_the_next() -> None:
    with loopback() as made:
        taken = []

        def handle() -> None:
            for event in made.websocket.receive():
                taken.append(event)
                made.websocket.abort()

        made.reading.kill()
        made.peer.send(frame(TEXT, b"first"), frame(TEXT, b"second"))
        gevent.spawn(handle).get(timeout=1)
        assert [payload for _, payload in taken] == [b"first"]


def test_a_closed_socket_is_never_written_to_though_its_descriptor_is_somebody_elses() -> None:
    with loopback() as made:
        descriptor = made.websocket._socket.fileno()
        made.websocket.write(layer.text_frame(b"private"))
        made.websocket._socket.close()
        strangers = [one for _ in range(20) for one in socket.socketpair()]
        assert descriptor in {one.fileno() for one in strangers}
        made.websocket.flush()
        made.websocket.close(1000)
        assert made.websocket.unacknowledged() == 0
        assert select.select(strangers, [], [], 0) == ([], [], [])
        for one in strangers:
            one.close()


def test_a_socket_that_is_closed_while_it_is_written_to_stops_the_writing() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        made.websocket.write(layer.text_frame(bytes(500_000)))
        made.websocket.flush()
        gevent.sleep(0.01)
        made.websocket._socket.close()
        made.wait_for_end()
        assert not made.websocket.is_open


def test_a_reset_while_it_is_written_to_is_noticed_though_nobody_reads() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        made.reading.kill()
        made.websocket.write(layer.text_frame(bytes(500_000)))
        made.websocket.flush()
        gevent.sleep(0.01)
        assert made.websocket.is_open
        made.peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.peer.socket.close()
        gevent.sleep(0.01)
        assert not made.websocket.is_open
        assert made.websocket.queued == 0
