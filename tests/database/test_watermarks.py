"""Watermarks only rise, and unread counts are what counting would give, in any order of sends and reads."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chat_server.storage.commit import Conflicting, Draft, Mark
from chat_server.storage.models import Message
from tests.database.store import ANN, BOB, Store, draft, open_store

sides = st.sampled_from((1, 2))
seqs = st.integers(1, 12)
ids = st.sampled_from([f"id-{number}" for number in range(40)])


@pytest.fixture
def talk(store: Store) -> str:
    """Ann's and Bob's conversation; Ann is on side 1."""
    return store.start_conversation()


def by(side: int, talk: str, client_id: str = "", content: str = "text") -> Draft:
    sender, recipient = (ANN, BOB) if side == 1 else (BOB, ANN)
    return draft(talk, content, by=sender, to=recipient, client_id=client_id)


def delivered(store: Store, talk: str) -> tuple[int, int]:
    row = store.conversation(talk)
    return row.user1_delivered_seq, row.user2_delivered_seq


def test_ones_own_messages_count_as_delivered_to_oneself_where_nothing_before_is_under_way(
    store: Store, talk: str
) -> None:
    store.send(by(1, talk), by(1, talk))
    assert delivered(store, talk) == (2, 0)
    store.send(by(2, talk), by(1, talk))
    assert delivered(store, talk) == (2, 0)
    store.writer.raise_delivered(Mark(talk, 1, 4))
    store.settle()
    store.send(by(1, talk))
    assert delivered(store, talk) == (5, 0)


def test_a_delivery_proved_in_the_same_batch_comes_before_ones_own_message(store: Store, talk: str) -> None:
    store.send(by(2, talk))
    store.writer.raise_delivered(Mark(talk, 1, 1))
    store.send(by(1, talk))
    assert delivered(store, talk) == (2, 1)


def test_only_watermarks_that_rose_are_told_and_reading_stops_at_the_end(store: Store, talk: str) -> None:
    def told_delivered(seq: int) -> list[int]:
        store.writer.raise_delivered(Mark(talk, 1, seq))
        return [mark.seq for mark in store.settle().delivered]

    def told_read(seq: int) -> list[tuple[int, str]]:
        store.writer.raise_read(Mark(talk, 1, seq))
        return [(mark.seq, mark.message_id) for mark in store.settle().read]

    store.send(by(2, talk, "a"), by(2, talk, "b"))
    assert told_delivered(1) == [1]
    assert told_delivered(1) == []
    assert told_read(10**9) == [(2, "b")]
    assert told_read(10**9) == []
    assert told_read(1) == []


def test_a_watermark_of_no_conversation_harms_nothing(store: Store, talk: str) -> None:
    store.writer.raise_read(Mark("conv-unknown", 1, 5))
    store.writer.raise_delivered(Mark("conv-unknown", 1, 5))
    assert len(store.send(by(1, talk))) == 1


@dataclass
class Naive:
    """A conversation as simple as can be. Lists and pairs are by seq and by side, both counted from 1."""

    messages: list[tuple[int, str, str]] = field(default_factory=list)
    delivered: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})
    read: dict[int, int] = field(default_factory=lambda: {1: 0, 2: 0})

    def send(self, side: int, client_id: str, content: str) -> int | None:
        """The seq; None for a conflict."""
        for seq, known in enumerate(self.messages, start=1):
            if known[1] == client_id:
                return seq if known == (side, client_id, content) else None
        if self.delivered[side] == len(self.messages):
            self.delivered[side] += 1
        self.messages.append((side, client_id, content))
        return len(self.messages)

    def unread(self, side: int) -> int:
        return sum(by != side for by, _, _ in self.messages[self.read[side] :])


class Batches(RuleBasedStateMachine):
    """All is queued until a batch takes it: first what is delivered, then the messages, then what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.opened = ExitStack()
        self.store = self.open()
        self.talk = self.store.start_conversation()
        self.naive = Naive()
        self.sent: list[tuple[int, str, str]] = []
        self.delivered: list[tuple[int, int]] = []
        self.read: list[tuple[int, int]] = []

    def open(self) -> Store:
        return self.opened.enter_context(open_store(Path(self.directory.name) / "chat.db"))

    @rule(messages=st.lists(st.tuples(sides, ids, st.sampled_from(("text", "text", "other"))), min_size=1, max_size=5))
    def send(self, messages: list[tuple[int, str, str]]) -> None:
        for side, client_id, content in messages:
            self.sent.append((side, client_id, content))
            self.store.writer.append(by(side, self.talk, client_id, content))

    @rule(side=sides, seq=seqs)
    def deliver(self, side: int, seq: int) -> None:
        if seq <= len(self.naive.messages):
            self.delivered.append((side, seq))
            self.store.writer.raise_delivered(Mark(self.talk, side, seq))

    @rule(side=sides, seq=seqs)
    def read_up_to(self, side: int, seq: int) -> None:
        self.read.append((side, seq))
        self.store.writer.raise_read(Mark(self.talk, side, seq))

    @rule()
    def commit(self) -> None:
        for side, seq in self.delivered:
            self.naive.delivered[side] = max(self.naive.delivered[side], seq)
        expected = [self.naive.send(*message) for message in self.sent]
        for side, seq in self.read:
            self.naive.read[side] = max(self.naive.read[side], min(seq, len(self.naive.messages)))
        self.sent, self.delivered, self.read = [], [], []
        outcomes = self.store.settle().outcomes
        assert [None if isinstance(one, Conflicting) else one.seq for one in outcomes] == expected
        self.compare()

    def compare(self) -> None:
        row = self.store.conversation(self.talk)
        assert row.last_seq == len(self.naive.messages)
        assert {1: row.user1_delivered_seq, 2: row.user2_delivered_seq} == self.naive.delivered
        assert {1: row.user1_read_seq, 2: row.user2_read_seq} == self.naive.read
        assert (row.user1_unread, row.user2_unread) == (self.naive.unread(1), self.naive.unread(2))

    @rule(luck=st.integers(0, 9))
    def it_may_restart(self, luck: int) -> None:
        if luck == 0:
            self.commit()
            self.opened.close()
            self.store = self.open()
            self.compare()

    def teardown(self) -> None:
        self.commit()
        people = {1: ANN, 2: BOB}
        rows = self.store.readers.run(list, Message.select().order_by(Message.seq))
        kept = [(row.seq, row.sender_id, row.client_id, row.content) for row in rows]
        assert kept == [(seq, people[side], *rest) for seq, (side, *rest) in enumerate(self.naive.messages, start=1)]
        self.opened.close()
        self.directory.cleanup()


def test_counts_and_watermarks_are_those_of_a_naive_model() -> None:
    run_state_machine_as_test(Batches, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
