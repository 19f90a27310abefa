"""What is stored is what was sent, character for character, at a time that never goes back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat_server.chat.history import read_history
from chat_server.storage.commit import Conflicting, Stored
from tests.database.store import ANN, BOB, EVE, Store, draft

CONTENTS = {
    "one character": "x",
    "NUL": "before\0after",
    "only NUL": "\0",
    "emoji of several code points": "👩‍👩‍👧‍👦 🇩🇪 👍🏽",
    "right to left": "שלום \u202eabc\u202c مرحبا",
    "the longest": "𝔸" * 5000,
    "combining": "e\u0301 is not \u00e9",
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "line ends": "a\r\nb\rc\u2028d",
    "SQL": "'; DROP TABLE messages; --",
    "blank": " \t\n",
    "like JSON": '["a", {"b": null}]',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_any_content_is_read_as_it_was_sent(store: Store, content: str) -> None:
    conversation_id = store.start_conversation()
    first = draft(conversation_id, content)
    store.send(first)
    page = store.readers.run(read_history, BOB, conversation_id, limit=10)
    assert [message.content for message in page.messages] == [content]
    (again,) = store.send(draft(conversation_id, content, client_id=first.client_id))
    assert isinstance(again, Stored)
    assert again.again
    (other,) = store.send(draft(conversation_id, content + "\0", client_id=first.client_id))
    assert isinstance(other, Conflicting)


# A function's fixture serves all its examples: each has a conversation of its own.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), min_size=1))
def test_many_in_one_batch_are_read_as_they_were_sent(store: Store, contents: list[str]) -> None:
    one, other = store.newcomers()
    conversation_id = store.start_conversation(one, other)
    store.send(*(draft(conversation_id, content, by=one, to=other) for content in contents))
    assert store.contents(conversation_id) == list(enumerate(contents, start=1))


def test_the_time_of_a_message_never_goes_back_when_the_clock_does(store: Store) -> None:
    conversation_id = store.start_conversation()
    began = store.clock.now
    told = []
    for step in (0, +10, -5000, +1, -1, +20_000):
        store.clock.now += step
        for outcome in store.send(draft(conversation_id), draft(conversation_id)):
            assert isinstance(outcome, Stored)
            told.append(outcome.created_at - began)
    assert told == [0, 0, 10, 10, 10, 10, 10, 10, 10, 10, 15010, 15010]
    page = store.readers.run(read_history, ANN, conversation_id, limit=100)
    assert [message.created_at - began for message in page.messages] == told
    assert store.conversation(conversation_id).last_message_at - began == told[-1]


def test_a_clock_that_went_back_concerns_each_conversation_alone(store: Store) -> None:
    early, late = store.start_conversation(), store.start_conversation(ANN, EVE)
    began = store.clock.now
    store.clock.now = began + 1000
    store.send(draft(late, to=EVE))
    store.clock.now = began + 500
    first, second = store.send(draft(early), draft(late, to=EVE))
    assert isinstance(first, Stored)
    assert isinstance(second, Stored)
    assert (first.created_at - began, second.created_at - began) == (500, 1000)
