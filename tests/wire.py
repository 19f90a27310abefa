"""A WebSocket client that does only what it is told: it answers no PING, and reads when asked to."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from tests.client import Answer
from tests.server import Server

PATIENCE_SECONDS = 10


def upgrade_headers() -> dict[str, str]:
    """What RFC 6455 section 4.1 asks of a client."""
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }


@contextmanager
def wired(
    server: Server, token: str, *, headers: Mapping[str, str | None] | None = None, receive_buffer: int = 0
) -> Iterator[Wire]:
    """A connection for the length of the block."""
    wire = Wire(server, f"/socket?token={token}", headers, receive_buffer=receive_buffer)
    try:
        assert wire.answer.status == 101, wire.answer
        yield wire
    finally:
        wire.close()


class Wire:
    """One connection: `answer` is what came to its upgrade request, which may also be a refusal."""

    def __init__(
        self,
        server: Server,
        path: str = "/socket",
        headers: Mapping[str, str | None] | None = None,
        *,
        receive_buffer: int = 0,
    ) -> None:
        """`headers` go over those of an upgrade; None takes one away. `receive_buffer`: bytes the kernel keeps."""
        self.closed = False
        """Whether the server has ended the connection."""
        self.close_code = 0
        """What the server's CLOSE said."""
        self._unread: list[Frame] = []
        self._protocol = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._socket = socket.socket()
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(PATIENCE_SECONDS)
        self._socket.connect(("127.0.0.1", server.port))
        self.answer = self._upgrade(path, {"Host": f"127.0.0.1:{server.port}", **upgrade_headers(), **(headers or {})})

    def _upgrade(self, path: str, headers: Mapping[str, str | None]) -> Answer:
        lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        self._socket.sendall("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, rest = received.split(b"\r\n\r\n", 1)
        status, *fields = head.decode().split("\r\n")
        answered = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if status.split()[1] == "101":
            self._protocol.receive_data(rest)
            return Answer(101, answered, b"")
        while len(rest) < int(answered["content-length"]):
            rest += self._receive()
        return Answer(int(status.split()[1]), answered, rest)

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        assert data, "the server hung up"
        return data

    def send(self, *frames: dict[str, Any]) -> None:
        """Sends JSON frames, all in one packet where they fit."""
        self.write(b"".join(_masked(Opcode.TEXT, json.dumps(frame).encode()) for frame in frames))

    def send_text(self, text: str) -> None:
        self.write(_masked(Opcode.TEXT, text.encode()))

    def ping(self, payload: bytes) -> None:
        self.write(_masked(Opcode.PING, payload))

    def pong(self, number: bytes) -> None:
        self.write(_masked(Opcode.PONG, number))

    def hang_up(self) -> None:
        """Sends a CLOSE, and waits for nothing."""
        self.write(_masked(Opcode.CLOSE, Close(1000, "").serialize()))

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self, *, seconds: float = PATIENCE_SECONDS) -> list[Frame]:
        """What has come, after waiting for something; nothing when nothing came in time or the server hung up."""
        deadline = time.monotonic() + seconds
        frames = self._taken()
        while not frames and not self.closed and (left := deadline - time.monotonic()) > 0:
            frames = self.sip(65536, seconds=left)
        return frames

    def sip(self, size: int, *, seconds: float = PATIENCE_SECONDS) -> list[Frame]:
        """Takes some of the bytes that have come, at most so many; gives the frames that they complete."""
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(size)
        except TimeoutError:
            return []
        except ConnectionError:
            data = b""
        self.closed = not data
        self._protocol.receive_data(data)
        return self._taken()

    def _taken(self) -> list[Frame]:
        self._protocol.data_to_send()  # PONGs and CLOSE: this client says nothing of its own accord
        came = [frame for frame in self._protocol.events_received() if isinstance(frame, Frame)]
        for frame in came:
            if frame.opcode is Opcode.CLOSE:
                self.close_code = Close.parse(frame.data).code
        frames, self._unread = self._unread + came, []
        return frames

    def read_until(self, wanted: Callable[[list[Frame]], bool], *, seconds: float = PATIENCE_SECONDS) -> list[Frame]:
        """Everything that comes until it is what is wanted; what has come behind it is for who reads next."""
        deadline = time.monotonic() + seconds
        frames: list[Frame] = []
        while not wanted(frames):
            left = deadline - time.monotonic()
            assert left > 0, f"never came: {frames[-10:]}"
            assert not self.closed, f"closed with {self.close_code}: {frames[-10:]}"
            self._unread = self.read(seconds=left)
            while self._unread and not wanted(frames):
                frames.append(self._unread.pop(0))
        return frames

    def read_close(self) -> int:
        """The code of the server's CLOSE, which comes after whatever else."""
        self.read_until(lambda _frames: self.close_code != 0)
        return self.close_code

    def read_to_end(self, *, seconds: float = PATIENCE_SECONDS) -> list[Frame]:
        """Everything until the server hangs up."""
        return self.read_until(lambda _frames: self.closed, seconds=seconds)

    def close(self) -> None:
        self._socket.close()


def _masked(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


def texts(frames: list[Frame], kind: str = "") -> list[dict[str, Any]]:
    """The JSON of the text frames, those of one type if it is given."""
    contents = [json.loads(bytes(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT]
    return [content for content in contents if kind in {"", content["type"]}]


def pings(frames: list[Frame]) -> list[bytes]:
    """The payloads of the PINGs."""
    return [bytes(frame.data) for frame in frames if frame.opcode is Opcode.PING]
