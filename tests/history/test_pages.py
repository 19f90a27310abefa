"""Every way of paging through a conversation, against the whole of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.chat.history import HistoryPage, read_backlog, read_history
from chat_server.chat.refusals import ConversationNotFoundError, NotAParticipantError
from chat_server.storage.models import User
from tests.storage.store import Pair, Store, open_store

TOTAL = 25
MY_DELIVERED, MY_READ = 20, 10

limits = st.integers(1, TOTAL + 5)
places = st.integers(0, TOTAL + 5)

Read = Callable[..., HistoryPage]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as directory, open_store(Path(directory) / "chat.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def pair(store: Store) -> Pair:
    """Of every three messages the first is theirs."""
    made = store.introduce()
    store.store(*(made.draft(2 if seq % 3 == 1 else 1, f"id-{seq}", f"text {seq}") for seq in range(1, TOTAL + 1)))
    store.raise_delivered(made, 1, MY_DELIVERED)
    store.raise_read(made, 1, MY_READ)
    return made


@pytest.fixture(scope="module")
def read(store: Store, pair: Pair) -> Read:
    """A page of the first person's."""

    def page(limit: int, **span: int) -> HistoryPage:
        return store.readers.run(read_history, pair.one, pair.conversation_id, limit=limit, **span)

    return page


def seqs(page: HistoryPage) -> list[int]:
    assert page.total == TOTAL
    return [message.seq for message in page.messages]


@given(limit=limits, offset=places)
def test_by_offset_the_newest_are_skipped(read: Read, limit: int, offset: int) -> None:
    page = read(limit=limit, offset=offset)
    remaining = list(range(1, TOTAL + 1))[: max(TOTAL - offset, 0)]
    assert seqs(page) == remaining[-limit:]
    assert page.has_more == (len(remaining) > limit)


@given(limit=limits, before=places)
def test_before_a_seq_come_the_nearest_older(read: Read, limit: int, before: int) -> None:
    page = read(limit=limit, before=before)
    older = [seq for seq in range(1, TOTAL + 1) if seq < before]
    assert seqs(page) == older[-limit:]
    assert page.has_more == (len(older) > limit)


@given(limit=limits, after=places)
def test_after_a_seq_come_the_nearest_newer(read: Read, limit: int, after: int) -> None:
    page = read(limit=limit, after=after)
    newer = [seq for seq in range(1, TOTAL + 1) if seq > after]
    assert seqs(page) == newer[:limit]
    assert page.has_more == (len(newer) > limit)


@pytest.mark.parametrize("span", [{"offset": 2**80}, {"before": 2**80}, {"after": 2**80}])
def test_no_number_is_too_large(read: Read, span: dict[str, int]) -> None:
    assert len(read(limit=5, **span).messages) == (5 if "before" in span else 0)


@given(after=st.integers(0, TOTAL - 1), span=st.integers(1, TOTAL), size=st.integers(1, 4000))
def test_a_backlog_page_is_full_but_not_beyond_its_bytes(
    store: Store, pair: Pair, after: int, span: int, size: int
) -> None:
    upto = min(after + span, TOTAL)
    page = store.readers.run(read_backlog, pair.one, pair.conversation_id, after=after, upto=upto, max_bytes=size)
    assert [message.seq for message in page] == list(range(after + 1, after + len(page) + 1))
    assert page[-1].seq <= upto
    per_message = 300 + len(b"text 1")
    assert len(page) == 1 or len(page) * per_message <= size
    assert page[-1].seq == upto or (len(page) + 1) * (per_message + 1) > size


def test_who_sent_what_to_whom_and_how_far_it_got(read: Read, pair: Pair) -> None:
    """Theirs are as far as I am, mine as far as they are, who have got nothing yet but what they sent."""
    people = {pair.one: ("anna", pair.other), pair.other: ("ben", pair.one)}
    for message in read(limit=TOTAL).messages:
        assert message.sender_id == (pair.other if message.seq % 3 == 1 else pair.one)
        assert (message.sender_username, message.recipient_id) == people[message.sender_id]
        assert (message.id, message.content) == (f"id-{message.seq}", f"text {message.seq}")
        mine = "read" if message.seq <= MY_READ else "delivered" if message.seq <= MY_DELIVERED else "sent"
        assert message.status == (mine if message.sender_id == pair.other else "sent")


def test_strangers_and_unknown_conversations_are_refused(store: Store, pair: Pair) -> None:
    with pytest.raises(NotAParticipantError):
        store.readers.run(read_history, "user-carl", pair.conversation_id, limit=1)
    with pytest.raises(ConversationNotFoundError):
        store.readers.run(read_history, pair.one, "conv-unknown", limit=1)


def test_a_deleted_persons_messages_stay_under_no_name(store: Store) -> None:
    talk = store.introduce("carl", "dora")
    store.store(talk.draft(1, "a"), talk.draft(2, "b"))
    store.writer.write(User.update(deleted_at=5).where(User.id == talk.other).execute)
    page = store.readers.run(read_history, talk.one, talk.conversation_id, limit=2)
    assert [message.sender_username for message in page.messages] == ["carl", "Deleted User"]
    assert [message.sender_id for message in page.messages] == [talk.one, talk.other]


def test_walking_back_meets_each_message_once_though_new_ones_come(store: Store) -> None:
    talk = store.introduce("emma", "fred")
    store.store(*(talk.draft(1, f"id-{number}") for number in range(20)))
    met: list[int] = []
    before = None
    while before != 1:
        page = store.readers.run(read_history, talk.one, talk.conversation_id, limit=3, before=before)
        met = [message.seq for message in page.messages] + met
        before = met[0]
        store.store(talk.draft(2, f"new-{before}"))
    assert met == list(range(1, 21))
