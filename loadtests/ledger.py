"""The books on one conversation: who wrote what, which number it was given, and to whom it came.

Pure accounting, no input or output. Sixteen bytes or so for each message keep what the server has said of it, so
that a run of days fits into memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from enum import IntEnum
from typing import Literal

from loadtests.findings import Findings, Kind

Side = Literal[1, 2]
SIDES: tuple[Side, Side] = (1, 2)


def other(side: Side) -> Side:
    """The other of the two."""
    return 2 if side == 1 else 1


class State(IntEnum):
    """What a message's author was told."""

    UNANSWERED = 0
    ACKNOWLEDGED = 1
    REFUSED = 2


class _Author:
    """What one of the two wrote: the first message is at 0."""

    def __init__(self) -> None:
        self.states = bytearray()
        self.seqs = array("q")
        """Each message's number in the conversation; 0 while it is not known."""


class _Reader:
    """What one of the two has got, by acknowledgement, push or history."""

    def __init__(self, base: int) -> None:
        self.reached = base
        """Nothing up to here is missing."""
        self._ahead: set[int] = set()

    def has(self, seq: int) -> bool:
        return seq <= self.reached or seq in self._ahead

    def get(self, seq: int) -> None:
        self._ahead.add(seq)
        while self.reached + 1 in self._ahead:
            self.reached += 1
            self._ahead.remove(self.reached)


class Ledger:
    """Both sides' books. `base` is the last seq before this run; `run_id`, without dots, marks this run's messages."""

    def __init__(self, findings: Findings, *, name: str, people: tuple[str, str], run_id: str, base: int) -> None:
        self._findings = findings
        self._name = name
        self.people = people
        self._run_id = run_id
        self._authors = (_Author(), _Author())
        self._readers = (_Reader(base), _Reader(base))
        self._order = array("q")
        """By seq from base + 1: which message of its author's it is, negative for side 2; 0 while not known."""
        self.base = base
        self.unanswered = 0
        self.repeats = 0
        """How often somebody was pushed what they had: allowed after a reconnection."""

    @property
    def last_seq(self) -> int:
        """The highest number that the server has given, as far as is known."""
        return self.base + len(self._order)

    @property
    def written(self) -> int:
        """How many messages were to be sent."""
        return sum(len(author.states) for author in self._authors)

    @property
    def acknowledged(self) -> int:
        return sum(author.states.count(State.ACKNOWLEDGED) for author in self._authors)

    @property
    def settled(self) -> bool:
        """Whether every message was answered, and both people have all there is."""
        return not self.unanswered and all(reader.reached == self.last_seq for reader in self._readers)

    def reached(self, side: Side) -> int:
        """Up to which seq this person lacks nothing."""
        return self._readers[side - 1].reached

    def has(self, side: Side, seq: int) -> bool:
        """Whether this person has the message with this number."""
        return self._readers[side - 1].has(seq)

    def find(self, kind: Kind, text: str) -> None:
        """Puts a broken promise on record."""
        self._findings.add(kind, f"{self._name}: {text}")

    def write(self, side: Side) -> str:
        """The id for another message by this side."""
        author = self._authors[side - 1]
        author.states.append(State.UNANSWERED)
        author.seqs.append(0)
        self.unanswered += 1
        return self._id(side, len(author.seqs))

    def refuse(self, message_id: str) -> None:
        """The server would not have it, and so must not keep it."""
        self._answer(message_id, State.REFUSED)

    def acknowledge(self, message_id: str, seq: int) -> None:
        """The author was told that it is on disk, under this number."""
        if self._answer(message_id, State.ACKNOWLEDGED):
            side, _ = self._author_of(message_id)
            self.arrive(side, message_id, seq, how="acknowledged")

    def arrive(self, side: Side, message_id: str, seq: int, *, how: str) -> bool:
        """The person on this side got it: it was `acknowledged`, `pushed` or `read`. Gives whether it is news."""
        reader = self._readers[side - 1]
        if seq <= self.base:  # of an earlier run
            if self._is_ours(message_id):
                self.find("mismatch", f"{message_id} was {how} as number {seq}, which was taken before the run")
            return False
        if not self._place(message_id, seq, how):
            return False
        if reader.has(seq):
            self.repeats += how == "pushed"
            return False
        reader.get(seq)
        return True

    def check_stored(self, message_id: str, seq: int) -> None:
        """Somebody read that the message is stored under this number."""
        if seq > self.base:
            self._place(message_id, seq, "read")

    def tell_delivered(self, side: Side, up_to_seq: int) -> None:
        """The person on this side was told that the other has everything up to there."""
        reached = self.reached(other(side))
        if up_to_seq > reached:
            name = self.people[other(side) - 1]
            self.find("receipt", f"delivered up to number {up_to_seq}, it was said, but {name} has up to {reached}")

    def audit(self, stored: Iterable[tuple[int, str]]) -> None:
        """Compares with what is stored after `base`, seq and id in the order of storage, and closes the books."""
        kept = [bytearray(len(author.seqs)) for author in self._authors]
        due = self.base + 1
        for seq, message_id in stored:
            if seq != due:
                self.find("gap", f"behind number {due - 1} number {seq} is stored")
            due = seq + 1
            if self._place(message_id, seq, "stored"):
                side, number = self._author_of(message_id)
                kept[side - 1][number - 1] = True
        for side in SIDES:
            self._check_answers(side, kept[side - 1])
            self._check_order(side)

    def _check_answers(self, side: Side, kept: bytearray) -> None:
        """What the author was told must have come true; `kept`: which of theirs are stored."""
        author = self._authors[side - 1]
        for number, (state, seq) in enumerate(zip(author.states, author.seqs, strict=True), start=1):
            message = f"{self._id(side, number)}, by {self.people[side - 1]},"
            if state == State.REFUSED and kept[number - 1]:
                self.find("mismatch", f"{message} was refused, but is stored as number {seq}")
            if state != State.ACKNOWLEDGED:
                continue
            # A number that already was another message's is none.
            acknowledged = f"{message} was acknowledged{f' as number {seq}' if seq else ''}"
            if not kept[number - 1]:
                self.find("lost", f"{acknowledged}, but is not stored")
            if not self.has(other(side), seq):
                self.find("lost", f"{acknowledged}, but never came to {self.people[other(side) - 1]}")

    def _check_order(self, side: Side) -> None:
        last = 0
        for number, seq in enumerate(self._authors[side - 1].seqs, start=1):
            if 0 < seq < last:
                self.find("order", f"{self._id(side, number)} is number {seq}, but one sent before it is number {last}")
            last = max(last, seq)

    def _answer(self, message_id: str, state: State) -> bool:
        """Notes what the author was told; gives whether the message is theirs at all."""
        if not self._is_ours(message_id):
            self.find("mismatch", f"{message_id} was answered, but nobody wrote it in this run")
            return False
        side, number = self._author_of(message_id)
        states = self._authors[side - 1].states
        if states[number - 1] == State.UNANSWERED:
            states[number - 1] = state
            self.unanswered -= 1
        return True

    def _place(self, message_id: str, seq: int, how: str) -> bool:
        """Notes which message has the number; gives whether that agrees with all that was said before."""
        if not self._is_ours(message_id):
            self.find("mismatch", f"number {seq} was {how} as {message_id}, which nobody wrote in this run")
            return False
        side, number = self._author_of(message_id)
        seqs = self._authors[side - 1].seqs
        place, mark = seq - self.base - 1, number if side == 1 else -number
        if place >= self.written:
            written = self.base + self.written
            self.find("gap", f"{message_id} was {how} as number {seq}, but only {written} were written")
            return False
        if place >= len(self._order):
            self._order.extend([0] * (place + 1 - len(self._order)))
        known = self._order[place]
        if known not in {0, mark}:
            is_now = self._id(1 if known > 0 else 2, abs(known))
            self.find("mismatch", f"number {seq} was {how} as {message_id}, but it is {is_now}")
            return False
        if seqs[number - 1] not in {0, seq}:
            self.find("duplicate", f"{message_id} was {how} as number {seq}, but it is number {seqs[number - 1]}")
            return False
        self._order[place] = mark
        seqs[number - 1] = seq
        return True

    def _id(self, side: Side, number: int) -> str:
        return f"{self._run_id}.{side}.{number}"

    def _author_of(self, message_id: str) -> tuple[Side, int]:
        """Side, and which of theirs it is, from 1; 0 for what is no message of this run."""
        match message_id.split("."):
            case [self._run_id, ("1" | "2") as side, number] if number.isdecimal():
                return (1 if side == "1" else 2), int(number)
        return 1, 0

    def _is_ours(self, message_id: str) -> bool:
        side, number = self._author_of(message_id)
        return 1 <= number <= len(self._authors[side - 1].seqs)


