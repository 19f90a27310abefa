"""Whether a copy of the database, which nobody writes to, is whole, and what it holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from chat_server.storage.database import schema_of
from chat_server.storage.errors import DatabaseUnusableError

TABLES = ("users", "conversations", "messages")  # of every schema


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows by table, deleted accounts included. `broken_references`: rows that refer to none."""

    schema_version: int
    rows: dict[str, int]
    broken_references: int

    def __str__(self) -> str:
        return ", ".join(f"{table}: {self.rows[table]:,}" for table in TABLES)


def examine(copy: Path, *, called: Path) -> Contents:
    """Reads all of it. Nothing appears beside it, and its directory need not be writable.

    Rows that refer to none (somebody changed them by hand) are counted, for no copy can be better than its
    original. Raises DatabaseUnusableError, in which it is `called` so, for a database that is damaged, not ours, or
    of a newer version.
    """
    try:
        with closing(sqlite3.connect(f"{copy.absolute().as_uri()}?immutable=1", uri=True)) as connection:
            return _contents(connection, called)
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusableError(f"{called}: damaged, or no database: {error}") from error


def _contents(connection: sqlite3.Connection, called: Path) -> Contents:
    version = schema_of(connection, called)
    if version == 0:
        raise DatabaseUnusableError(f"{called}: an empty database, not one of chat-server's")
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DatabaseUnusableError(f"{called}: damaged: {' '.join(verdict.split())}")
    rows = count_rows(connection)
    missing = [table for table in TABLES if table not in rows]
    if missing:
        raise DatabaseUnusableError(f"{called}: damaged: there is no table {' or '.join(missing)}")
    return Contents(version, rows, sum(1 for _ in connection.execute("PRAGMA foreign_key_check")))


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows each table has."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {
        name: int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])  # noqa: S608  a table's name
        for (name,) in tables.fetchall()
    }
