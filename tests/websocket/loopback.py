"""A WebSocket of ours and a raw peer, connected over TCP within this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import gevent
from gevent import socket
from websockets.frames import Opcode

from chat_server.realtime.websocket import WebSocket, text_frame
from tests.websocket.raw import PATIENCE_SECONDS, Peer


@dataclass
class Loopback:
    """`received` is what the WebSocket took from the peer; `reading` runs as long as it takes anything."""

    websocket: WebSocket
    peer: Peer
    reading: gevent.Greenlet[..., None]
    received: list[tuple[Opcode, bytes]]

    def texts(self) -> list[bytes]:
        """The messages it took."""
        return [payload for opcode, payload in self.received if opcode is Opcode.TEXT]

    def wait_for_end(self, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until the WebSocket's `receive` is over, which it must be without an error."""
        self.reading.join(seconds)
        assert self.reading.ready(), "still reading"
        self.reading.get()


@contextmanager
def loopback(
    *,
    echo: bool = False,
    max_message: int = 65536,
    queue_limit: int = 1_048_576,
    send_buffer: int = 0,
    receive_buffer: int = 0,
) -> Iterator[Loopback]:
    """A connection for the length of the block. The buffers are the kernel's, of the server and of the peer.

    At the end the WebSocket is aborted, as its owner does, and must have left no greenlet and no bytes behind.
    """
    served, connected = _connected(send_buffer, receive_buffer)
    websocket = WebSocket(served, max_message=max_message, queue_limit=queue_limit)
    received: list[tuple[Opcode, bytes]] = []
    reading = gevent.spawn(_take, websocket, received, echo=echo)
    made = Loopback(websocket, Peer(connected), reading, received)
    try:
        yield made
    finally:
        websocket.abort()
        made.wait_for_end()
        gevent.sleep(0)
        gevent.sleep(0)
        assert (websocket._writer, websocket._out, websocket.queued) == (None, [], 0)
        served.close()
        connected.close()


def _take(websocket: WebSocket, received: list[tuple[Opcode, bytes]], *, echo: bool) -> None:
    for opcode, payload in websocket.receive():
        received.append((opcode, payload))
        if echo and opcode is Opcode.TEXT:
            websocket.write(text_frame(payload))
            websocket.flush()


def _connected(send_buffer: int, receive_buffer: int) -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listener, socket.socket() as connecting:
        if send_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        if receive_buffer:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        connecting.connect(listener.getsockname())
        served, _ = listener.accept()
        return served, connecting.dup()
