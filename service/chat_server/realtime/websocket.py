"""One WebSocket: RFC 6455 over a gevent socket whose upgrade is done.

Frames are parsed by `websockets`' sans-I/O protocol, which refuses unmasked, oversized (from the header, before
the payload) and malformed frames with the right close code. This layer adds what that leaves to its caller:
reading, whole messages of valid UTF-8, and writing through one bounded queue that never blocks the hub.
"""

from __future__ import annotations

import codecs
import fcntl
import logging
import os
import struct
import termios
import time
from collections.abc import Iterator

import gevent
from gevent import socket
from websockets.frames import Frame, Opcode
from websockets.protocol import CLOSED, OPEN, Protocol, Side

# At debug the library would log what people write to each other.
_silent = logging.getLogger("chat_server.frames")
_silent.setLevel(logging.CRITICAL)

READ_SIZE = 16384
MAX_FRAGMENTS = 4096
CLOSING_SECONDS = 5
FINISH_SECONDS = 2


def text_frame(payload: bytes) -> bytes:
    """The payload as one unfragmented text frame, as servers send it; the same bytes serve every socket."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


class WebSocket:
    """Reads with `receive`, in one greenlet; anybody writes with `write`, then `flush`. Times are monotonic seconds."""

    __slots__ = (
        "_decoder",
        "_fragments",
        "_out",
        "_protocol",
        "_queue_limit",
        "_socket",
        "_text",
        "_writer",
        "last_progress",
        "last_received",
        "queued",
    )

    def __init__(self, connected: socket.socket, *, max_message: int, queue_limit: int) -> None:
        self._socket = connected
        self._protocol = Protocol(Side.SERVER, state=OPEN, max_size=max_message, logger=_silent)
        self._queue_limit = queue_limit
        self._out: list[bytes] = []
        self._writer: gevent.Greenlet[..., None] | None = None
        self._text = bytearray()
        self._fragments = 0
        self._decoder: codecs.IncrementalDecoder | None = None
        self.queued = 0
        """Bytes that wait to be taken by the kernel."""
        self.last_received = self.last_progress = time.monotonic()

    @property
    def is_open(self) -> bool:
        return self._protocol.state is OPEN

    def receive(self, early: bytes = b"") -> Iterator[tuple[Opcode, bytes]]:
        """Whole text messages, and PINGs and PONGs as they come; ends when the connection does.

        PINGs and CLOSE are answered here. `early` is what had been read beyond the upgrade.
        """
        data = early or self._read()
        while data:
            self.last_received = time.monotonic()
            self._protocol.receive_data(data)
            for frame in self._protocol.events_received():
                assert isinstance(frame, Frame)  # the protocol began in the open state: no requests come
                yield from self._take(frame)
            self.send_control()
            if self._protocol.state is CLOSED or self._protocol.eof_sent:
                self._finish()
                return
            data = self._read()
        self._protocol.receive_eof()

    def _read(self) -> bytes:
        try:
            return self._socket.recv(READ_SIZE)
        except OSError:
            return b""

    def _take(self, frame: Frame) -> Iterator[tuple[Opcode, bytes]]:
        if frame.opcode is Opcode.TEXT and frame.fin:
            if _is_utf8(frame.data):
                yield Opcode.TEXT, bytes(frame.data)
            else:
                self._protocol.fail(1007, "text must be UTF-8")
        elif frame.opcode in {Opcode.TEXT, Opcode.CONT}:
            yield from self._take_fragment(frame)
        elif frame.opcode is Opcode.BINARY:
            self._protocol.fail(1003, "text frames only")
        elif frame.opcode in {Opcode.PING, Opcode.PONG}:
            yield frame.opcode, bytes(frame.data)

    def _take_fragment(self, frame: Frame) -> Iterator[tuple[Opcode, bytes]]:
        """Validates each fragment as it comes, so that a message is refused at its first bad byte."""
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            self._protocol.fail(1009, "too many fragments")
            return
        try:
            self._decoder.decode(bytes(frame.data), frame.fin)
        except UnicodeDecodeError:
            self._protocol.fail(1007, "text must be UTF-8")
            return
        self._text += frame.data
        if frame.fin:
            message = bytes(self._text)
            self._text, self._fragments, self._decoder = bytearray(), 0, None
            yield Opcode.TEXT, message

    def write(self, frames: bytes) -> None:
        """Queues serialized frames. A client that lets the queue grow over its limit is given up."""
        if self._protocol.state is not OPEN:
            return
        self._out.append(frames)
        self.queued += len(frames)
        if self.queued > self._queue_limit:
            self.give_up()

    def write_ping(self, payload: bytes) -> None:
        self.write(Frame(Opcode.PING, payload).serialize(mask=False))

    def send_control(self) -> None:
        """Sends what the protocol itself has to say: PONGs and CLOSE."""
        for data in self._protocol.data_to_send():
            if data:
                self._out.append(data)
                self.queued += len(data)
        self.flush()

    def give_up(self) -> None:
        """The client reads too slowly to be kept: 1013, without what it has not taken yet before it."""
        self.queued -= sum(map(len, self._out))
        self._out.clear()
        self.close(1013, "reads too slowly")

    def close(self, code: int, reason: str = "") -> None:
        """Begins the closing handshake; `receive` ends when the client has answered, or has had its time to."""
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self.send_control()
            gevent.spawn_later(CLOSING_SECONDS, self.abort)

    def abort(self) -> None:
        """Ends the connection now; `receive` ends with it."""
        self._out.clear()
        self.queued = 0
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was gone already

    def flush(self) -> None:
        """Hands what is queued to the kernel; what it does not take at once follows as the client reads."""
        if self._writer is not None or not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
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

    def _drain(self, data: bytes) -> None:
        """Writes on as the client reads, until the queue is empty."""
        try:
            while data:
                taken = self._socket.send(data)
                self.queued -= taken
                self.last_progress = time.monotonic()
                data = data[taken:]
                if not data:
                    data = b"".join(self._out)
                    self._out.clear()
        except OSError:
            self.abort()
        finally:
            self._writer = None

    def unacknowledged(self) -> int:
        """Bytes the kernel still holds for the client (SIOCOUTQ): fewer than before means that it is alive."""
        try:
            answer = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except OSError:
            return 0
        count: int = struct.unpack("i", answer)[0]
        return count

    def _finish(self) -> None:
        """After CLOSE: lets the last bytes leave before the end of the connection (RFC 6455 section 7.1.1)."""
        with gevent.Timeout(FINISH_SECONDS, exception=False):  # type: ignore[arg-type]  # False: just leave the block
            if self._writer is not None:
                self._writer.join()
            try:
                self._socket.shutdown(socket.SHUT_WR)
                while self._socket.recv(READ_SIZE):
                    pass
            except OSError:
                pass  # the client ended it first


def _is_utf8(data: bytes | bytearray | memoryview) -> bool:
    raw = bytes(data)
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
