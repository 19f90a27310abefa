"""One WebSocket: RFC 6455 over a gevent socket whose upgrade is done.

`message_reader.py` says what the client sent. This module moves the bytes: it answers PINGs, does the closing
handshake from either side, and writes through one bounded queue that never blocks the hub.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import suppress

import gevent
from gevent import socket
from websockets.frames import Close, Opcode

from chat_server.realtime.message_reader import MessageReader, ViolationError

READ_SIZE = 16384
TURN_BYTES = READ_SIZE
READ_COST_BYTES = 1024
"""What a read counts for in a client's turn, beside its bytes."""
CLOSING_SECONDS = 5
FINISH_SECONDS = 2


def text_frame(payload: bytes) -> bytes:
    """The payload as one unfragmented text frame, as servers send it; the same bytes serve every socket."""
    return serialize(Opcode.TEXT, payload)


def serialize(opcode: Opcode, payload: bytes) -> bytes:
    """Section 5.2: FIN and opcode, the length in 1, 3 or 9 bytes, and no mask."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, length)) + payload
    if length < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, length) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, length) + payload


class WebSocket:
    """Reads with `receive`, in one greenlet; anybody writes with `write`, then `flush`. Times are monotonic seconds.

    `max_message` and `queue_limit`: bytes in a message, and bytes that may wait for the client; `binary`: whether
    messages other than text are taken.
    """

    __slots__ = (
        "_out",
        "_queue_limit",
        "_reader",
        "_socket",
        "_turn",
        "_writer",
        "close_code",
        "is_open",
        "last_progress",
        "last_received",
        "queued",
    )

    def __init__(self, connected: socket.socket, *, max_message: int, queue_limit: int, binary: bool = False) -> None:
        self._socket = connected
        self._reader = MessageReader(max_message=max_message, binary=binary)
        self._turn = 0
        self._queue_limit = queue_limit
        self._out: list[bytes] = []
        self._writer: gevent.Greenlet[..., None] | None = None
        self.is_open = True
        """Until either side closes: from then on nothing is taken from the client and nothing written to it."""
        self.close_code = 1006
        """The code of the CLOSE of whoever closed first; 1006 without a CLOSE, 1005 without a code (section 7.1.5)."""
        self.queued = 0
        """Bytes that wait to be taken by the kernel."""
        self.last_received = self.last_progress = time.monotonic()

    def receive(self, early: bytes = b"") -> Iterator[tuple[Opcode, bytes]]:
        """Whole messages, and PINGs and PONGs, as they come; ends when the connection does, however it does.

        PINGs and CLOSE are answered here. `early` is what had been read beyond the upgrade.
        """
        data = early or self._read()
        try:
            while data:
                self.last_received = time.monotonic()
                for opcode, payload in self._reader.read(data):
                    if opcode is Opcode.CLOSE:
                        self._send_close(payload)
                        self._finish()
                        return
                    if opcode is Opcode.PING:
                        self.write(serialize(Opcode.PONG, payload))
                    if self.is_open:
                        yield opcode, payload
                self.flush()
                data = self._read()
        except ViolationError as violation:
            self._send_close(Close(violation.code, violation.reason).serialize())
            self._finish()
        self.is_open = False

    def _read(self) -> bytes:
        """b"" at the end. A client that always has more to read lets the others have their turn."""
        if self._turn >= TURN_BYTES:
            self._turn = 0
            # One round of the event loop. `sleep(0)` is none: gevent runs 50 of those before it looks at any socket.
            gevent.idle(priority=2)
        try:
            data: bytes = self._socket.recv(READ_SIZE)
        except OSError:
            return b""
        self._turn += len(data) + READ_COST_BYTES
        return data

    def write(self, frames: bytes) -> None:
        """Queues serialized frames. A client that lets the queue grow over its limit is given up."""
        if not self.is_open:
            return
        self._out.append(frames)
        self.queued += len(frames)
        if self.queued > self._queue_limit:
            self.flush()
            if self.queued > self._queue_limit:
                self.give_up()

    def write_ping(self, payload: bytes) -> None:
        self.write(serialize(Opcode.PING, payload))

    def flush(self) -> None:
        """Hands what is queued to the kernel; what it does not take at once follows as the client reads."""
        if self._writer is not None or not self._out:
            return
        data = self._take_queued()
        try:
            taken = os.write(self._socket.fileno(), data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.abort()
            return
        self.queued = len(data) - taken
        self.last_progress = time.monotonic()
        if self.queued:
            self._writer = gevent.spawn(self._drain, data[taken:])

    def _take_queued(self) -> bytes:
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def _drain(self, data: bytes) -> None:
        """Writes on as the client reads, until the queue is empty."""
        try:
            while data:
                rest = memoryview(data)
                while rest:
                    taken = self._socket.send(rest)
                    self.queued -= taken
                    self.last_progress = time.monotonic()
                    rest = rest[taken:]
                data = self._take_queued()
        except OSError:
            self.abort()
        finally:
            self._writer = None

    def give_up(self) -> None:
        """The client reads too slowly to be kept: 1013, and before it only what was on its way already."""
        if self.is_open:
            self.queued -= sum(map(len, self._out))
            self._out.clear()
            self.close(1013, "reads too slowly")

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; `receive` ends when the client has answered, or has had its time to."""
        if self.is_open:
            self._send_close(Close(code, reason).serialize())
            gevent.spawn_later(CLOSING_SECONDS, self.abort)

    def _send_close(self, payload: bytes) -> None:
        if self.is_open:
            self.is_open = False
            self.close_code = int.from_bytes(payload[:2]) or 1005
            frame = serialize(Opcode.CLOSE, payload)
            self._out.append(frame)
            self.queued += len(frame)
            self.flush()

    def _finish(self) -> None:
        """After CLOSE: lets the last bytes leave before the end of the connection (section 7.1.1)."""
        with gevent.Timeout(FINISH_SECONDS, exception=False):  # type: ignore[arg-type]  # False: just leave the block
            if self._writer is not None:
                self._writer.join()
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
            while self._read():
                pass

    def abort(self) -> None:
        """Ends the connection now; `receive` ends with it."""
        self.is_open = False
        self._out.clear()
        self.queued = 0
        with suppress(OSError):  # it may be gone already
            self._socket.shutdown(socket.SHUT_RDWR)

    def unacknowledged(self) -> int:
        """Bytes the kernel still holds for the client (SIOCOUTQ): fewer than before means that it is alive."""
        try:
            answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except (OSError, ValueError):  # ValueError: it is closed, so has no descriptor
            return 0
        count: int = struct.unpack("i", answer)[0]
        return count
