"""Watermarks only rise, and unread counts are what counting would give, in any order of sends and reads."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chat_server.storage.commit import Conflicting, Mark
from tests.storage.store import Pair, Store, open_store

sides = st.sampled_from((1, 2))
seqs = st.integers(1, 12)
ids = st.sampled_from([f"id-{number}" for number in range(20)])


def test_ones_own_messages_count_as_delivered_to_oneself_where_nothing_before_is_under_way(
    store: Store, pair: Pair
) -> None:
    store.store(pair.draft(1, "a"), pair.draft(1, "b"))
    assert store.conversation(pair).user1_delivered_seq == 2
    store.store(pair.draft(2, "c"), pair.draft(1, "d"))
    assert store.conversation(pair).user1_delivered_seq == 2
    assert store.conversation(pair).user2_delivered_seq == 0
    store.raise_delivered(pair, 1, 4)
    store.store(pair.draft(1, "e"))
    assert store.conversation(pair).user1_delivered_seq == 5


def test_a_delivery_proved_in_the_same_batch_comes_before_ones_own_message(store: Store, pair: Pair) -> None:
    store.store(pair.draft(2, "a"))
    store.writer.raise_delivered(Mark(pair.conversation_id, 1, 1))
    store.store(pair.draft(1, "b"))
    assert store.conversation(pair).user1_delivered_seq == 2


def test_only_watermarks_that_rose_are_told_and_reading_stops_at_the_end(store: Store, pair: Pair) -> None:
    store.store(pair.draft(2, "a"), pair.draft(2, "b"))
    store.raise_delivered(pair, 1, 1)
    assert [mark.seq for mark in store.batches[-1].delivered] == [1]
    store.raise_delivered(pair, 1, 1)
    assert store.batches[-1].delivered == []
    store.raise_read(pair, 1, 10**9)
    assert [(mark.seq, mark.message_id) for mark in store.batches[-1].read] == [(2, "b")]
    for seq in (10**9, 1):
        store.raise_read(pair, 1, seq)
        assert store.batches[-1].read == []


def test_of_the_watermarks_for_one_batch_the_highest_counts_and_names_the_newest_message(
    store: Store, pair: Pair
) -> None:
    store.store(pair.draft(2, "a"), pair.draft(1, "b"), pair.draft(1, "c"))
    for mark in (
        Mark(pair.conversation_id, 1, 2, 1, "a"),
        Mark(pair.conversation_id, 1, 3),
        Mark(pair.conversation_id, 1, 1),
    ):
        store.writer.raise_delivered(mark)
    store.settle()
    told = [(mark.seq, mark.received_seq, mark.message_id) for mark in store.batches[-1].delivered]
    assert told == [(3, 1, "a")]


def test_a_watermark_of_no_conversation_harms_nothing(store: Store, pair: Pair) -> None:
    store.writer.raise_read(Mark("conv-unknown", 1, 5))
    store.writer.raise_delivered(Mark("conv-unknown", 1, 5))
    assert len(store.store(pair.draft(1, "a"))) == 1
    assert store.batches[-1].failure is None


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
        self.pair = self.store.introduce()
        self.naive = Naive()
        self.sent: list[tuple[int, str, str]] = []
        self.delivered: list[tuple[int, int]] = []
        self.read: list[tuple[int, int]] = []

    def open(self) -> Store:
        return self.opened.enter_context(open_store(Path(self.directory.name) / "chat.db"))

    @rule(side=sides, client_id=ids, content=st.sampled_from(("text", "other text")))
    def send(self, side: int, client_id: str, content: str) -> None:
        self.sent.append((side, client_id, content))
        self.store.writer.append(self.pair.draft(side, client_id, content))

    @rule(side=sides, seq=seqs)
    def deliver(self, side: int, seq: int) -> None:
        if seq <= len(self.naive.messages):
            self.delivered.append((side, seq))
            self.store.writer.raise_delivered(Mark(self.pair.conversation_id, side, seq))

    @rule(side=sides, seq=seqs)
    def read_up_to(self, side: int, seq: int) -> None:
        self.read.append((side, seq))
        self.store.writer.raise_read(Mark(self.pair.conversation_id, side, seq))

    @rule()
    def commit(self) -> None:
        for side, seq in self.delivered:
            self.naive.delivered[side] = max(self.naive.delivered[side], seq)
        expected = [self.naive.send(*message) for message in self.sent]
        for side, seq in self.read:
            self.naive.read[side] = max(self.naive.read[side], min(seq, len(self.naive.messages)))
        self.sent, self.delivered, self.read = [], [], []
        outcomes = self.store.store()
        assert [None if isinstance(one, Conflicting) else one.seq for one in outcomes] == expected
        self.compare()

    def compare(self) -> None:
        row = self.store.conversation(self.pair)
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
        people = {1: self.pair.one, 2: self.pair.other}
        kept = [(row.seq, row.sender_id, row.client_id, row.content) for row in self.store.messages(self.pair)]
        assert kept == [(seq, people[by], *rest) for seq, (by, *rest) in enumerate(self.naive.messages, start=1)]
        self.opened.close()
        self.directory.cleanup()


def test_counts_and_watermarks_are_those_of_a_naive_model() -> None:
    run_state_machine_as_test(Batches, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))
