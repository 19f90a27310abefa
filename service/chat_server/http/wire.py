"""Reading one HTTP/1.x request off the wire (RFC 9112), strictly and with bounds.

Whatever could be understood in two ways is refused: a proxy in front may have understood the other one, and
what it took for a body we would take for the next request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase

from chat_server.http.errors import (
    BodyTooLargeError,
    HeadersTooLargeError,
    HttpVersionError,
    MalformedRequestError,
    RequestLineTooLongError,
    TransferCodingError,
)

MAX_REQUEST_LINE = 8192
MAX_HEADER_BYTES = 16 * 1024
MAX_HEADER_FIELDS = 100
MAX_CHUNKS = 4096
_MAX_CHUNK_LINE = 256

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~]+) HTTP/([0-9])\.([0-9])\r\n")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_LENGTH = re.compile(r"[0-9]{1,18}")


class Headers:
    """The header fields in their order. Has what pywsgi asks of its own class for them, and no more."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self.fields = fields

    def all(self, name: str) -> list[str]:
        """The values of every field of this name, which is in lower case."""
        return [value for known, value in self.fields if known.lower() == name]

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first field's value."""
        return next(iter(self.all(name.lower())), default)

    getheader = get

    @property
    def typeheader(self) -> str | None:
        return self.get("content-type")

    @property
    def headers(self) -> Iterator[str]:
        return (f"{name}: {value}\r\n" for name, value in self.fields)


@dataclass(frozen=True, slots=True)
class Head:
    """A request up to its body. `length` is the body's, None for a chunked one."""

    line: str
    method: str
    target: str
    version: str
    headers: Headers
    length: int | None

    def has_option(self, name: str, option: str) -> bool:
        """Whether a field that lists options, such as Connection, lists this one."""
        options = (one.strip().lower() for value in self.headers.all(name) for one in value.split(","))
        return option in options


def read_head(stream: BufferedIOBase) -> Head:
    """The request line and the header. Raises the errors of requests as such."""
    line = stream.readline(MAX_REQUEST_LINE + 1)
    if line == b"\r\n":  # one that some clients send behind a body (RFC 9112, section 2.2)
        line = stream.readline(MAX_REQUEST_LINE + 1)
    if len(line) > MAX_REQUEST_LINE:
        raise RequestLineTooLongError
    parsed = _REQUEST_LINE.fullmatch(line)
    if parsed is None:
        raise MalformedRequestError
    method, target, major, minor = (group.decode("ascii") for group in parsed.groups())
    if major != "1":
        raise HttpVersionError
    version = "HTTP/1.0" if minor == "0" else "HTTP/1.1"
    headers = Headers(_read_fields(stream))
    hosts = len(headers.all("host"))
    if hosts > 1 or (hosts == 0 and version == "HTTP/1.1"):
        raise MalformedRequestError
    return Head(
        line=f"{method} {target} {version}",
        method=method,
        target=_origin_form(target),
        version=version,
        headers=headers,
        length=_body_length(headers, version),
    )


def read_body(stream: BufferedIOBase, length: int | None, *, limit: int, proceed: Callable[[], None]) -> bytes:
    """The body, once `proceed` has told the client, who may be waiting for it, to send it.

    Raises BodyTooLargeError over the limit of bytes, where it can before anything is read.
    """
    if length == 0:
        return b""
    if length is not None and length > limit:
        raise BodyTooLargeError
    proceed()
    if length is None:
        return _read_chunks(stream, limit)
    body = stream.read(length)
    if len(body) < length:
        raise MalformedRequestError
    return body


def _read_fields(stream: BufferedIOBase) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    size = 0
    while (line := stream.readline(MAX_HEADER_BYTES + 1)) != b"\r\n":
        size += len(line)
        if size > MAX_HEADER_BYTES or len(fields) == MAX_HEADER_FIELDS:
            raise HeadersTooLargeError
        parsed = _FIELD.fullmatch(line)
        if parsed is None:
            raise MalformedRequestError
        fields.append((parsed[1].decode("ascii"), parsed[2].strip(b" \t").decode("latin-1")))
    return fields


def _origin_form(target: str) -> str:
    """The path and query also of a target that names the server (RFC 9112, section 3.2.2)."""
    if target.startswith("/") or target == "*":
        return target
    absolute = re.fullmatch(r"https?://[^/?#]+([^#]*)", target, re.IGNORECASE)
    if absolute is None:
        raise MalformedRequestError
    rest = absolute[1]
    return rest if rest.startswith("/") else "/" + rest


def _body_length(headers: Headers, version: str) -> int | None:
    """By RFC 9112, section 6.3, but for what it says may be repaired: that is refused here."""
    codings, lengths = headers.all("transfer-encoding"), headers.all("content-length")
    if codings:
        if lengths or version == "HTTP/1.0" or len(codings) > 1:
            raise MalformedRequestError
        if codings[0].lower() != "chunked":
            raise TransferCodingError
        return None
    if len(lengths) > 1 or (lengths and not _LENGTH.fullmatch(lengths[0])):
        raise MalformedRequestError
    return int(lengths[0]) if lengths else 0


def _read_chunks(stream: BufferedIOBase, limit: int) -> bytes:
    body = bytearray()
    for _ in range(MAX_CHUNKS):
        parsed = _CHUNK_SIZE.fullmatch(stream.readline(_MAX_CHUNK_LINE))
        if parsed is None:
            raise MalformedRequestError
        size = int(parsed[1], 16)
        if size == 0:
            _read_fields(stream)  # trailers, which mean nothing here
            return bytes(body)
        if len(body) + size > limit:
            raise BodyTooLargeError
        chunk = stream.read(size + 2)
        if len(chunk) != size + 2 or not chunk.endswith(b"\r\n"):
            raise MalformedRequestError
        body += chunk[:-2]
    raise BodyTooLargeError
