"""What a client may not send, and the close code it is told."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode

from tests.websocket.loopback import loopback
from tests.websocket.raw import BINARY, CONTINUATION, PING, PONG, TEXT, close_frame, closing, frame

KIB = 1024


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(frame(TEXT, b"hello", masked=False), id="text without a mask"),
        pytest.param(frame(PING, masked=False), id="ping without a mask"),
        pytest.param(frame(CONTINUATION, b"lo"), id="continuation of nothing"),
        pytest.param(frame(TEXT, b"hel", final=False) + frame(TEXT, b"lo"), id="text within a message"),
        pytest.param(frame(TEXT, b"hel", final=False) + frame(BINARY, b"lo"), id="binary within a message"),
        pytest.param(frame(PING, b"?", final=False), id="ping in fragments"),
        pytest.param(frame(PONG, b"?", final=False), id="pong in fragments"),
        pytest.param(frame(PING, bytes(126)), id="ping too long"),
        pytest.param(frame(PONG, bytes(65536)), id="pong far too long"),
        *[pytest.param(frame(TEXT, b"x", reserved=bits), id=f"reserved bits {bits:03b}") for bits in range(1, 8)],
        *[pytest.param(frame(PING, reserved=bits), id=f"ping with reserved bits {bits:03b}") for bits in range(1, 8)],
        *[pytest.param(frame(opcode), id=f"opcode {opcode}") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ],
)
def test_what_breaks_the_protocol_is_refused_with_1002(refused: bytes) -> None:
    with loopback() as made:
        made.peer.send(refused)
        assert closing(made.peer.get()) == 1002
        assert made.peer.get() is None
        assert made.received == []


@pytest.mark.parametrize(
    ("header", "code"),
    [
        pytest.param(frame(PING, claimed=126)[:4], 1002, id="ping too long"),
        pytest.param(frame(TEXT, claimed=100, reserved=4)[:2], 1002, id="reserved bit"),
        pytest.param(frame(TEXT, claimed=100, masked=False)[:2], 1002, id="no mask"),
        pytest.param(frame(BINARY, claimed=100)[:2], 1003, id="binary"),
        pytest.param(frame(TEXT, claimed=65537)[:10], 1009, id="one byte too long"),
        pytest.param(frame(TEXT, claimed=2**63 - 1)[:10], 1009, id="as long as can be"),
        pytest.param(frame(TEXT, claimed=2**64 - 1)[:10], 1009, id="longer than may be"),
    ],
)
def test_a_frame_is_refused_from_its_header_before_its_payload(header: bytes, code: int) -> None:
    with loopback(max_message=64 * KIB) as made:
        made.peer.send(header)
        assert closing(made.peer.get()) == code
        assert made.peer.get() is None


def test_a_message_may_have_the_limit_and_not_a_byte_more() -> None:
    with loopback(max_message=64 * KIB) as made:
        made.peer.send(frame(TEXT, b"x" * 64 * KIB))
        made.peer.send(frame(TEXT, b"x" * (64 * KIB + 1)))
        assert closing(made.peer.get()) == 1009
        assert [len(text) for text in made.texts()] == [64 * KIB]


def test_a_message_in_fragments_may_have_the_limit_and_not_a_byte_more() -> None:
    with loopback(max_message=64 * KIB) as made:
        half = b"x" * 32 * KIB
        made.peer.send(frame(TEXT, half, final=False), frame(CONTINUATION, half))
        made.peer.send(frame(TEXT, half, final=False), frame(CONTINUATION, claimed=32 * KIB + 1)[:8])
        assert closing(made.peer.get()) == 1009
        assert made.texts() == [half + half]


def test_a_ping_is_welcome_when_its_message_has_reached_the_limit() -> None:
    with loopback(max_message=64 * KIB) as made:
        made.peer.send(frame(TEXT, b"x" * 64 * KIB, final=False), frame(PING, b"?" * 125))
        got = made.peer.get()
        assert got is not None
        assert got.payload == b"?" * 125


@pytest.mark.parametrize("fragment", [b"", b"x"])
def test_a_message_in_thousands_of_tiny_fragments_is_refused_with_1009(fragment: bytes) -> None:
    with loopback(max_message=64 * KIB) as made:
        made.peer.send(frame(TEXT, fragment, final=False), *[frame(CONTINUATION, fragment, final=False)] * 4095)
        made.peer.send(frame(PING, b"so far so good"))
        got = made.peer.get()
        assert got is not None
        assert got.payload == b"so far so good"
        made.peer.send(frame(CONTINUATION, fragment, final=False))
        assert closing(made.peer.get()) == 1009


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(frame(BINARY, b"hello"), id="whole"),
        pytest.param(frame(BINARY, b"hel", final=False) + frame(CONTINUATION, b"lo"), id="in fragments"),
        pytest.param(frame(BINARY), id="empty"),
    ],
)
def test_binary_is_refused_with_1003(refused: bytes) -> None:
    with loopback() as made:
        made.peer.send(refused)
        assert closing(made.peer.get()) == 1003
        assert made.received == []


BAD_UTF8 = [
    pytest.param(b"\xff", id="a byte that never is"),
    pytest.param(b"\xc0\xaf", id="overlong slash"),
    pytest.param(b"\xed\xa0\x80", id="surrogate"),
    pytest.param(b"\xf4\x90\x80\x80", id="past the last character"),
    pytest.param(b"\x80", id="continuation byte alone"),
    pytest.param(b"\xe2\x82 ", id="cut character"),
]


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_text_that_is_not_utf_8_is_refused_with_1007(bad: bytes) -> None:
    with loopback() as made:
        made.peer.send(frame(TEXT, b"caf\xc3\xa9 " + bad))
        assert closing(made.peer.get()) == 1007
        assert made.received == []


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_bad_text_is_refused_at_the_end_of_the_fragment_it_is_in(bad: bytes) -> None:
    with loopback() as made:
        made.peer.send(frame(TEXT, b"caf\xc3\xa9", final=False), frame(CONTINUATION, bad, final=False))
        assert closing(made.peer.get()) == 1007


def test_a_character_may_be_cut_by_fragments_but_not_by_the_end() -> None:
    with loopback() as made:
        made.peer.send(*[frame(TEXT, b"\xf0", final=False), frame(CONTINUATION, b"\x9f\x98", final=False)])
        made.peer.send(frame(CONTINUATION, b"\x80"))
        made.peer.send(frame(TEXT, b"\xf0\x9f", final=False), frame(CONTINUATION, b"\x98"))
        assert closing(made.peer.get()) == 1007
        assert made.texts() == ["😀".encode()]


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        pytest.param(frame(TEXT, b"\xff"), 1007, id="bad text"),
        pytest.param(frame(BINARY), 1003, id="binary"),
        pytest.param(frame(TEXT, masked=False), 1002, id="no mask"),
        pytest.param(frame(TEXT, claimed=2**40), 1009, id="too long"),
        pytest.param(close_frame(1000), 1000, id="close"),
    ],
)
def test_what_came_before_is_taken_and_what_comes_behind_is_not(refused: bytes, code: int) -> None:
    with loopback(echo=True) as made:
        made.peer.send(frame(TEXT, b"before"), refused, frame(TEXT, b"behind"), frame(PING))
        first, last = made.peer.get_all()
        assert first.payload == b"before"
        assert closing(last) == code
        made.peer.end()
        made.wait_for_end()
        assert made.received == [(Opcode.TEXT, b"before")]
