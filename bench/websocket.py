"""Speaking JSON over a WebSocket, as cheaply as Python can: ours, the naive chat's and the echo's.

No JSON is decoded on the way: `id` stands first in every frame of these systems, and what follows is found by
searching. Whatever is not where it is expected ends the measurement.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct

from bench.peer import Address, Observer, Peer, WrongAnswerError

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
NUMBER_DIGITS = 8
HANDSHAKE_SECONDS = 30


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame (RFC 6455, section 5.2). The masking key is 0: valid, and costs the generator nothing."""
    return header(opcode, len(payload)) + payload


def header(opcode: int, length: int) -> bytes:
    if length < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | length, 0)
    return struct.pack("!BBHI", 0x80 | opcode, 0xFE, length, 0)


def upgrade_request(path: str, token: str) -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Authorization: Bearer {token}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def next_frame(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Opcode, and where the payload begins and ends, of the frame at `start`; None while it is incomplete."""
    if len(data) < start + 2:
        return None
    length, at = data[start + 1], start + 2
    if length >= 126:
        at += 2 if length == 126 else 8
        if len(data) < at:
            return None
        length = int.from_bytes(data[start + 2 : at])
    return None if len(data) < at + length else (data[start] & 0x0F, at, at + length)


class WebSocketDialect:
    """What these systems have in common: everything but what a text frame means."""

    acknowledges = True
    pushes = True
    path = "/socket"

    def __init__(self, *, run: str, content: str) -> None:
        """`run` keeps the ids of one measurement apart from all others'."""
        self._run = run
        self._content = content

    def open(self, peer: Peer, address: Address) -> None:
        peer.socket = socket.create_connection(address, timeout=HANDSHAKE_SECONDS)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.socket.sendall(upgrade_request(self.path, peer.token))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += receive(peer)
        head, _, peer.unread = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise WrongAnswerError(f"{peer.name}: upgrade refused: {answer[:300]!r}")
        frame = json.dumps(
            {
                "id": f"{self._run}-{peer.name}-{{}}",
                "type": "message",
                "timestamp": 0,
                "data": {"recipientId": peer.partner.name, "content": self._content},
            },
            separators=(",", ":"),
        )
        before, _, after = frame.encode().partition(b"{}")
        peer.own_id = f"{self._run}-{peer.name}-".encode()
        peer.head = header(TEXT, len(before) + NUMBER_DIGITS + len(after)) + before
        peer.tail = after

    def read(self, peer: Peer, data: bytes, observer: Observer) -> bytes:
        if peer.unread:
            data = peer.unread + data
        answer = b""
        at = 0
        while (frame := next_frame(data, at)) is not None:
            opcode, start, at = frame
            if opcode == TEXT:
                self.take(peer, data, start, at, observer)
            elif opcode == PING:
                answer += masked(PONG, data[start:at])
            elif opcode == CLOSE:
                raise WrongAnswerError(f"{peer.name}: closed: {data[start:at]!r}")
        peer.unread = data[at:]
        return answer

    def take(self, peer: Peer, data: bytes, start: int, stop: int, observer: Observer) -> None:
        """One text frame, data[start:stop]."""
        raise NotImplementedError


class EchoDialect(WebSocketDialect):
    """Everything that is sent comes back, to its sender."""

    pushes = False

    def take(self, peer: Peer, data: bytes, start: int, stop: int, observer: Observer) -> None:
        id_end = data.index(b'"', start + 7, stop)
        observer.acknowledged(peer, int(data[id_end - NUMBER_DIGITS : id_end]))


class ChatDialect(WebSocketDialect):
    """`ack` to the sender, `message` to the partner.

    `ours`: as the contract has it, with `ready` first and seqs that count per conversation.
    """

    def __init__(self, *, run: str, content: str, ours: bool) -> None:
        super().__init__(run=run, content=content)
        self._ours = ours

    def open(self, peer: Peer, address: Address) -> None:
        super().open(peer, address)
        while self._ours:
            frame = next_frame(peer.unread, 0)
            if frame is None:
                peer.unread += receive(peer)
                continue
            _, start, stop = frame
            ready = json.loads(peer.unread[start:stop])
            peer.unread = peer.unread[stop:]
            # People of the benchmark have no conversation but the one with their partner.
            peer.first_seq = 1 + sum(one["lastSeq"] for one in ready["data"]["conversations"])
            return

    def take(self, peer: Peer, data: bytes, start: int, stop: int, observer: Observer) -> None:
        id_end = data.index(b'"', start + 7, stop)
        kind = data[id_end + 10 : id_end + 13]
        if kind == b"ack":
            if self._ours:
                at = data.find(b'"seq":', id_end, stop)
                if at < 0:
                    return  # it tells of a delivery, `upToSeq`
                peer.ack_seqs.append(_integer(data, at + 6))
            observer.acknowledged(peer, int(data[id_end - NUMBER_DIGITS : id_end]))
        elif kind == b"mes":
            if self._ours:
                seq = _integer(data, data.index(b'"seq":', id_end, stop) + 6)
                if seq < peer.first_seq or data.startswith(peer.own_id, start + 7):
                    return  # pushing is at-least-once: it was there before, or is the peer's own, from a backlog
                peer.push_seqs.append(seq)
            observer.pushed(peer, int(data[id_end - NUMBER_DIGITS : id_end]))
        elif kind != b"pre":
            raise WrongAnswerError(f"{peer.name}: {data[start:stop]!r}")


def receive(peer: Peer) -> bytes:
    """What comes next on a socket that still blocks."""
    data = peer.socket.recv(65536)
    if not data:
        raise WrongAnswerError(f"{peer.name}: the connection ended during the handshake")
    return data


def _integer(data: bytes, start: int) -> int:
    """The number that a comma ends."""
    return int(data[start : data.index(b",", start)])
