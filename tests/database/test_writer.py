"""The one writer: what it has told is on disk, in order, and what fails concerns nobody else."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import gevent
import pytest
from peewee import IntegrityError

from chat_server.storage import writer as writer_module
from chat_server.storage.commit import Conflicting, Mark, Stored
from chat_server.storage.database import connect
from chat_server.storage.errors import StorageUnavailableError
from chat_server.storage.models import User
from chat_server.storage.writer import Batch, Writer
from tests.database.store import ANN, BOB, EVE, PATIENCE_SECONDS, Store, draft, let_the_hub_run, open_store

HELD_SECONDS = 0.5


class RefusedError(Exception):
    pass


def sign_up_and_fail(user_id: str) -> None:
    User.create(id=user_id, username=user_id, created_at=1)
    raise RefusedError(user_id)


def names(store: Store) -> list[str]:
    return sorted(row.username for row in store.readers.run(list, User.select()))


@contextmanager
def held(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program is in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as outside:
        outside.execute("BEGIN IMMEDIATE")
        yield outside


def outside_count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as outside:
        return int(outside.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


class TestOperations:
    def test_give_their_result_once_others_can_see_it(self, store: Store) -> None:
        made = store.writer.write(User.create, id="user-zoe", username="zoe", created_at=1)
        assert made.username == "zoe"
        assert outside_count(store.path, "users") == 4

    def test_that_raise_undo_only_what_they_did(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        started: list[gevent.Greenlet[..., None]] = [
            gevent.spawn(store.writer.append, draft(conversation_id)),
            gevent.spawn(store.sign_up, "user-zoe"),
            gevent.spawn(store.writer.write, sign_up_and_fail, "user-ugo"),
            gevent.spawn(store.sign_up, "user-ann"),  # there already
            gevent.spawn(store.sign_up, "user-yan"),
        ]
        gevent.joinall(started, timeout=PATIENCE_SECONDS)
        batch = store.next_batch()
        assert len(batch.operations) == 4
        assert batch.failure is None
        failures = [type(greenlet.exception) for greenlet in started if greenlet.exception]
        assert failures == [RefusedError, IntegrityError]
        assert names(store) == ["ann", "bob", "eve", "yan", "zoe"]
        assert store.contents(conversation_id) == [(1, "hello")]
        assert store.writer.failing == ""

    def test_run_in_the_order_they_were_asked_for(self, store: Store) -> None:
        done: list[int] = []
        started = [gevent.spawn(store.writer.write, done.append, number) for number in range(50)]
        gevent.joinall(started, timeout=PATIENCE_SECONDS, raise_error=True)
        assert done == list(range(50))


class TestBatches:
    def test_are_bounded_and_keep_the_order(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer_module, "MAX_BATCH", 8)
        conversations = [store.start_conversation(), store.start_conversation(ANN, EVE)]
        drafts = [draft(conversations[number % 2], str(number), to=(BOB, EVE)[number % 2]) for number in range(50)]
        sizes = []
        for one in drafts:
            store.writer.append(one)
        outcomes: list[Stored | Conflicting] = []
        while len(outcomes) < len(drafts):
            batch = store.next_batch()
            sizes.append(len(batch.drafts))
            outcomes += batch.outcomes
        assert sizes == [8] * 6 + [2]
        assert [outcome.draft for outcome in outcomes] == drafts
        for start, conversation_id in enumerate(conversations):
            expected = [(seq, str(number)) for seq, number in enumerate(range(start, 50, 2), start=1)]
            assert store.contents(conversation_id) == expected

    def test_are_waited_for_by_watermarks_for_a_moment_only(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        store.writer.append(draft(conversation_id, "1"))
        store.next_batch()
        store.writer.raise_delivered(Mark(conversation_id, 2, 1))
        let_the_hub_run(0.001)
        store.writer.append(draft(conversation_id, "2"))
        together = store.next_batch()
        assert (len(together.drafts), len(together.delivered)) == (1, 1)
        store.writer.raise_delivered(Mark(conversation_id, 2, 2))
        alone = store.next_batch()
        assert (len(alone.drafts), len(alone.delivered)) == (0, 1)

    def test_hold_what_came_while_the_one_before_was_written(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        with held(store.path) as outside:
            drafts = [draft(conversation_id, str(number)) for number in range(20)]
            for one in drafts:
                store.writer.append(one)
                let_the_hub_run(0.002)
            assert store.writer.depth == 19
            outside.execute("COMMIT")
        assert [len(store.next_batch().drafts) for _ in range(2)] == [1, 19]
        assert store.writer.depth == 0

    def test_go_on_when_releasing_one_fails(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        released: list[int] = []

        def release(batch: Batch) -> None:
            released.append(len(batch.operations))
            raise RefusedError

        database = connect(store.path)
        writer = Writer(database, clock=store.clock)
        writer.start(release)
        for number in range(2):
            writer.write(User.create, id=f"user-{number}", username=f"name{number}", created_at=1)
        writer.stop()
        assert released == [1, 1]
        assert [record.msg for record in caplog.records] == ["releasing a batch failed"] * 2
        assert outside_count(store.path, "users") == 5

    def test_keep_only_the_highest_watermark_with_all_it_covers(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        store.send(*(draft(conversation_id, client_id=f"m{number}") for number in range(1, 4)))
        with held(store.path):
            gevent.spawn(store.sign_up, "user-zoe")
            let_the_hub_run(0.05)  # the writer waits for the database, and what comes now for the writer
            for seq, received_seq in ((1, 1), (3, 0), (2, 2)):
                store.writer.raise_delivered(
                    Mark(conversation_id, 2, seq, received_seq, f"m{received_seq}" if received_seq else "")
                )
        (mark,) = store.next_batch().delivered
        assert (mark.seq, mark.received_seq, mark.message_id) == (3, 2, "m2")
        assert store.conversation(conversation_id).user2_delivered_seq == 3


class TestAnotherProgram:
    def test_that_holds_the_database_makes_writes_wait_and_nothing_else(self, store: Store) -> None:
        conversation_id = store.start_conversation()
        with held(store.path) as outside:
            writing = gevent.spawn(store.sign_up, "user-zoe")
            store.writer.append(draft(conversation_id))
            began = time.monotonic()
            while time.monotonic() < began + HELD_SECONDS:
                assert names(store) == ["ann", "bob", "eve"]
                let_the_hub_run(0.01)
            assert not writing.ready()
            outside.execute("COMMIT")
        writing.get(timeout=PATIENCE_SECONDS)
        assert store.next_batch().failure is None
        assert names(store) == ["ann", "bob", "eve", "zoe"]
        assert store.contents(conversation_id) == [(1, "hello")]

    def test_that_has_written_is_noticed_once(self, store: Store) -> None:
        def notices() -> bool:
            store.writer.append(draft(conversation_id))
            return store.next_batch().changed_outside

        conversation_id = store.start_conversation()
        assert [notices() for _ in range(2)] == [False, False]
        with closing(sqlite3.connect(store.path)) as outside, outside:
            outside.execute("SELECT count(*) FROM users").fetchone()
            assert notices() is False
            outside.execute("UPDATE users SET last_seen_at = 1")
        assert [notices() for _ in range(2)] == [True, False]

    def test_is_noticed_by_a_look_that_locks_nothing(self, store: Store) -> None:
        def looks() -> Batch:
            store.writer.look()
            return store.batches.get(timeout=PATIENCE_SECONDS)

        store.settle()
        with held(store.path) as outside:
            assert not looks().changed_outside
            outside.execute("UPDATE users SET last_seen_at = 1")
            outside.execute("COMMIT")
            batch = looks()
        assert (batch.changed_outside, batch.empty, batch.failure) == (True, True, None)
        assert not looks().changed_outside


class TestStopping:
    def test_commits_what_is_queued_and_folds_the_wal_away(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer_module, "MAX_BATCH", 8)
        with open_store(path) as store:
            conversation_id = store.start_conversation()
            for number in range(20):
                store.writer.append(draft(conversation_id, str(number)))
            writing = gevent.spawn(store.sign_up, "user-zoe")
            let_the_hub_run()
            store.readers.close()
            store.writer.stop()
            writing.get(timeout=PATIENCE_SECONDS)
            assert sum(len(batch.outcomes) for batch in store.batches.queue) == 20
            assert list(path.parent.iterdir()) == [path]
        assert outside_count(path, "messages") == 20
        assert outside_count(path, "users") == 4

    def test_leaves_no_wal_to_whoever_else_has_the_database_open(self, store: Store) -> None:
        with closing(sqlite3.connect(store.path)) as outside:
            outside.execute("SELECT count(*) FROM users").fetchone()
            store.readers.close()
            store.writer.stop()
            assert Path(f"{store.path}-wal").stat().st_size == 0

    def test_refuses_whoever_comes_later(self, store: Store) -> None:
        store.readers.close()
        store.writer.stop()
        with pytest.raises(StorageUnavailableError, match="the server has stopped"):
            store.sign_up("user-zoe")
        assert outside_count(store.path, "users") == 3

    def test_without_having_begun_closes_the_database(self, store: Store) -> None:
        database = connect(store.path)
        writer = Writer(database, clock=store.clock)
        writer.stop()

    def test_waits_only_so_long_for_another_program(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with open_store(path, busy_timeout_seconds=2) as store:
            store.readers.close()
            with held(path), caplog.at_level(logging.WARNING):
                writing = gevent.spawn(store.sign_up, "user-zoe")
                let_the_hub_run()
                began = time.monotonic()
                store.writer.stop(patience_seconds=0.2)
                assert 0.2 <= time.monotonic() - began < 1
                assert not writing.ready()
            assert [record.msg for record in caplog.records] == [
                "another program holds the database: stopped without folding the WAL into it"
            ]

    def test_waits_only_so_long_for_who_still_reads_the_wal(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(writer_module, "CHECKPOINT_PATIENCE_MS", 200)
        with open_store(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as outside:
            outside.execute("BEGIN")
            outside.execute("SELECT count(*) FROM users").fetchone()
            store.sign_up("user-zoe")
            store.readers.close()
            began = time.monotonic()
            store.writer.stop()
            assert time.monotonic() - began < 1
            assert outside.execute("SELECT count(*) FROM users").fetchone() == (3,)
        assert outside_count(path, "users") == 4
