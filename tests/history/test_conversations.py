"""A person's list of conversations: the newest activity first, each as that person sees it."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.chat.conversations import (
    ConversationItem,
    ConversationPage,
    InvalidCursorError,
    list_acquaintances,
    list_conversations,
    start_conversation,
)
from chat_server.storage.models import Block, Conversation, User
from tests.storage.store import Pair, Store, open_store

PARTNERS = 7

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as directory, open_store(Path(directory) / "chat.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def conversation_ids(store: Store) -> list[str]:
    """Mine with each partner; two of the partners have one of their own."""

    def make() -> list[str]:
        for number in range(PARTNERS):
            User.create(id=f"user-{number}", username=f"partner{number}", created_at=1)
        User.create(id="user-3me", username="me", created_at=1)
        start_conversation("user-1", "user-2", 1)
        return [start_conversation("user-3me", f"user-{number}", 1).conversation_id for number in range(PARTNERS)]

    return store.writer.write(make)


def list_mine(store: Store, limit: int, offset: int = 0, cursor: str | None = None) -> ConversationPage:
    return store.readers.run(list_conversations, "user-3me", limit, offset, cursor)


def set_times(conversation_ids: list[str], times: list[int]) -> None:
    for conversation_id, time in zip(conversation_ids, times, strict=True):
        Conversation.update(last_message_at=time).where(Conversation.id == conversation_id).execute()


def ids(page: ConversationPage) -> list[str]:
    return [item.conversation_id for item in page.items]


times = st.lists(st.integers(1, 4), min_size=PARTNERS, max_size=PARTNERS)


@given(times=times, limit=st.integers(1, PARTNERS + 1), offset=st.integers(0, PARTNERS + 1))
def test_pages_by_offset_and_by_cursor_are_slices_of_one_order(
    store: Store, conversation_ids: list[str], times: list[int], limit: int, offset: int
) -> None:
    store.writer.write(set_times, conversation_ids, times)
    order = [name for _, name in sorted(zip(times, conversation_ids, strict=True), reverse=True)]
    page = list_mine(store, limit, offset)
    assert ids(page) == order[offset : offset + limit]
    assert page.total == PARTNERS
    assert page.has_more == (offset + limit < PARTNERS)
    page = list_mine(store, limit)
    walked = ids(page)
    while page.next_cursor is not None:
        page = list_mine(store, limit, cursor=page.next_cursor)
        walked += ids(page)
    assert walked == order


@given(times=times, limit=st.integers(1, 4), stirred=st.lists(st.integers(0, PARTNERS - 1), max_size=4))
def test_a_cursor_meets_whatever_stays_as_it_was_once_and_nothing_twice(
    store: Store, conversation_ids: list[str], times: list[int], limit: int, stirred: list[int]
) -> None:
    store.writer.write(set_times, conversation_ids, times)
    page = list_mine(store, limit)
    walked = ids(page)
    for number in stirred:
        store.writer.write(set_times, [conversation_ids[number]], [100 + number])
    while page.next_cursor is not None:
        page = list_mine(store, limit, cursor=page.next_cursor)
        walked += ids(page)
    untouched = {name for number, name in enumerate(conversation_ids) if number not in stirred}
    assert len(walked) == len(set(walked))
    assert untouched <= set(walked)


@pytest.mark.parametrize(
    "cursor", ["", ":", "x:conv-1", "-1:conv-1", "²:conv-1", "12", "1" * 17 + ":c", "1:" + "c" * 65]
)
def test_a_cursor_that_was_never_given_is_refused(store: Store, conversation_ids: list[str], cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        list_mine(store, 1, cursor=cursor)


@pytest.fixture
def talk(store: Store) -> Pair:
    """anna, on side 1, has sent two messages; ben one, and has read one and got both of hers."""
    number = next(_numbers)
    pair = store.introduce(f"anna{number}", f"ben{number}")
    store.store(pair.draft(1, "a", "first"), pair.draft(1, "b", "second"), pair.draft(2, "c", "third"))
    store.raise_delivered(pair, 2, 2)
    store.raise_read(pair, 2, 1)
    return pair


def items(store: Store, user_id: str) -> list[ConversationItem]:
    return store.readers.run(list_conversations, user_id, 10, 0, None).items


def test_each_person_sees_the_others_progress_and_what_they_have_not_read(store: Store, talk: Pair) -> None:
    annas, bens = items(store, talk.one), items(store, talk.other)
    time = store.conversation(talk).last_message_at
    anna, ben = talk.one.removeprefix("user-"), talk.other.removeprefix("user-")
    assert annas == [ConversationItem(talk.conversation_id, talk.other, ben, False, "third", time, 3, 1, 2, 1, 0)]
    assert bens == [ConversationItem(talk.conversation_id, talk.one, anna, False, "third", time, 3, 1, 2, 0, 1)]


def test_what_was_read_counts_as_delivered(store: Store, talk: Pair) -> None:
    store.raise_read(talk, 2, 3)
    (item,) = items(store, talk.one)
    assert (item.delivered_seq, item.read_seq) == (3, 3)


def test_an_empty_conversation_has_no_last_message_nor_a_time_of_it(store: Store, conversation_ids: list[str]) -> None:
    item = list_mine(store, 1).items[0]
    assert (item.last_message, item.last_message_at, item.last_seq, item.unread_count) == (None, None, 0, 0)


def test_a_block_hides_the_blockers_presence_from_the_blocked_only(store: Store, talk: Pair) -> None:
    store.writer.write(Block.create, blocker_id=talk.one, blocked_id=talk.other, created_at=1)
    (annas,) = items(store, talk.one)
    (bens,) = items(store, talk.other)
    assert (annas.hides_presence, bens.hides_presence) == (False, True)
    (annas_side,) = store.readers.run(list_acquaintances, talk.one)
    (bens_side,) = store.readers.run(list_acquaintances, talk.other)
    assert (annas_side.shown_to, bens_side.shown_to) == (False, True)


def test_a_deleted_partner_has_no_name(store: Store, talk: Pair) -> None:
    store.writer.write(User.update(deleted_at=5).where(User.id == talk.other).execute)
    (item,) = items(store, talk.one)
    assert (item.participant_id, item.participant_username) == (talk.other, "Deleted User")


def test_on_connecting_one_meets_every_conversation_with_ones_own_watermark(store: Store, talk: Pair) -> None:
    (annas,) = store.readers.run(list_acquaintances, talk.one)
    (bens,) = store.readers.run(list_acquaintances, talk.other)
    assert (annas.side, annas.partner_id, annas.delivered_seq, annas.last_seq) == (1, talk.other, 2, 3)
    assert (bens.side, bens.partner_id, bens.delivered_seq, bens.last_seq) == (2, talk.one, 2, 3)


def test_on_connecting_the_newest_activity_comes_first(store: Store, conversation_ids: list[str]) -> None:
    store.writer.write(set_times, conversation_ids, list(range(PARTNERS, 0, -1)))
    acquaintances = store.readers.run(list_acquaintances, "user-3me")
    assert [one.conversation_id for one in acquaintances] == conversation_ids
