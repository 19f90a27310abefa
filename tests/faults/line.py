"""A bare WebSocket client: no thread, next to no memory, and it reads only when it is told to."""

from __future__ import annotations

import base64
import json
import os
import socket
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HEAD_END = b"\r\n\r\n"


class LineLostError(Exception):
    """The connection is over: refused, cut, or closed by the server."""


@dataclass(frozen=True)
class Received:
    """One frame as the server sent it; servers neither mask nor, ours, fragment."""

    opcode: int
    payload: bytes

    @property
    def json(self) -> Frame:
        """A text frame's content; {} of any other."""
        frame: Frame = json.loads(self.payload) if self.opcode == TEXT else {}
        return frame


def split(data: bytes) -> tuple[list[Received], bytes]:
    """The whole frames at the beginning of what a server wrote, and the rest (RFC 6455 section 5.2)."""
    frames = []
    at = 0
    while len(data) - at >= 2:
        length, begin = data[at + 1] & 0x7F, at + 2
        if length >= 126:
            width = 2 if length == 126 else 8
            length, begin = int.from_bytes(data[begin : begin + width], "big"), begin + width
        if len(data) < begin + length:
            break
        frames.append(Received(data[at] & 0x0F, data[begin : begin + length]))
        at = begin + length
    return frames, data[at:]


def masked(opcode: int, payload: bytes) -> bytes:
    """A frame as clients send it. The mask is zero, which is as valid as any."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 1 << 16:
        head = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + head + b"\0\0\0\0" + payload


def message(message_id: str, recipient_id: str, content: str) -> bytes:
    """A `message` frame, ready for `Line.send`."""
    frame = {"id": message_id, "type": "message", "data": {"recipientId": recipient_id, "content": content}}
    return masked(TEXT, json.dumps(frame).encode())


class Line:
    """One connection, upgraded. Writing blocks, reading does not; pass it to a selector to wait for many."""

    def __init__(
        self,
        port: int,
        token: str,
        *,
        host: str = "127.0.0.1",
        source: str = "",
        receive_buffer: int = 0,
        patience: float = 10,
    ) -> None:
        """`source`: the address to come from, where this machine has several.

        `receive_buffer`: bytes the kernel keeps for who does not read; 0 leaves that to it.
        """
        self.close_code = 0
        """The server's, once its CLOSE has come."""
        self.pings = 0
        self._rest = b""
        self._socket = socket.socket()
        self._socket.settimeout(patience)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            if source:
                self._socket.bind((source, 0))
            self._socket.connect((host, port))
            self._upgrade(token)
        except (OSError, LineLostError):
            self._socket.close()
            raise

    def _upgrade(self, token: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /socket?token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = b""
        while not head.endswith(HEAD_END):
            # Frames that came with the answer stay where a selector sees them.
            seen = self._socket.recv(65536, socket.MSG_PEEK)
            if not seen:
                raise LineLostError("closed before the upgrade was answered")
            more, end, _ = (head + seen).partition(HEAD_END)
            head += self._socket.recv(len(more + end) - len(head))
        if not head.startswith(b"HTTP/1.1 101 "):
            raise LineLostError(head.split(b"\r\n", 1)[0].decode())

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, frames: bytes) -> None:
        """Sends frames made by `masked`. Raises LineLostError."""
        try:
            self._socket.sendall(frames)
        except OSError as error:
            raise LineLostError(str(error)) from error

    def receive(self) -> list[Frame]:
        """The text frames that have come by now; answers PINGs. Raises LineLostError once there will be no more."""
        over = self._read()
        frames, self._rest = split(self._rest)
        pings = [frame.payload for frame in frames if frame.opcode == PING]
        self.pings += len(pings)
        if pings and not over:
            self.send(masked(PONG, pings[-1]))
        for frame in frames:
            if frame.opcode == CLOSE:
                self.close_code = int.from_bytes(frame.payload[:2], "big")
        texts = [frame.json for frame in frames if frame.opcode == TEXT]
        if over and not texts:
            raise LineLostError(f"closed with {self.close_code}" if self.close_code else "cut")
        return texts

    def overhear(self) -> bool:
        """Takes what has come and answers nothing, no PING either; True once there will be no more."""
        over = self._read()
        self._rest = b""
        return over

    def _read(self) -> bool:
        """Takes what has come; True at the end."""
        try:
            received = self._socket.recv(1 << 18, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._rest += received
        return not received

    def close(self) -> None:
        """Hangs up without a word."""
        self._socket.close()
