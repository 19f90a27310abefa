"""Searching a conversation: any script, any case, and how far it has got."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.chat import history
from chat_server.chat.history import SearchPage, search
from tests.database.store import ANN, Store, draft

PATIENT = 10_000


def find(
    store: Store, contents: list[str], text: str, *, before: int | None = None, milliseconds: int = PATIENT
) -> SearchPage:
    """The text in a new conversation with these contents."""
    talk = store.start_conversation()
    store.send(*(draft(talk, content) for content in contents))
    return store.readers.run(search, ANN, talk, text, limit=50, before=before, milliseconds=milliseconds)


def seqs(page: SearchPage) -> list[int]:
    return [match.message.seq for match in page.matches]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"),
        ("οδυσσευς", "ΣΕΥΣ"),
        ("İstanbul", "istanbul"),
        ("in İstanbul", "STANBUL"),
        ("ЖЖ", "жж"),
        ("100 %", "0 %"),
        ("a_b", "A_"),
        ("[a-z]*?.\\", "*?.\\"),
        ("a\0b", "\0B"),
        ("שלום 🙂", "ם 🙂"),
    ],
)
def test_case_does_not_matter_in_any_script_and_every_character_is_itself(
    store: Store, content: str, text: str
) -> None:
    assert seqs(find(store, ["nothing of it", content], text)) == [2]


@given(st.text(max_size=30))
def test_no_character_changes_the_place_of_the_others(content: str) -> None:
    assert len(history._folded(content)) == len(content)


def test_the_context_shows_the_match_as_it_was_written(store: Store) -> None:
    page = find(store, ["see The Word", "x" * 50 + "İthe word"], "THE WORD")
    assert [match.context for match in page.matches] == [f"…{'x' * 39}İthe word", "see The Word"]


@pytest.mark.parametrize(("before", "found"), [(-5, []), (0, []), (1, []), (2, [1]), (2**80, [2, 1])])
def test_it_begins_before_the_seq_it_is_given(store: Store, before: int, found: list[int]) -> None:
    page = find(store, ["needle", "needle"], "needle", before=before)
    assert seqs(page) == found
    assert page.searched_to_seq == 1
    assert not page.has_more
