"""A person's list of conversations, as that person sees it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_server.chat.conversations import ConversationItem, InvalidCursorError, list_acquaintances, list_conversations
from chat_server.storage.commit import Mark
from chat_server.storage.models import Block, Conversation, User
from tests.database.store import ANN, BOB, EVE, Store, draft

PARTNERS = 7


@pytest.fixture
def partners(store: Store) -> list[str]:
    """The ids of Ann's conversations, nothing said in them."""
    names = [f"user-{number}" for number in range(PARTNERS)]
    for name in names:
        store.sign_up(name)
    return [store.start_conversation(ANN, name) for name in names]


@pytest.fixture
def talk(store: Store) -> str:
    """Ann has sent Bob two messages; Bob has answered, has got both, and has read one."""
    conversation_id = store.start_conversation()
    store.send(
        draft(conversation_id, "first"),
        draft(conversation_id, "second"),
        draft(conversation_id, "third", by=BOB, to=ANN),
    )
    store.writer.raise_delivered(Mark(conversation_id, 2, 2))
    store.writer.raise_read(Mark(conversation_id, 2, 1))
    store.settle()
    return conversation_id


def set_times(times: dict[str, int]) -> None:
    for conversation_id, time in times.items():
        Conversation.update(last_message_at=time).where(Conversation.id == conversation_id).execute()


def items(store: Store, user_id: str) -> list[ConversationItem]:
    return store.readers.run(list_conversations, user_id, 10, 0, None).items


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.integers(1, 4), min_size=PARTNERS, max_size=PARTNERS),
    limit=st.integers(1, 4),
    stirred=st.lists(st.integers(0, PARTNERS - 1), max_size=4),
)
def test_a_cursor_meets_whatever_stays_as_it_was_once_and_nothing_twice(
    store: Store, partners: list[str], times: list[int], limit: int, stirred: list[int]
) -> None:
    store.writer.write(set_times, dict(zip(partners, times, strict=True)))
    page = store.readers.run(list_conversations, ANN, limit, 0, None)
    walked = [item.conversation_id for item in page.items]
    for number in stirred:
        store.writer.write(set_times, {partners[number]: 100 + number})
    while page.next_cursor is not None:
        page = store.readers.run(list_conversations, ANN, limit, 0, page.next_cursor)
        walked += [item.conversation_id for item in page.items]
    assert len(walked) == len(set(walked))
    assert {name for number, name in enumerate(partners) if number not in stirred} <= set(walked)


@pytest.mark.parametrize(
    "cursor", ["", ":", "x:conv-1", "-1:conv-1", "²:conv-1", "12", "1" * 17 + ":c", "1:" + "c" * 65]
)
def test_a_cursor_that_was_never_given_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidCursorError):
        store.readers.run(list_conversations, ANN, 1, 0, cursor)


def test_each_person_sees_the_others_progress_and_what_they_have_not_read(store: Store, talk: str) -> None:
    time = store.clock.now
    assert items(store, ANN) == [ConversationItem(talk, BOB, "bob", False, "third", time, 3, 1, 2, 1, 0)]
    assert items(store, BOB) == [ConversationItem(talk, ANN, "ann", False, "third", time, 3, 1, 2, 0, 1)]


def test_what_was_read_counts_as_delivered(store: Store, talk: str) -> None:
    store.writer.raise_read(Mark(talk, 2, 3))
    store.settle()
    (item,) = items(store, ANN)
    assert (item.delivered_seq, item.read_seq) == (3, 3)


def test_an_empty_conversation_has_no_last_message_nor_a_time_of_it(store: Store, partners: list[str]) -> None:
    item = items(store, ANN)[0]
    assert (item.last_message, item.last_message_at, item.last_seq, item.unread_count) == (None, None, 0, 0)


def test_a_block_hides_the_blockers_presence_from_the_blocked_only(store: Store, talk: str) -> None:
    store.writer.write(Block.create, blocker_id=ANN, blocked_id=BOB, created_at=1)
    (anns,), (bobs,) = items(store, ANN), items(store, BOB)
    assert (anns.hides_presence, bobs.hides_presence) == (False, True)
    (anns_side,), (bobs_side,) = (store.readers.run(list_acquaintances, user_id) for user_id in (ANN, BOB))
    assert (anns_side.shown_to, bobs_side.shown_to) == (False, True)


def test_a_deleted_partner_has_no_name(store: Store, talk: str) -> None:
    store.writer.write(User.update(deleted_at=5).where(User.id == BOB).execute)
    (item,) = items(store, ANN)
    assert (item.participant_id, item.participant_username) == (BOB, "Deleted User")


def test_on_connecting_one_meets_every_conversation_with_ones_own_watermark(store: Store, talk: str) -> None:
    (anns,), (bobs,) = (store.readers.run(list_acquaintances, user_id) for user_id in (ANN, BOB))
    assert (anns.side, anns.partner_id, anns.delivered_seq, anns.last_seq) == (1, BOB, 2, 3)
    assert (bobs.side, bobs.partner_id, bobs.delivered_seq, bobs.last_seq) == (2, ANN, 2, 3)
    assert store.readers.run(list_acquaintances, EVE) == []


def test_on_connecting_the_newest_activity_comes_first(store: Store, partners: list[str]) -> None:
    store.writer.write(set_times, {name: PARTNERS - number for number, name in enumerate(partners)})
    acquaintances = store.readers.run(list_acquaintances, ANN)
    assert [one.conversation_id for one in acquaintances] == partners
