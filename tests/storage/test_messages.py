"""Messages are numbered without gaps and stored once, however they are batched and however often they are sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from chat_server.storage.commit import Conflicting, Draft, Stored, find_stored
from chat_server.storage.models import Conversation
from chat_server.storage.writer import MAX_BATCH
from tests.storage.store import Pair, Store, open_store


def seqs(outcomes: list[Stored | Conflicting]) -> list[int]:
    """0 for a conflict."""
    return [outcome.seq if isinstance(outcome, Stored) else 0 for outcome in outcomes]


def again(outcomes: list[Stored | Conflicting]) -> list[bool]:
    return [isinstance(outcome, Stored) and outcome.again for outcome in outcomes]


def test_seqs_count_from_one_in_the_order_of_sending(store: Store, pair: Pair) -> None:
    assert seqs(store.store(pair.draft(1, "a"), pair.draft(2, "b"))) == [1, 2]
    assert seqs(store.store(pair.draft(2, "c"))) == [3]
    stored = [(row.seq, row.client_id, row.sender_id) for row in store.messages(pair)]
    assert stored == [(1, "a", pair.one), (2, "b", pair.other), (3, "c", pair.other)]


def test_each_conversation_counts_for_itself(store: Store, pair: Pair) -> None:
    others = store.introduce("carl", "dora")
    drafts = [pair.draft(1, "a"), others.draft(1, "a"), pair.draft(1, "b"), others.draft(2, "b")]
    assert seqs(store.store(*drafts)) == [1, 1, 2, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 43, 128, 171, 300])
def test_a_batch_of_any_size_is_stored_whole(store: Store, pair: Pair, count: int) -> None:
    drafts = [pair.draft(1 + n % 2, f"id-{n}", f"text {n}") for n in range(count)]
    assert seqs(store.store(*drafts)) == list(range(1, count + 1))
    assert [(row.client_id, row.content) for row in store.messages(pair)] == [
        (draft.client_id, draft.content) for draft in drafts
    ]


def test_more_messages_than_a_batch_holds_take_several(store: Store, pair: Pair) -> None:
    for number in range(2 * MAX_BATCH + 1):
        store.writer.append(pair.draft(1, f"id-{number}"))
    with gevent.Timeout(10):
        while store.writer.depth:
            gevent.sleep(0.001)
    store.settle()
    assert [row.seq for row in store.messages(pair)] == list(range(1, 2 * MAX_BATCH + 2))
    assert max(len(batch.drafts) for batch in store.batches) == MAX_BATCH


def test_a_duplicate_in_the_same_batch_is_stored_once(store: Store, pair: Pair) -> None:
    outcomes = store.store(pair.draft(1, "a"), pair.draft(1, "b"), pair.draft(1, "a"), pair.draft(1, "c"))
    assert seqs(outcomes) == [1, 2, 1, 3]
    assert again(outcomes) == [False, False, True, False]
    assert [row.seq for row in store.messages(pair)] == [1, 2, 3]


def test_a_duplicate_in_a_later_batch_is_answered_as_the_first_was(store: Store, pair: Pair) -> None:
    (first,) = store.store(pair.draft(1, "a"))
    outcomes = store.store(pair.draft(2, "b"), pair.draft(1, "a"), pair.draft(1, "c"))
    assert seqs(outcomes) == [2, 1, 3]
    assert again(outcomes) == [False, True, False]
    repeated = outcomes[1]
    assert isinstance(first, Stored)
    assert isinstance(repeated, Stored)
    assert repeated.created_at == first.created_at


def test_a_duplicate_after_a_restart_is_recognised(tmp_path: Path) -> None:
    with open_store(tmp_path / "chat.db") as before:
        pair = before.introduce()
        before.store(pair.draft(1, "a"))
    with open_store(tmp_path / "chat.db") as after:
        outcomes = after.store(pair.draft(1, "a"), pair.draft(1, "b"))
        assert (seqs(outcomes), again(outcomes)) == ([1, 2], [True, False])


@pytest.mark.parametrize("at_once", [True, False])
def test_another_content_or_person_under_the_same_id_conflicts_and_harms_nothing_beside_it(
    store: Store, pair: Pair, at_once: bool
) -> None:
    first, others = pair.draft(1, "a", "text"), [pair.draft(1, "a", "Text"), pair.draft(2, "a", "text")]
    if at_once:
        outcomes = store.store(first, *others, pair.draft(2, "b"))[1:]
    else:
        store.store(first)
        outcomes = store.store(*others, pair.draft(2, "b"))
    assert seqs(outcomes) == [0, 0, 2]
    assert [(row.client_id, row.content) for row in store.messages(pair)] == [("a", "text"), ("b", "text")]


def test_the_same_id_in_another_conversation_is_another_message(store: Store, pair: Pair) -> None:
    others = store.introduce("carl", "dora")
    store.store(pair.draft(1, "a"))
    assert again(store.store(others.draft(1, "a"))) == [False]


@pytest.mark.parametrize(
    ("draft_of", "expected"),
    [
        (lambda pair: pair.draft(1, "a", "text"), Stored),
        (lambda pair: pair.draft(1, "a", "other"), Conflicting),
        (lambda pair: pair.draft(2, "a", "text"), Conflicting),
        (lambda pair: pair.draft(1, "b", "text"), type(None)),
    ],
)
def test_what_is_stored_under_an_id_can_be_looked_up(
    store: Store, pair: Pair, draft_of: Callable[[Pair], Draft], expected: type[object]
) -> None:
    store.store(pair.draft(1, "a", "text"))
    assert type(store.readers.run(find_stored, draft_of(pair))) is expected


@pytest.mark.parametrize(
    "content",
    [
        "\0",
        "a\0b",
        "🙂👩‍👩‍👧‍👦",
        "שלום \u202e עולם",
        "e\u0301 ≠ é",
        "\ufeff\uffff",
        "' OR 1=1; --",
        '{"a": [1]}',
        " \n\t\r ",
        "x" * 5000,
    ],
)
def test_every_character_survives(store: Store, pair: Pair, content: str) -> None:
    store.store(pair.draft(1, "a", content))
    assert [row.content for row in store.messages(pair)] == [content]
    assert again(store.store(pair.draft(1, "a", content))) == [True]


def test_the_time_of_a_conversation_never_runs_backwards(store: Store, pair: Pair) -> None:
    store.store(pair.draft(1, "a"))
    later = store.conversation(pair).last_message_at + 1000

    put_forward = Conversation.update(last_message_at=later).where(Conversation.id == pair.conversation_id)
    store.writer.write(put_forward.execute)
    store.store(pair.draft(1, "b"))
    assert store.messages(pair)[1].created_at == later
    assert store.conversation(pair).last_message_at == later