class Stretch:
    """What one socket was pushed of the conversation: numbers that rise one by one, from what its person had.

    The acknowledgement of an own message tells its number as a push would.
    """

    def __init__(self, ledger: Ledger, side: Side) -> None:
        self._ledger = ledger
        self._side = side
        self._last = 0
        self._told: set[int] = set()

    def acknowledge(self, seq: int) -> None:
        """An own message was acknowledged here."""
        if seq > self._last:
            self._told.add(seq)

    def push(self, message_id: str, seq: int) -> None:
        """This was pushed here, after it was entered in the ledger. The first push may repeat, but not skip."""
        if seq <= self._last:
            again = "again" if seq == self._last else f"behind number {self._last}"
            self._ledger.find("duplicate", f"{message_id}, number {seq}, was pushed {again} on the same socket")
            return
        first = (self._last or self._ledger.reached(self._side)) + 1
        missing = [number for number in range(first, min(seq, self._ledger.last_seq + 1)) if not self._knows(number)]
        if missing:
            name = self._ledger.people[self._side - 1]
            self._ledger.find("gap", f"{message_id}, number {seq}, was pushed to {name}, but not {_listed(missing)}")
        self._last = seq
        self._told = {number for number in self._told if number > seq}

    def _knows(self, number: int) -> bool:
        return number in self._told or (not self._last and self._ledger.has(self._side, number))


def _listed(numbers: list[int]) -> str:
    rest = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return "number " + ", ".join(map(str, numbers[:5])) + rest
