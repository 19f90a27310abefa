"""What is in a database file, and how it gets there, without a server."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

_PEOPLE = "INSERT INTO users (id, username, created_at) VALUES ('user-a', 'ann', 1), ('user-b', 'bob', 1)"
_CONVERSATION = (
    "INSERT INTO conversations (id, user1_id, user2_id, created_at, last_message_at)"
    " VALUES ('conv-1', 'user-a', 'user-b', 1, 1)"
)
_MESSAGE = (
    "INSERT INTO messages (conversation_id, seq, client_id, sender_id, content, created_at)"
    " SELECT 'conv-1', ifnull(max(seq), 0) + 1, ?1, 'user-a', ?1, 1 FROM messages"
)

# Adds a message and ends as a crash does: the log stays.
_CRASH = (
    "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2], [sys.stdin.read()]);"
    "c.commit(); os._exit(0)"
)


def begin(database: Path) -> None:
    """Two people and their conversation."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(_PEOPLE)
        connection.execute(_CONVERSATION)


def add(database: Path, *contents: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(_MESSAGE, [(content,) for content in contents])


def add_and_crash(database: Path, content: str) -> None:
    """The message is in the log alone, which lies beside the database afterwards."""
    command = [sys.executable, "-c", _CRASH, str(database), _MESSAGE]
    subprocess.run(command, input=content, text=True, check=True)
    assert content[:1000].encode() in Path(f"{database}-wal").read_bytes()


def messages(database: Path) -> list[str]:
    """The messages' contents, in order, of a database that is whole."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [content for (content,) in connection.execute("SELECT content FROM messages ORDER BY seq")]


def damage(database: Path) -> None:
    """Overwrites part of a table's content: SQLite opens it, and its check finds out."""
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)
