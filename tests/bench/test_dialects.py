"""What systems say is understood wherever it is cut, and what they should not say is noticed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from bench.peer import Dialect, Peer, WrongAnswerError, join_pairs
from bench.websocket import ChatDialect, EchoDialect, masked, next_frame
from bench.xmpp import XmppDialect
from chat_server.realtime.websocket import serialize, text_frame

OURS = ChatDialect(run="run", content="hello", ours=True)
ECHO = EchoDialect(run="run", content="hello")
XMPP = XmppDialect(run="run", content="hello")


@dataclass
class Heard:
    """What a dialect has understood."""

    acked: list[int] = field(default_factory=list)
    got: list[int] = field(default_factory=list)

    def acknowledged(self, _peer: Peer, number: int) -> None:
        self.acked.append(number)

    def pushed(self, _peer: Peer, number: int) -> None:
        self.got.append(number)


def frame(kind: str, number: int, sender: str = "", **data: object) -> bytes:
    """As the server sends it to Ann: acknowledgements are of her messages, pushes are Bob's."""
    sender = sender or ("bob" if kind == "message" else "ann")
    frame_id = f"run-{sender}-{number:08}"
    told = {"id": frame_id, "type": kind, "timestamp": 1, "data": {**data, "serverTimestamp": 1}}
    return text_frame(json.dumps(told, separators=(",", ":")).encode())


def ann() -> Peer:
    pair = [Peer("ann", ""), Peer("bob", "")]
    join_pairs(pair)
    pair[0].own_id = b"run-ann-"
    return pair[0]


def read(dialect: Dialect, peer: Peer, pieces: Sequence[bytes]) -> tuple[Heard, bytes]:
    heard = Heard()
    return heard, b"".join(dialect.read(peer, piece, heard) for piece in pieces)


def cut(data: bytes, at: Sequence[int]) -> list[bytes]:
    places = [0, *sorted(at), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


CUTS = st.lists(st.integers(0, 400), max_size=5)


@given(CUTS)
def test_ours_is_understood_wherever_it_is_cut(at: list[int]) -> None:
    peer = ann()
    data = b"".join(
        [
            frame("ack", 1, seq=1),
            frame("message", 1, content="x" * 200, seq=2),
            serialize(Opcode.PING, b"7"),
            frame("ack", 1, upToSeq=1, status="delivered"),
            frame("presence", 1, isOnline=True),
            frame("ack", 2, seq=3),
        ]
    )
    heard, answer = read(OURS, peer, cut(data, at))
    assert (heard.acked, heard.got) == ([1, 2], [1])
    assert (peer.ack_seqs, peer.push_seqs, peer.unread) == ([1, 3], [2], b"")
    assert answer == masked(Opcode.PONG, b"7")
    peer.check_seqs()


@given(CUTS)
def test_xmpp_is_understood_wherever_it_is_cut(at: list[int]) -> None:
    stanza = (
        "<message from='bob@localhost/b' to='ann@localhost' id='run-{:08}' type='chat'><body>hello</body>{}</message>"
    )
    archived = "<stanza-id xmlns='urn:xmpp:sid:0' id='another-00000009' by='ann@localhost'/>"
    data = (stanza.format(1, archived) + stanza.format(2, archived)).encode()
    heard, answer = read(XMPP, ann(), cut(data, at))
    assert (heard.acked, heard.got, answer) == ([], [1, 2], b"")


def test_an_echo_is_an_acknowledgement() -> None:
    heard, _ = read(ECHO, ann(), [frame("message", 3, content="hello")])
    assert (heard.acked, heard.got) == ([3], [])


def test_what_was_stored_before_the_measurement_is_not_counted() -> None:
    peer = ann()
    peer.first_seq = 5
    heard, _ = read(OURS, peer, [frame("message", 1, seq=4), frame("message", 1, seq=5)])
    assert heard.got == [1]


def test_ones_own_messages_in_a_backlog_are_not_counted() -> None:
    heard, _ = read(OURS, ann(), [frame("message", 1, sender="ann", seq=5)])
    assert heard.got == []


@pytest.mark.parametrize(
    "said", [frame("error", 1, code="BLOCKED"), serialize(Opcode.CLOSE, b"\x03\xe8"), frame("surprise", 1)]
)
def test_errors_and_the_end_are_no_answers(said: bytes) -> None:
    with pytest.raises(WrongAnswerError):
        read(OURS, ann(), [said])


def test_an_error_stanza_is_no_message() -> None:
    with pytest.raises(WrongAnswerError):
        read(XMPP, ann(), [b"<message id='run-00000001' type='error'><error/></message>"])


@pytest.mark.parametrize(
    ("acks", "pushes"),
    [([1, 2], [4]), ([1, 3], [3]), ([2, 1], []), ([2], [3]), ([1], [1, 2])],
    ids=["gap", "double and gap", "order", "first missing", "double"],
)
def test_gaps_doubles_and_disorder_are_noticed(acks: list[int], pushes: list[int]) -> None:
    peer = ann()
    peer.ack_seqs, peer.push_seqs = acks, pushes
    with pytest.raises(WrongAnswerError):
        peer.check_seqs()


@given(st.sampled_from([0, 125, 126, 65535, 65536]))
def test_a_frame_of_any_length_is_found(length: int) -> None:
    whole = text_frame(b"x" * length)
    found = next_frame(b"??" + whole, 2)
    assert found is not None
    opcode, start, stop = found
    assert (opcode, stop - start, stop) == (Opcode.TEXT, length, len(whole) + 2)
    assert next_frame(whole[:-1], 0) is None
