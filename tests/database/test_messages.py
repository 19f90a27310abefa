"""Messages are numbered without gaps and stored once, however they are batched and however often they are sent."""

from __future__ import annotations

from pathlib import Path

import gevent
import pytest

from chat_server.storage.commit import Conflicting, Draft, Stored, find_stored
from chat_server.storage.writer import MAX_BATCH
from tests.database.store import ANN, BOB, EVE, PATIENCE_SECONDS, Store, draft, open_store


@pytest.fixture
def talk(store: Store) -> str:
    """Ann's and Bob's conversation."""
    return store.start_conversation()


def anns(talk: str, client_id: str, content: str = "text") -> Draft:
    return draft(talk, content, client_id=client_id)


def bobs(talk: str, client_id: str, content: str = "text") -> Draft:
    return draft(talk, content, by=BOB, to=ANN, client_id=client_id)


def seqs(outcomes: list[Stored | Conflicting]) -> list[int]:
    """0 for a conflict."""
    return [outcome.seq if isinstance(outcome, Stored) else 0 for outcome in outcomes]


def again(outcomes: list[Stored | Conflicting]) -> list[bool]:
    return [isinstance(outcome, Stored) and outcome.again for outcome in outcomes]


def test_seqs_count_from_one_in_the_order_of_sending(store: Store, talk: str) -> None:
    assert seqs(store.send(anns(talk, "a", "one"), bobs(talk, "b", "two"))) == [1, 2]
    assert seqs(store.send(bobs(talk, "c", "three"))) == [3]
    assert store.contents(talk) == [(1, "one"), (2, "two"), (3, "three")]


def test_each_conversation_counts_for_itself(store: Store, talk: str) -> None:
    other = store.start_conversation(BOB, EVE)
    drafts = [anns(talk, "a"), draft(other, by=BOB, to=EVE), anns(talk, "b"), draft(other, by=EVE, to=BOB)]
    assert seqs(store.send(*drafts)) == [1, 1, 2, 2]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 43, 128, 171, 300])
def test_a_batch_of_any_size_is_stored_whole(store: Store, talk: str, count: int) -> None:
    outcomes = store.send(*(draft(talk, f"text {number}") for number in range(1, count + 1)))
    assert seqs(outcomes) == list(range(1, count + 1))
    assert store.contents(talk) == [(number, f"text {number}") for number in range(1, count + 1)]


def test_what_a_batch_has_no_room_for_follows_by_itself(store: Store, talk: str) -> None:
    for _ in range(2 * MAX_BATCH + 1):
        store.writer.append(draft(talk))
    with gevent.Timeout(PATIENCE_SECONDS):
        assert [len(store.next_batch().outcomes) for _ in range(3)] == [MAX_BATCH, MAX_BATCH, 1]


def test_a_duplicate_in_the_same_batch_is_stored_once(store: Store, talk: str) -> None:
    outcomes = store.send(anns(talk, "a"), anns(talk, "b"), anns(talk, "a"), anns(talk, "c"))
    assert seqs(outcomes) == [1, 2, 1, 3]
    assert again(outcomes) == [False, False, True, False]
    assert len(store.contents(talk)) == 3


def test_a_duplicate_in_a_later_batch_is_answered_as_the_first_was(store: Store, talk: str) -> None:
    (first,) = store.send(anns(talk, "a"))
    store.clock.now += 1000
    outcomes = store.send(bobs(talk, "b"), anns(talk, "a"), anns(talk, "c"))
    assert seqs(outcomes) == [2, 1, 3]
    assert again(outcomes) == [False, True, False]
    repeated = outcomes[1]
    assert isinstance(first, Stored)
    assert isinstance(repeated, Stored)
    assert repeated.created_at == first.created_at


def test_a_duplicate_after_a_restart_is_recognised(path: Path) -> None:
    with open_store(path) as before:
        talk = before.start_conversation()
        before.send(anns(talk, "a"))
    with open_store(path) as after:
        outcomes = after.send(anns(talk, "a"), anns(talk, "b"))
        assert (seqs(outcomes), again(outcomes)) == ([1, 2], [True, False])


@pytest.mark.parametrize("at_once", [True, False])
def test_another_content_or_person_under_the_same_id_conflicts_and_harms_nothing_beside_it(
    store: Store, talk: str, at_once: bool
) -> None:
    first, others = anns(talk, "a", "text"), [anns(talk, "a", "Text"), bobs(talk, "a", "text"), bobs(talk, "b", "next")]
    outcomes = store.send(first, *others)[1:] if at_once else store.send(first) and store.send(*others)
    assert seqs(outcomes) == [0, 0, 2]
    assert store.contents(talk) == [(1, "text"), (2, "next")]


def test_the_same_id_in_another_conversation_is_another_message(store: Store, talk: str) -> None:
    other = store.start_conversation(BOB, EVE)
    store.send(anns(talk, "a"))
    assert again(store.send(draft(other, by=BOB, to=EVE, client_id="a"))) == [False]


def test_what_is_stored_under_an_id_can_be_looked_up(store: Store, talk: str) -> None:
    def found(wanted: Draft) -> type[object]:
        return type(store.readers.run(find_stored, wanted))

    store.send(anns(talk, "a", "text"))
    assert found(anns(talk, "a", "text")) is Stored
    assert found(anns(talk, "a", "other")) is Conflicting
    assert found(bobs(talk, "a", "text")) is Conflicting
    assert found(anns(talk, "b", "text")) is type(None)
