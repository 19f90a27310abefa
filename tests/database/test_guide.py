"""The troubleshooting guide's SQL, word for word, on the database of a server that runs and is at rest."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat_server.storage.models import AuthLog, Message, User
from tests.database.store import Store, draft

Ask = Callable[[str], str]


def by_the_shell(path: Path, sql: str) -> str:
    done = subprocess.run(["sqlite3", str(path), sql], check=True, capture_output=True, text=True, timeout=10)
    assert done.stderr == ""
    return done.stdout


def by_the_module(path: Path, sql: str) -> str:
    """What the shell would print."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        rows = connection.execute(sql).fetchall()
    return "".join("|".join("" if value is None else str(value) for value in row) + "\n" for row in rows)


needs_shell = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 shell: apt install sqlite3")


@pytest.fixture(params=[pytest.param(by_the_shell, marks=needs_shell), by_the_module])
def ask(request: pytest.FixtureRequest, store: Store) -> Ask:
    store.readers.run(User.select().count)  # the server's connections are open
    return lambda sql: request.param(store.path, sql)


def test_the_database_is_whole(ask: Ask) -> None:
    assert ask("PRAGMA integrity_check;") == "ok\n"


def test_a_user_is_found_by_name_whatever_its_case(store: Store, ask: Ask) -> None:
    store.writer.write(User.create, id="user-alice", username="Alice", created_at=1)
    assert ask("SELECT username FROM users WHERE username='alice';") == "Alice\n"
    assert ask("SELECT username FROM users WHERE username='nobody';") == ""


def test_deleted_at_tells_who_is_deleted(store: Store, ask: Ask) -> None:
    store.writer.write(User.create, id="user-alice", username="alice", created_at=1)
    assert ask("SELECT deleted_at FROM users WHERE username='alice';") == "\n"
    store.writer.write(User.update(deleted_at=1_700_000_000_000).execute)
    assert ask("SELECT deleted_at FROM users WHERE username='alice';") == "1700000000000\n"


def test_the_manual_reset_clears_one_name_at_once_whatever_its_case(store: Store, ask: Ask) -> None:
    now = round(time.time() * 1000)
    for username in ("alice", "ALICE", "Alice", "alice2", "bob"):
        for at in (now, now - 60_000):
            store.writer.write(AuthLog.create, username=username, address="192.0.2.1", succeeded=0, created_at=at)
    ask("DELETE FROM auth_logs WHERE username='alice' AND created_at < datetime('now', '-15 minutes');")
    left = store.readers.run(list, AuthLog.select(AuthLog.username).distinct())
    assert sorted(row.username for row in left) == ["alice2", "bob"]


def test_a_checkpoint_empties_the_wal_of_a_server_at_rest(store: Store, ask: Ask) -> None:
    store.send(draft(store.start_conversation()))
    assert Path(f"{store.path}-wal").stat().st_size > 0
    assert ask("PRAGMA wal_checkpoint(TRUNCATE);") == "0|0|0\n"
    assert Path(f"{store.path}-wal").stat().st_size == 0
    store.send(draft(store.start_conversation("user-bob", "user-eve"), by="user-bob", to="user-eve"))
    assert store.readers.run(Message.select().count) == 2


def test_the_query_that_is_no_query_at_all_does_nothing(store: Store, ask: Ask) -> None:
    assert ask("PRAGMA query_only = ON;") == ""
    store.send(draft(store.start_conversation()))


def test_a_conversations_messages_are_found_by_the_index(ask: Ask) -> None:
    plan = ask("EXPLAIN QUERY PLAN SELECT * FROM messages WHERE conversation_id='conv-123';")
    assert "USING INDEX idx_messages_conversation_id (conversation_id=?)" in plan


def test_a_real_id_finds_its_messages(store: Store, ask: Ask) -> None:
    conversation_id = store.start_conversation()
    store.send(draft(conversation_id, "one"), draft(conversation_id, "two"))
    found = ask(f"SELECT seq, content FROM messages WHERE conversation_id='{conversation_id}';")
    assert found == "1|one\n2|two\n"


@needs_shell
def test_the_indexes_are_there(store: Store) -> None:
    assert set(by_the_shell(store.path, ".indexes").split()) >= {
        "idx_users_username",
        "idx_conversations_user1_id",
        "idx_conversations_user2_id",
        "idx_messages_conversation_id",
    }
