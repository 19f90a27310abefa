"""Whatever comes, in whatever pieces: the same messages, and never an error."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import gevent
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from chat_server.realtime.message_reader import MessageReader, ViolationError
from tests.websocket.loopback import loopback
from tests.websocket.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, frame

MAX_MESSAGE = 1000

Event = tuple[Opcode, bytes]

controls = st.lists(st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)), max_size=2)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[bytes], list[Event]]:
    """Frames as a client may send them, and what is to be taken from them."""
    frames: list[bytes] = []
    events: list[Event] = []

    def add_controls() -> None:
        for opcode, payload in draw(controls):
            frames.append(frame(opcode, payload))
            events.append((Opcode(opcode), payload))

    for text in draw(st.lists(st.text(max_size=200), max_size=5)):
        payload = text.encode()
        pieces = cut(payload, draw(st.lists(st.integers(0, len(payload)), max_size=5)))
        for number, piece in enumerate(pieces):
            final = number == len(pieces) - 1
            frames.append(frame(CONTINUATION if number else TEXT, piece, final=final))
            if final:
                events.append((Opcode.TEXT, payload))
            add_controls()
    return frames, events


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    edges = [0, *sorted(places), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


def read(pieces: Sequence[bytes]) -> tuple[list[Event], int]:
    """What a reader makes of the pieces: the events, and the close code of the violation that ended them, or 0."""
    reader = MessageReader(max_message=MAX_MESSAGE)
    events: list[Event] = []
    try:
        for piece in pieces:
            for event in reader.read(piece):
                events.append(event)
                if event[0] is Opcode.CLOSE:
                    return events, 0
    except ViolationError as violation:
        return events, violation.code
    return events, 0


@settings(deadline=None)
@given(conversations(), st.data())
def test_messages_are_the_same_however_their_frames_are_cut(
    conversation: tuple[list[bytes], list[Event]], data: st.DataObject
) -> None:
    frames, events = conversation
    sent = b"".join(frames)
    pieces = cut(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=20)))
    assert read(pieces) == (events, 0)
    assert read([sent[at : at + 1] for at in range(len(sent))]) == (events, 0)


any_frames = st.builds(
    frame,
    st.sampled_from([CONTINUATION, TEXT, TEXT, BINARY, CLOSE, PING, PONG]) | st.integers(0, 15),
    st.binary(max_size=130) | st.text(max_size=30).map(str.encode),
    final=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, True, False]),
    claimed=st.none() | st.integers(0, 2**64 - 1),
)
anything = st.lists(
    any_frames | st.binary(max_size=20) | conversations().map(lambda made: b"".join(made[0])), max_size=10
)


@settings(deadline=None)
@given(anything.map(b"".join), st.data())
def test_anything_is_judged_the_same_however_it_is_cut(sent: bytes, data: st.DataObject) -> None:
    pieces = cut(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=10)))
    events, code = read(pieces)
    assert (events, code) == read([sent])
    assert code in {0, 1002, 1003, 1007, 1009}
    assert sum(len(payload) for opcode, payload in events if opcode is Opcode.TEXT) <= len(sent)


@settings(deadline=None)
@given(anything.map(b"".join), st.data())
def test_nothing_a_client_sends_makes_receive_raise(sent: bytes, data: st.DataObject) -> None:
    with loopback(echo=True, max_message=MAX_MESSAGE) as made:
        for piece in cut(sent, data.draw(st.lists(st.integers(0, len(sent)), max_size=3))):
            made.peer.send(piece)
        made.peer.end()
        made.wait_for_end()
        expected, _ = read([sent])
        assert made.received == [event for event in expected if event[0] is not Opcode.CLOSE]
        assert not made.websocket.is_open


@settings(deadline=None)
@given(conversations())
def test_a_conversation_is_answered_in_its_order_and_closed_by_the_client(
    conversation: tuple[list[bytes], list[Event]],
) -> None:
    frames, events = conversation
    with loopback(echo=True, max_message=MAX_MESSAGE) as made:
        made.peer.send(*frames, close_frame(1000))
        made.peer.end()
        answers = {Opcode.TEXT: TEXT, Opcode.PING: PONG}
        expected = [(answers[opcode], payload) for opcode, payload in events if opcode in answers]
        got = [(one.opcode, one.payload) for one in made.peer.get_all()]
        assert got[:-1] == expected
        assert got[-1][0] == CLOSE


def test_a_client_may_send_one_byte_at_a_time() -> None:
    sent = [frame(TEXT, b"hel", final=False), frame(PING, b"?"), frame(CONTINUATION, b"lo"), frame(TEXT, b"x" * 300)]
    with loopback() as made:
        for byte in b"".join(sent):
            made.peer.send(bytes([byte]))
            gevent.sleep(0)
        made.peer.end()
        made.wait_for_end()
        assert made.received == [(Opcode.PING, b"?"), (Opcode.TEXT, b"hello"), (Opcode.TEXT, b"x" * 300)]
