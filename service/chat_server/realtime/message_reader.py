"""Reads messages from the bytes a WebSocket client sends: RFC 6455 section 5, with no input or output of its own.

Each frame is judged from its header, as soon as that is there, and each message is handed on before the next frame
is looked at: what is wrong with a later one can't undo it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which there is no compiled package
    from websockets.utils import apply_mask

MAX_CONTROL_BYTES = 125
MEAN_FRAGMENT_BYTES = 16
"""A message may have as many fragments as it would have with this many bytes in each."""

_OPCODES = {int(opcode): opcode for opcode in Opcode}


class ViolationError(Exception):
    """The client broke the protocol, or a limit: the connection fails, with this close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class MessageReader:
    """One client's messages. `max_message`: bytes in one; `binary`: whether it may send other than text."""

    __slots__ = ("_binary", "_buffer", "_max_message", "_unfinished")

    def __init__(self, *, max_message: int, binary: bool = False) -> None:
        self._max_message = max_message
        self._binary = binary
        self._buffer = bytearray()
        self._unfinished: _Unfinished | None = None

    def read(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """The messages and control frames that these bytes complete, in their order.

        Raises ViolationError where the connection has to fail; nothing may be read after it, nor after a CLOSE.
        """
        self._buffer += data
        while (frame := self._next_frame()) is not None:
            opcode, final, payload = frame
            if opcode is Opcode.TEXT and final:
                _check_text(payload)
                yield opcode, payload
            elif opcode >= Opcode.CLOSE:
                if opcode is Opcode.CLOSE:
                    _check_close(payload)
                yield opcode, payload
            elif message := self._add_fragment(opcode, payload, final=final):
                yield message

    def _next_frame(self) -> tuple[Opcode, bool, bytes] | None:
        """Opcode, FIN and unmasked payload of the next frame, once all of it is there (section 5.2)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, second = buffer[0], buffer[1]
        opcode, final, length = _OPCODES.get(first & 0x0F), first >= 0x80, second & 0x7F
        if opcode is None or first & 0x70:
            raise ViolationError(1002, "unknown opcode or reserved bit")
        if not second & 0x80:
            raise ViolationError(1002, "frames from clients must be masked")
        start = 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start])
        self._check_header(opcode, final=final, length=length)
        end = start + 4 + length
        if len(buffer) < end:
            return None
        payload = apply_mask(buffer[start + 4 : end], buffer[start : start + 4])
        del buffer[:end]
        return opcode, final, payload

    def _check_header(self, opcode: Opcode, *, final: bool, length: int) -> None:
        """Whether such a frame may come now."""
        unfinished = self._unfinished
        if opcode >= Opcode.CLOSE:
            if length > MAX_CONTROL_BYTES or not final:
                raise ViolationError(1002, "control frame too long or in fragments")
        elif (opcode is Opcode.CONT) is (unfinished is None):
            raise ViolationError(1002, "continuation expected" if unfinished else "nothing to continue")
        elif opcode is Opcode.BINARY and not self._binary:
            raise ViolationError(1003, "text frames only")
        elif length + (len(unfinished.payload) if unfinished else 0) > self._max_message:
            raise ViolationError(1009, "message too long")

    def _add_fragment(self, opcode: Opcode, payload: bytes, *, final: bool) -> tuple[Opcode, bytes] | None:
        """The message, once it is whole. It is refused at its first bad byte, not at its end."""
        unfinished = self._unfinished = self._unfinished or _Unfinished(opcode)
        unfinished.fragments += 1
        if unfinished.fragments * MEAN_FRAGMENT_BYTES > self._max_message:
            raise ViolationError(1009, "too many fragments")
        if unfinished.opcode is Opcode.TEXT:
            unfinished.check_text(payload, final=final)
        unfinished.payload += payload
        if not final:
            return None
        self._unfinished = None
        return unfinished.opcode, bytes(unfinished.payload)


class _Unfinished:
    """A message of which only some fragments are there."""

    __slots__ = ("_decoder", "fragments", "opcode", "payload")

    def __init__(self, opcode: Opcode) -> None:
        self.opcode = opcode
        self.payload = bytearray()
        self.fragments = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def check_text(self, payload: bytes, *, final: bool) -> None:
        """Whether the text goes on with these bytes; a character may be cut by the end of a fragment."""
        try:
            self._decoder.decode(payload, final)
        except UnicodeDecodeError as error:
            raise ViolationError(1007, "text must be UTF-8") from error


def _check_text(payload: bytes) -> None:
    try:
        if not payload.isascii():
            payload.decode()
    except UnicodeDecodeError as error:
        raise ViolationError(1007, "text must be UTF-8") from error


def _check_close(payload: bytes) -> None:
    """Section 5.5.1: no payload, or a code that may be sent and a reason in UTF-8."""
    try:
        Close.parse(payload)
    except UnicodeDecodeError as error:
        raise ViolationError(1007, "the reason must be UTF-8") from error
    except ProtocolError as error:
        raise ViolationError(1002, "bad close frame") from error
