"""Writing: whole frames in the order they were written, whoever writes and however slowly the client reads."""

from __future__ import annotations

import random
import time
from contextlib import suppress

import gevent
import pytest

from chat_server.realtime.websocket import text_frame
from tests.websocket.loopback import Loopback, loopback
from tests.websocket.raw import PING, TEXT, Got


def read_slowly(made: Loopback, count: int) -> list[bytes]:
    """The payloads of so many frames, taken from the kernel in small pieces with pauses between."""
    made.peer.at_most = 1000
    payloads = []
    for _ in range(count):
        got = made.peer.get()
        assert got is not None
        payloads.append(got.payload)
        gevent.sleep(0)
    return payloads


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65535, 65536, 300_000])
def test_every_length_has_its_header(length: int) -> None:
    with loopback() as made:
        made.websocket.write(text_frame(b"x" * length))
        made.websocket.flush()
        assert made.peer.get() == Got(TEXT, b"x" * length)


def test_nothing_leaves_before_the_flush_and_then_all_in_order() -> None:
    with loopback() as made:
        made.websocket.write(text_frame(b"first"))
        made.websocket.write_ping(b"1")
        made.websocket.write(text_frame(b"second"))
        assert made.websocket.unacknowledged() == 0
        made.websocket.flush()
        assert made.websocket.queued == 0
        assert [made.peer.get() for _ in range(3)] == [Got(TEXT, b"first"), Got(PING, b"1"), Got(TEXT, b"second")]


def test_frames_arrive_in_order_when_the_kernel_takes_them_in_pieces() -> None:
    chance = random.Random(6455)
    sent = [b"%d " % number + b"x" * chance.randrange(3000) for number in range(300)]
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        for payload in sent:
            made.websocket.write(text_frame(payload))
            made.websocket.flush()
        assert made.websocket.queued > 100_000
        assert read_slowly(made, len(sent)) == sent
        assert made.websocket.queued == 0


def test_many_writers_never_interleave_their_frames() -> None:
    def write(writer: int) -> None:
        chance = random.Random(writer)
        for number in range(50):
            made.websocket.write(text_frame(b"%d %d " % (writer, number) + b"x" * chance.randrange(2000)))
            if chance.random() < 0.7:
                made.websocket.flush()
            gevent.sleep(chance.choice([0, 0, 0.001]))
        made.websocket.flush()

    with loopback(send_buffer=4096, receive_buffer=4096, queue_limit=10_000_000) as made:
        writers = [gevent.spawn(write, writer) for writer in range(20)]
        got = [payload.split()[:2] for payload in read_slowly(made, 20 * 50)]
        gevent.joinall(writers, raise_error=True)
        for writer in range(20):
            assert [int(number) for name, number in got if int(name) == writer] == list(range(50))


def test_what_waits_is_counted_to_the_byte() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        written = taken = 0
        for number in range(200):
            frame = text_frame(b"x" * (number * 37 % 1500))
            made.websocket.write(frame)
            written += len(frame)
            if number % 3:
                made.websocket.flush()
            if number % 5 == 0:
                made.peer.socket.setblocking(False)
                with suppress(BlockingIOError):
                    taken += len(made.peer.socket.recv(2000))
                gevent.sleep(0)
            assert 0 <= made.websocket.queued <= written - taken
        made.websocket.flush()
        made.peer.socket.settimeout(5)
        while taken < written:
            taken += len(made.peer.socket.recv(65536))
            assert 0 <= made.websocket.queued <= written - taken
        assert made.websocket.queued == 0


def test_writing_to_a_client_that_does_not_read_never_waits() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        began = time.monotonic()
        for _ in range(100):
            made.websocket.write(text_frame(bytes(5000)))
            made.websocket.flush()
        assert time.monotonic() - began < 0.1
        assert made.websocket.is_open


def test_a_batch_over_the_limit_is_no_slow_reader_where_the_kernel_takes_it() -> None:
    with loopback(queue_limit=20_000) as made:
        for _ in range(10):
            made.websocket.write(text_frame(b"x" * 5000))
        made.websocket.flush()
        assert made.websocket.is_open
        assert [made.peer.get() for _ in range(10)] == [Got(TEXT, b"x" * 5000)] * 10


def test_progress_is_when_the_client_last_took_something() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        made.websocket.write(text_frame(bytes(100_000)))
        made.websocket.flush()
        gevent.sleep(0.05)
        stalled = made.websocket.last_progress
        gevent.sleep(0.05)
        assert made.websocket.last_progress == stalled
        began = time.monotonic()
        made.peer.get()
        assert made.websocket.last_progress >= began


def test_unacknowledged_counts_what_the_kernel_holds_for_the_client() -> None:
    with loopback(send_buffer=4096, receive_buffer=4096) as made:
        assert made.websocket.unacknowledged() == 0
        made.websocket.write(text_frame(bytes(100_000)))
        made.websocket.flush()
        gevent.sleep(0.05)
        assert 0 < made.websocket.unacknowledged() <= 100_010 - made.websocket.queued
        made.peer.get()
        gevent.sleep(0.05)
        assert made.websocket.unacknowledged() == 0
