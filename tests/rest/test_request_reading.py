"""Reading a request: whatever comes is either a request, understood in one way, or one of the known errors."""

from __future__ import annotations

import io
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_server.http.errors import REFUSALS, HeadersTooLargeError, MalformedRequestError
from chat_server.http.wire import MAX_HEADER_BYTES, Head, read_body, read_head

LIMIT = 1000

tokens = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)
lines = [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"Host: a", b"Content-Length: 3", b"Transfer-Encoding: chunked", b""]
pieces = st.sampled_from(
    [*(line + b"\r\n" for line in lines), b"3\r\nabc\r\n0\r\n\r\n", b"\r", b"\n", b" ", b"\t", b":", b"\0", b"\xff"]
)


def read(data: bytes) -> tuple[Head, bytes]:
    stream = io.BytesIO(data)
    head = read_head(stream)
    return head, read_body(stream, head.length, limit=LIMIT, proceed=lambda: None)


@given(st.lists(pieces | st.binary(max_size=20), max_size=12).map(b"".join))
@example(b"")
def test_any_bytes_are_a_request_or_a_known_error(data: bytes) -> None:
    try:
        head, body = read(data)
    except tuple(REFUSALS):
        return
    assert head.version in {"HTTP/1.0", "HTTP/1.1"}
    assert len(body) <= LIMIT


@given(
    method=tokens,
    fields=st.lists(st.tuples(tokens.map(lambda name: f"X-{name}"), values), max_size=8),
    body=st.binary(max_size=LIMIT),
    sizes=st.lists(st.integers(1, 300), min_size=1),
    in_chunks=st.booleans(),
)
def test_a_request_is_read_as_it_was_written(
    method: str, fields: list[tuple[str, str]], body: bytes, sizes: list[int], in_chunks: bool
) -> None:
    framing = "Transfer-Encoding: chunked" if in_chunks else f"Content-Length: {len(body)}"
    header = [f"{method} /a?b HTTP/1.1", "Host: h", framing, *(f"{name}: {value}" for name, value in fields), "", ""]
    sent = chunked(body, sizes) if in_chunks else body
    head, received = read("\r\n".join(header).encode("latin-1") + sent + b"the next one")
    assert (head.method, head.target, received) == (method, "/a?b", body)
    assert head.headers.fields[2:] == [(name, value.strip(" \t")) for name, value in fields]


def chunked(body: bytes, sizes: list[int]) -> bytes:
    sent, rest, number = b"", body, 0
    while rest:
        size = sizes[number % len(sizes)]
        sent += b"%X\r\n%s\r\n" % (len(rest[:size]), rest[:size])
        rest, number = rest[size:], number + 1
    return sent + b"0\r\n\r\n"


def test_reading_stops_at_the_end_of_the_body() -> None:
    stream = io.BytesIO(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET")
    head = read_head(stream)
    assert read_body(stream, head.length, limit=LIMIT, proceed=lambda: None) == b"ab"
    assert stream.read() == b"GET"


@pytest.mark.parametrize("filler", [b" ", b"\t", b":", b"a", b" \t"])
def test_a_long_line_takes_no_longer_than_its_length_deserves(filler: bytes) -> None:
    line = b"X: " + filler * (MAX_HEADER_BYTES // len(filler) - 100)
    started = time.perf_counter()
    for end in (b"x\0\r\n", b"\r\n"):
        with pytest.raises((MalformedRequestError, HeadersTooLargeError)):
            read(b"GET / HTTP/1.1\r\nHost: h\r\n" + line + end)
    assert time.perf_counter() - started < 0.5
