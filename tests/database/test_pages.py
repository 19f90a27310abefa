"""Pages of history, of a search and of the list of conversations, against plain lists in memory."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_server.chat import history
from chat_server.chat.conversations import list_conversations
from chat_server.chat.history import read_backlog, read_history, search
from chat_server.chat.refusals import ConversationNotFoundError, NotAParticipantError
from chat_server.storage.commit import Mark
from tests.database.store import ANN, BOB, EVE, Store, draft

LENGTHS = (0, 1, 7, 40)
FRAME_BYTES = history.FRAME_OVERHEAD_BYTES

limits = st.integers(1, 45)
seqs = st.integers(0, 45)
# Each example only reads, or has a conversation of its own.
quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Talks:
    """Conversations of Ann and Bob and others, by how many messages they have; message n is "n n n …"."""

    store: Store
    ids: dict[int, str]
    people: dict[int, tuple[str, str]]


@pytest.fixture
def talks(store: Store) -> Talks:
    ids, people = {}, {}
    for length in LENGTHS:
        one, other = people[length] = store.newcomers()
        ids[length] = store.start_conversation(one, other)
        store.send(*(draft(ids[length], f"{number} " * number, by=one, to=other) for number in range(1, length + 1)))
    return Talks(store, ids, people)


class TestHistory:
    @quick
    @given(length=st.sampled_from(LENGTHS), limit=limits, offset=seqs)
    def test_skips_the_newest(self, talks: Talks, length: int, limit: int, offset: int) -> None:
        everything = list(range(1, length + 1))
        rest = everything[: max(length - offset, 0)]
        page = talks.store.readers.run(
            read_history, talks.people[length][0], talks.ids[length], limit=limit, offset=offset
        )
        assert [message.seq for message in page.messages] == rest[-limit:]
        assert (page.total, page.has_more) == (length, len(rest) > limit)

    @quick
    @given(length=st.sampled_from(LENGTHS), limit=limits, before=seqs)
    def test_goes_back_from_a_message(self, talks: Talks, length: int, limit: int, before: int) -> None:
        older = [seq for seq in range(1, length + 1) if seq < before]
        page = talks.store.readers.run(
            read_history, talks.people[length][1], talks.ids[length], limit=limit, before=before
        )
        assert [message.seq for message in page.messages] == older[-limit:]
        assert (page.total, page.has_more) == (length, len(older) > limit)

    @quick
    @given(length=st.sampled_from(LENGTHS), limit=limits, after=seqs)
    def test_goes_on_after_a_message(self, talks: Talks, length: int, limit: int, after: int) -> None:
        newer = [seq for seq in range(1, length + 1) if seq > after]
        page = talks.store.readers.run(
            read_history, talks.people[length][0], talks.ids[length], limit=limit, after=after
        )
        assert [message.seq for message in page.messages] == newer[:limit]
        assert (page.total, page.has_more) == (length, len(newer) > limit)

    def test_shows_who_has_got_what(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        anns = [draft(conversation_id) for _ in range(4)]
        store.send(*anns, draft(conversation_id, by=BOB, to=ANN))
        store.writer.raise_delivered(Mark(conversation_id, 2, 3))
        store.writer.raise_read(Mark(conversation_id, 2, 2))
        store.next_batch()
        page = store.readers.run(read_history, ANN, conversation_id, limit=10)
        assert [message.status for message in page.messages] == ["read", "read", "delivered", "sent", "sent"]
        assert [message.sender_username for message in page.messages] == ["ann"] * 4 + ["bob"]
        assert [message.recipient_id for message in page.messages] == [BOB] * 4 + [ANN]
        assert [message.id for message in page.messages][:4] == [one.client_id for one in anns]

    def test_is_for_its_two_people(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        with pytest.raises(NotAParticipantError):
            store.readers.run(read_history, EVE, conversation_id, limit=1)
        with pytest.raises(ConversationNotFoundError):
            store.readers.run(read_history, EVE, "conv-none", limit=1)


def test_a_search_is_for_the_conversations_two_people(store: Store) -> None:
    conversation_id = store.start_conversation()
    with pytest.raises(NotAParticipantError):
        store.readers.run(search, EVE, conversation_id, "x", limit=1, before=None, milliseconds=1)
    with pytest.raises(ConversationNotFoundError):
        store.readers.run(search, EVE, "conv-none", "x", limit=1, before=None, milliseconds=1)


@quick
@given(after=seqs, upto=seqs, max_bytes=st.integers(1, 20_000))
def test_a_backlog_is_what_fits_and_one_at_least(talks: Talks, after: int, upto: int, max_bytes: int) -> None:
    length = max(LENGTHS)
    expected: list[int] = []
    size = 0
    for seq in range(after + 1, min(upto, length) + 1):
        size += len(f"{seq} ") * seq + FRAME_BYTES
        if expected and size > max_bytes:
            break
        expected.append(seq)
    found = talks.store.readers.run(
        read_backlog, talks.people[length][1], talks.ids[length], after=after, upto=upto, max_bytes=max_bytes
    )
    assert [message.seq for message in found] == expected


LETTERS = st.text("aAbBäÄ%_.*\\\0 ", min_size=1, max_size=6)


@quick
@given(
    contents=st.lists(LETTERS, max_size=12),
    text=st.text("aAbBäÄ%_.*\\\0", min_size=1, max_size=2),
    limit=st.integers(1, 5),
    chunk=st.integers(1, 5),
    late=st.booleans(),
)
def test_a_search_finds_every_match_once_whatever_its_pages(
    store: Store, *, contents: list[str], text: str, limit: int, chunk: int, late: bool
) -> None:
    one, other = store.newcomers()
    conversation_id = store.start_conversation(one, other)
    store.send(*(draft(conversation_id, content, by=one, to=other) for content in contents))
    matching = [seq for seq, content in enumerate(contents, start=1) if text.lower() in content.lower()]
    found: list[int] = []
    covered = len(contents) + 1
    before, has_more = None, True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "SEARCH_CHUNK", chunk)
        while has_more:
            page = store.readers.run(
                search, other, conversation_id, text, limit=limit, before=before, milliseconds=-1 if late else 10_000
            )
            found += [match.message.seq for match in page.matches]
            assert found == [seq for seq in reversed(matching) if seq >= page.searched_to_seq]
            assert len(page.matches) <= limit
            assert page.searched_to_seq < covered or not contents
            if late:  # it stops at its first look at the time
                assert covered - page.searched_to_seq <= chunk or not contents
            covered = before = page.searched_to_seq
            has_more = page.has_more
    assert covered == 1
    assert found == matching[::-1]


@quick
@given(start=st.integers(0, 100), rest=st.integers(0, 100))
def test_a_match_is_shown_with_forty_characters_on_either_side(store: Store, start: int, rest: int) -> None:
    one, other = store.newcomers()
    conversation_id = store.start_conversation(one, other)
    content = "a" * start + "Needle" + "z" * rest
    store.send(draft(conversation_id, content, by=one, to=other))
    page = store.readers.run(search, one, conversation_id, "nEEDLE", limit=1, before=None, milliseconds=10_000)
    left = "…" + "a" * 40 if start > 40 else "a" * start
    right = "z" * 40 + "…" if rest > 40 else "z" * rest
    assert [match.context for match in page.matches] == [f"{left}Needle{right}"]


class TestListOfConversations:
    @pytest.fixture
    def newest_first(self, store: Store) -> list[str]:
        """The ids of the twelve conversations Ann has, of which some were last active at the same time."""
        began = store.clock.now
        active: list[tuple[int, str]] = []
        for number, later in enumerate((5, 1, 5, 3, 3, 3, 9, 0, 2, 5, 7, 7)):
            store.sign_up(partner := f"user-partner{number}")
            store.clock.now = began
            conversation_id = store.start_conversation(ANN, partner)
            store.clock.now = began + later
            if later:
                store.send(draft(conversation_id, to=partner))
            active.append((later, conversation_id))
        store.start_conversation(BOB, EVE)
        return [conversation_id for _, conversation_id in sorted(active, reverse=True)]

    @quick
    @given(limit=st.integers(1, 14), offset=st.integers(0, 14))
    def test_skips_the_newest(self, store: Store, newest_first: list[str], limit: int, offset: int) -> None:
        page = store.readers.run(list_conversations, ANN, limit, offset, None)
        assert [item.conversation_id for item in page.items] == newest_first[offset : offset + limit]
        assert (page.total, page.has_more) == (12, offset + limit < 12)

    @quick
    @given(limit=st.integers(1, 14))
    def test_by_cursor_shows_each_once(self, store: Store, newest_first: list[str], limit: int) -> None:
        shown: list[str] = []
        cursor, has_more = None, True
        while has_more:
            page = store.readers.run(list_conversations, ANN, limit, 0, cursor)
            shown += [item.conversation_id for item in page.items]
            cursor, has_more = page.next_cursor, page.has_more
            assert (cursor is not None) == has_more
        assert shown == newest_first

    def test_by_cursor_is_not_shifted_by_new_messages(self, store: Store) -> None:
        ids = []
        for number in range(6):
            store.sign_up(partner := f"user-partner{number}")
            ids.append(store.start_conversation(ANN, partner))
            store.clock.now += 1000
        first = store.readers.run(list_conversations, ANN, 3, 0, None)
        store.send(draft(ids[0], to="user-partner0"))  # which was to come last
        second = store.readers.run(list_conversations, ANN, 3, 0, first.next_cursor)
        assert [item.conversation_id for item in first.items] == [ids[5], ids[4], ids[3]]
        assert [item.conversation_id for item in second.items] == [ids[2], ids[1]]
        assert not second.has_more

    def test_shows_each_side_its_own_figures(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        store.send(*(draft(conversation_id, f"from Ann {number}") for number in range(5)))
        store.writer.raise_delivered(Mark(conversation_id, 2, 4))
        store.writer.raise_read(Mark(conversation_id, 2, 2))
        store.next_batch()
        (anns,) = store.readers.run(list_conversations, ANN, 10, 0, None).items
        (bobs,) = store.readers.run(list_conversations, BOB, 10, 0, None).items
        assert (anns.participant_id, anns.unread_count) == (BOB, 0)
        assert (anns.delivered_seq, anns.read_seq, anns.my_read_seq) == (4, 2, 0)
        assert (bobs.participant_id, bobs.unread_count, bobs.my_read_seq) == (ANN, 3, 2)
        assert {(item.last_message, item.last_seq) for item in (anns, bobs)} == {("from Ann 4", 5)}
        assert store.readers.run(list_conversations, EVE, 10, 0, None).total == 0
