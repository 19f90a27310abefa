"""WebSocket frames byte by byte, as a client sends and gets them; also such as no client may send.

Shares nothing with the server, nor with the library the server takes opcodes and masks from.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

from gevent import socket

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

MASK = b"\x37\xfa\x21\x3d"
PATIENCE_SECONDS = 5


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    masked: bool = True,
    claimed: int | None = None,
) -> bytes:
    """A frame. `claimed`: the length its header tells, where that is not the payload's."""
    length = len(payload) if claimed is None else claimed
    first, mask_bit = final << 7 | reserved << 4 | opcode, masked << 7
    if length < 126:
        header = struct.pack("!BB", first, mask_bit | length)
    elif length < 65536:
        header = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        header = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not masked:
        return header + payload
    return header + MASK + bytes(byte ^ key for byte, key in zip(payload, itertools.cycle(MASK), strict=False))


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A CLOSE; also with codes that may not be sent."""
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Got:
    """A frame that the server sent."""

    opcode: int
    payload: bytes


class Peer:
    """The other end of a connection: sends what it is given, and reads strictly."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE_SECONDS)
        self.at_most = 65536
        """Bytes it takes from the kernel at a time."""
        self._read = b""

    def send(self, *frames: bytes) -> None:
        """All in one piece."""
        self.socket.sendall(b"".join(frames))

    def get(self) -> Got | None:
        """The next frame; None at the end of the connection, which may not come within a frame."""
        header = self._take(2)
        if not header:
            return None
        assert header[0] & 0xF0 == 0x80, "the server sends whole messages, and no reserved bits"
        length = header[1]
        assert length < 128, "a server may not mask"
        if length == 126:
            (length,) = struct.unpack("!H", self._take(2))
            assert length >= 126
        elif length == 127:
            (length,) = struct.unpack("!Q", self._take(8))
            assert length >= 65536
        payload = self._take(length)
        assert len(payload) == length, "the connection ended within a frame"
        return Got(header[0] & 0x0F, payload)

    def get_all(self) -> list[Got]:
        """Every frame until the end of the connection."""
        return list(iter(self.get, None))

    def end(self) -> None:
        """Ends its side of the connection, as TCP does."""
        self.socket.shutdown(socket.SHUT_WR)

    def _take(self, count: int) -> bytes:
        """So many bytes; fewer at the end of the connection."""
        while len(self._read) < count and (data := self.socket.recv(self.at_most)):
            self._read += data
        taken, self._read = self._read[:count], self._read[count:]
        return taken


def closing(got: Got | None) -> int:
    """The code of what must be a CLOSE with one; 1005 for one without."""
    assert got is not None
    assert got.opcode == CLOSE
    code: int = struct.unpack("!H", got.payload[:2])[0] if got.payload else 1005
    got.payload[2:].decode()
    return code
