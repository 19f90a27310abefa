"""What strangers can make a server process do: its memory stays flat, and everybody else is served."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from tests.websocket.echo_server import EchoServer, Settings, join, running_echo_server
from tests.websocket.raw import CONTINUATION, PING, PONG, TEXT, Got, Peer, closing, frame

MIB = 1024 * 1024


@contextmanager
def joined(server: EchoServer, *, receive_buffer: int = 0) -> Iterator[Peer]:
    """A client of the server, for the length of the block."""
    with join(server.port, receive_buffer=receive_buffer) as connected:
        yield Peer(connected)


def warm(server: EchoServer) -> int:
    """The server's memory, once it has done everything for the first time."""
    with joined(server) as peer:
        for _ in range(100):
            peer.send(frame(TEXT, b"x" * 60_000))
            peer.get()
    return server.resident_bytes()


def test_a_frame_that_claims_a_terabyte_costs_no_memory() -> None:
    with running_echo_server() as server:
        before = warm(server)
        with joined(server) as peer:
            peer.send(frame(TEXT, claimed=2**40)[:14])
            with suppress(OSError):
                for _ in range(100):
                    peer.send(bytes(MIB))
            assert closing(peer.get()) == 1009
            assert server.resident_bytes() - before < 4 * MIB


def test_readers_who_read_nothing_cost_no_more_than_their_queues() -> None:
    readers, limit = 10, MIB
    with running_echo_server(Settings(queue_limit=limit)) as server, ExitStack() as stack:
        before = most = warm(server)
        peers = [stack.enter_context(joined(server, receive_buffer=4096)) for _ in range(readers)]
        chunk = frame(TEXT, b"x" * 60_000) * 16
        for _ in range(30):
            for peer in peers:
                with suppress(OSError):  # it was dropped
                    peer.send(chunk)
            most = max(most, server.resident_bytes())
        assert most - before < readers * 2 * limit


def test_a_message_that_never_ends_costs_no_more_than_the_limit() -> None:
    with running_echo_server() as server:
        before = warm(server)
        with joined(server) as peer:
            fragments = frame(CONTINUATION, b"x" * 1000, final=False) * 100
            peer.send(frame(TEXT, final=False))
            with suppress(OSError):
                for _ in range(500):
                    peer.send(fragments)
            assert closing(peer.get()) == 1009
            assert server.resident_bytes() - before < 4 * MIB


def test_clients_who_never_pause_do_not_keep_the_server_from_the_others() -> None:
    message = frame(TEXT, final=False) + frame(CONTINUATION, final=False) * 4000 + frame(CONTINUATION)
    over = threading.Event()

    def flood(server: EchoServer) -> None:
        with joined(server) as peer:
            peer.socket.settimeout(60)  # three of them keep the server busy
            while not over.is_set():
                peer.send(message)

    with running_echo_server() as server:
        floods = [threading.Thread(target=flood, args=[server]) for _ in range(3)]
        for one in floods:
            one.start()
        try:
            with joined(server) as peer:
                waits = []
                for number in range(30):
                    began = time.monotonic()
                    peer.send(frame(PING, b"%d" % number))
                    assert peer.get() == Got(PONG, b"%d" % number)
                    waits.append(time.monotonic() - began)
                    time.sleep(0.01)
        finally:
            over.set()
            for one in floods:
                one.join()
        # Some may be the machine's, which does other work beside; who is kept waiting waits every time.
        assert sorted(waits)[-4] < 0.5
