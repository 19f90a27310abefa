"""One socket of the generator's, what it speaks, and what has been seen on it."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import pairwise
from typing import Protocol

Address = tuple[str, int]


class WrongAnswerError(Exception):
    """The system under test lost, doubled or reordered something, or said what it should not: nothing it did counts."""


class Peer:
    """A person who writes to one partner. Messages are numbered from 1; times are `time.perf_counter`'s."""

    __slots__ = (
        "ack_seqs",
        "acked",
        "delivered",
        "due",
        "first_seq",
        "head",
        "name",
        "own_id",
        "partner",
        "push_seqs",
        "socket",
        "tail",
        "token",
        "unread",
        "unsent",
    )

    partner: Peer
    socket: socket.socket

    def __init__(self, name: str, token: str) -> None:
        self.name = name
        self.token = token
        self.head = self.tail = b""
        """What stands before and after the number in each message this person sends."""
        self.own_id = b""
        """What the ids of this person's messages begin with."""
        self.unread = self.unsent = b""
        self.due: list[float] = []
        """When each message was to be sent: message n at n - 1."""
        self.acked = 0
        self.delivered = 0
        """How many of this person's messages the partner has."""
        self.first_seq = 1
        self.ack_seqs: list[int] = []
        self.push_seqs: list[int] = []

    def message(self, number: int) -> bytes:
        """The bytes of a message; the number has as many digits in all of them, so that their length is the same."""
        return b"%b%08d%b" % (self.head, number, self.tail)

    def check_seqs(self) -> None:
        """One's own messages and the partner's share a conversation, whose seqs have neither gap nor double.

        Raises WrongAnswerError.
        """
        for seqs in (self.ack_seqs, self.push_seqs):
            if any(later <= earlier for earlier, later in pairwise(seqs)):
                raise WrongAnswerError(f"{self.name}: seqs out of order")
        seen = sorted(self.ack_seqs + self.push_seqs)
        if seen != list(range(self.first_seq, self.first_seq + len(seen))):
            raise WrongAnswerError(f"{self.name}: seqs with a gap or a double, from {self.first_seq} on")


class Observer(Protocol):
    """Hears what a dialect has understood."""

    def acknowledged(self, peer: Peer, number: int) -> None:
        """The peer's own message was acknowledged to it."""

    def pushed(self, peer: Peer, number: int) -> None:
        """The peer has got this message of its partner's."""


class Dialect(Protocol):
    """How a system is spoken to. `acknowledges`: whether senders are told that a message was taken, `pushes`: whether
    it is brought to a partner."""

    acknowledges: bool
    pushes: bool

    def open(self, peer: Peer, address: Address) -> None:
        """Connects and signs in, blocking, and prepares the peer's messages. Raises WrongAnswerError."""

    def read(self, peer: Peer, data: bytes, observer: Observer) -> bytes:
        """Takes what has come; gives what is to be answered at once. Raises WrongAnswerError."""


def join_pairs(peers: Iterable[Peer]) -> None:
    """Makes each two that stand together one another's partners."""
    each = iter(peers)
    for one, other in zip(each, each, strict=True):
        one.partner, other.partner = other, one
