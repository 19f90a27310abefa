"""A batch that can't be made durable: everybody concerned hears so, nothing of it stays, and the next may work."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from chat_server.storage import writer
from chat_server.storage.commit import Mark, Stored
from chat_server.storage.errors import StorageUnavailableError
from chat_server.storage.models import User, WriteProbe
from tests.database.store import Store, draft, file_size_limit, open_store

Trouble = Callable[[Store], AbstractContextManager[str]]


@contextmanager
def a_failing_disk(store: Store) -> Iterator[str]:
    """It takes no writes."""
    with file_size_limit(0):
        yield "disk I/O error"


@contextmanager
def a_busy_database(store: Store) -> Iterator[str]:
    """Another program holds it for longer than the writer waits."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as outside:
        outside.execute("BEGIN IMMEDIATE")
        yield "database is locked"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, busy_timeout_seconds=0.1) as opened:
        yield opened


@pytest.fixture(params=[a_failing_disk, a_busy_database])
def trouble(request: pytest.FixtureRequest) -> Trouble:
    chosen: Trouble = request.param
    return chosen


def use_no_more_pages(store: Store) -> None:
    """The database is full from now on, until the writer opens another connection. Runs in the writer."""
    pages = store.database.execute_sql("PRAGMA page_count").fetchone()[0]
    store.database.execute_sql(f"PRAGMA max_page_count = {pages}")


def probe() -> int:
    return int(WriteProbe.update(probed_at=WriteProbe.probed_at + 1).execute())


def test_operations_hear_of_it_and_the_next_succeed(store: Store, trouble: Trouble) -> None:
    with trouble(store) as cause, pytest.raises(StorageUnavailableError, match=cause):
        store.sign_up("user-zoe")
    assert store.readers.run(User.select().count) == 3
    store.sign_up("user-zoe")
    assert store.readers.run(User.select().count) == 4


def test_drafts_hear_of_it_and_can_be_sent_again(store: Store, trouble: Trouble) -> None:
    conversation_id = store.start_conversation()
    drafts = [draft(conversation_id, "x" * 5000) for _ in range(3)]
    with trouble(store) as cause:
        for one in drafts:
            store.writer.append(one)
        batch = store.next_batch()
    assert cause in str(batch.failure)
    assert (batch.drafts, batch.outcomes) == (drafts, [])
    assert store.conversation(conversation_id).last_seq == 0
    assert [(outcome.draft, outcome.seq) for outcome in store.send(*drafts) if isinstance(outcome, Stored)] == [
        (one, seq) for seq, one in enumerate(drafts, start=1)
    ]
    assert [seq for seq, _ in store.contents(conversation_id)] == [1, 2, 3]


def test_watermarks_go_with_the_next_batch(store: Store, trouble: Trouble) -> None:
    conversation_id = store.start_conversation()
    store.send(*(draft(conversation_id) for _ in range(5)))
    with trouble(store):
        store.writer.raise_delivered(Mark(conversation_id, 2, 4))
        store.writer.raise_read(Mark(conversation_id, 2, 3))
        batch = store.next_batch()
        assert batch.failure is not None
    store.writer.raise_delivered(Mark(conversation_id, 2, 2))  # which is behind what failed
    batch = store.next_batch()
    assert [mark.seq for mark in batch.delivered] == [4]
    assert [mark.seq for mark in batch.read] == [3]
    row = store.conversation(conversation_id)
    assert (row.user2_delivered_seq, row.user2_read_seq, row.user2_unread) == (4, 3, 2)


def test_a_full_database_is_named_and_concerns_the_whole_batch(store: Store) -> None:
    def fill() -> None:
        use_no_more_pages(store)
        for number in range(100):
            User.create(id=f"user-{number}", username=f"n{number}" + "x" * 1000, created_at=1)

    conversation_id = store.start_conversation()
    store.writer.append(draft(conversation_id))
    with pytest.raises(StorageUnavailableError, match=r"^database or disk is full$"):
        store.writer.write(fill)
    assert str(store.next_batch().failure) == "database or disk is full"
    assert store.contents(conversation_id) == []
    assert store.readers.run(User.select().count) == 3
    store.send(draft(conversation_id))
    assert store.contents(conversation_id) == [(1, "hello")]


def test_the_writer_says_since_when_and_until_when(
    store: Store, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.writer.failing == ""
    with trouble(store) as cause:
        for _ in range(3):
            with pytest.raises(StorageUnavailableError):
                store.writer.write(probe)
        assert cause in store.writer.failing
    with caplog.at_level(logging.INFO, "chat_server.storage"):
        store.writer.write(User.get_by_id, "user-ann")
        assert cause in store.writer.failing  # nothing was written, so nothing is proved
        store.writer.write(probe)
        assert store.writer.failing == ""
        store.writer.write(probe)
    told = [record.msg for record in caplog.records]
    assert told == ["database cannot be written", "database can be written again"]


def test_after_it_everything_counts_as_changed_outside(store: Store, trouble: Trouble) -> None:
    conversation_id = store.start_conversation()
    with trouble(store), pytest.raises(StorageUnavailableError):
        store.writer.write(probe)
    store.writer.append(draft(conversation_id))
    assert store.next_batch().changed_outside


def test_the_server_can_be_stopped_during_it(path: Path, trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHECKPOINT_PATIENCE_MS", 200)
    with open_store(path, busy_timeout_seconds=0.1) as store:
        conversation_id = store.start_conversation()
        store.send(draft(conversation_id))
        with trouble(store):
            store.writer.append(draft(conversation_id, "x" * 5000))
            assert store.next_batch().failure is not None
            store.readers.close()
            store.writer.stop()
    with closing(sqlite3.connect(path)) as outside:
        assert outside.execute("SELECT content FROM messages").fetchall() == [("hello",)]
