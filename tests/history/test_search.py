"""Searching a conversation finds what reading all of it would."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.chat import history
from chat_server.chat.history import SearchPage, search
from tests.storage.store import Pair, Store, open_store

PATIENT = 10_000

# Few letters, so that texts often hold one another; and what means something to SQL, GLOB, LIKE and patterns.
texts = st.text("aAbBäÄßжЖ%_*?[]\\.^$ '\"\0😀", min_size=1, max_size=4)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[Store]:
    with open_store(directory / "chat.db") as opened:
        yield opened


_numbers = itertools.count(1)


def converse(store: Store, contents: list[str]) -> Pair:
    number = next(_numbers)
    pair = store.introduce(f"anna{number}", f"ben{number}")
    store.store(*(pair.draft(1, f"id-{seq}", content) for seq, content in enumerate(contents)))
    return pair


def find(
    store: Store, pair: Pair, text: str, *, limit: int = 50, before: int | None = None, milliseconds: int = PATIENT
) -> SearchPage:
    return store.readers.run(
        search, pair.one, pair.conversation_id, text, limit=limit, before=before, milliseconds=milliseconds
    )


def seqs(page: SearchPage) -> list[int]:
    return [match.message.seq for match in page.matches]


@given(contents=st.lists(texts, min_size=1, max_size=12), wanted=texts, limit=st.integers(1, 4))
def test_pages_together_find_every_message_with_the_text_newest_first(
    store: Store, contents: list[str], wanted: str, limit: int
) -> None:
    pair = converse(store, contents)
    pattern = re.compile(re.escape(wanted), re.IGNORECASE)
    expected = [seq for seq in range(len(contents), 0, -1) if pattern.search(contents[seq - 1])]
    found: list[int] = []
    before: int | None = None
    while True:
        page = find(store, pair, wanted, limit=limit, before=before)
        found += seqs(page)
        assert page.has_more == (page.searched_to_seq > 1)
        assert len(page.matches) == limit or not page.has_more
        before = page.searched_to_seq
        if not page.has_more:
            break
    assert found == expected


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("ΟΔΥΣΣΕΥΣ", "Οδυσσευς"),
        ("οδυσσευς", "ΣΕΥΣ"),
        ("İstanbul", "istanbul"),
        ("in İstanbul", "STANBUL"),
        ("ЖЖ", "жж"),
    ],
)
def test_case_does_not_matter_in_any_script(store: Store, content: str, text: str) -> None:
    page = find(store, converse(store, [content]), text)
    assert seqs(page) == [1]


@given(st.text(max_size=30))
def test_no_character_changes_the_place_of_the_others(content: str) -> None:
    assert len(history._folded(content)) == len(content)


def test_the_context_shows_the_match_as_it_was_written_and_what_stands_around_it(store: Store) -> None:
    around = "x" * 50
    pair = converse(
        store, [f"{around}The Word{around}", "the word", f"The Word{around}", f"{around}İthe word", "see the word"]
    )
    contexts = [match.context for match in find(store, pair, "THE WORD").matches]
    assert contexts.pop(0) == "see the word"
    assert contexts == [f"…{'x' * 39}İthe word", f"The Word{'x' * 40}…", "the word", f"…{'x' * 40}The Word{'x' * 40}…"]


def test_out_of_time_it_says_how_far_it_got_and_goes_on_from_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SEARCH_CHUNK", 10)
    pair = converse(store, ["needle"] + ["hay"] * 24)
    first = find(store, pair, "needle", milliseconds=0)
    assert (seqs(first), first.searched_to_seq, first.has_more) == ([], 16, True)
    second = find(store, pair, "needle", milliseconds=0, before=first.searched_to_seq)
    assert (seqs(second), second.searched_to_seq, second.has_more) == ([], 6, True)
    third = find(store, pair, "needle", milliseconds=0, before=second.searched_to_seq)
    assert (seqs(third), third.searched_to_seq, third.has_more) == ([1], 1, False)


@pytest.mark.parametrize(("before", "found"), [(-5, []), (0, []), (1, []), (2, [1]), (2**80, [2, 1])])
def test_it_begins_before_the_seq_it_is_given(store: Store, before: int, found: list[int]) -> None:
    page = find(store, converse(store, ["needle", "needle"]), "needle", before=before)
    assert seqs(page) == found
    assert page.searched_to_seq == 1
    assert not page.has_more
