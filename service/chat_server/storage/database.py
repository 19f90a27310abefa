"""Opening chat.db: pragmas, the schema's version, and the checks that refuse a file we must not touch."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from peewee import DatabaseError, SqliteDatabase

from chat_server.storage.errors import DatabaseUnusableError, first_failure
from chat_server.storage.migrations import VERSIONS
from chat_server.storage.models import database_proxy
from chat_server.storage.wal import LogNotFoldableError, check_log

APPLICATION_ID = 0x63686174  # "chat", so that `file chat.db` and a restore can tell it from a stranger's

# FULL: a commit returns only when the WAL is on disk. "Acknowledged" rests on this one word.
SYNCHRONOUS = "full"


def connect(path: Path, *, busy_timeout_seconds: float = 30) -> SqliteDatabase:
    """The database with our pragmas, one connection per native thread, bound to the models. Not yet opened."""
    database = SqliteDatabase(
        str(path),
        timeout=busy_timeout_seconds,
        check_same_thread=False,  # connections are closed by the main thread when the server stops
        pragmas=[
            ("journal_mode", "wal"),
            ("synchronous", SYNCHRONOUS),
            ("foreign_keys", 1),
            ("wal_autocheckpoint", 2000),
            ("journal_size_limit", 64 * 1024 * 1024),
            ("cache_size", -16 * 1024),
            ("temp_store", "memory"),
        ],
    )
    database_proxy.initialize(database)
    return database


def prepare(path: Path, *, versions: Sequence[tuple[str, ...]] = VERSIONS) -> int:
    """Makes the database or brings it to the newest schema; gives the version it had before.

    A migration is tried on a copy first, so that one that fails leaves the real file as it was.
    Raises DatabaseUnusableError with one line that names the file and the remedy.
    """
    try:
        return _prepare(path, versions)
    except (DatabaseError, sqlite3.DatabaseError) as error:
        remedy = "check its owner and mode (chat-server, 0600), the disk, and restore a backup if it is damaged"
        raise DatabaseUnusableError(f"{path}: {first_failure(error)}: {remedy}") from error
    except OSError as error:
        remedy = "check that it, and the directory it is in, belong to the service's user"
        raise DatabaseUnusableError(f"{path}: {error.strerror}: {remedy}") from error


def _prepare(path: Path, versions: Sequence[tuple[str, ...]]) -> int:
    if not path.parent.is_dir():
        raise DatabaseUnusableError(f"{path.parent}: no such directory: create it for the service's user, mode 0700")
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # whoever may not write it learns that now
    found = schema_version(path, newest=len(versions))
    if found < len(versions):
        if found > 0:
            _rehearse(path, versions[found:], found)
        database = connect(path)
        try:
            _migrate(database, versions[found:], found)
        finally:
            database.close()
    return found


def schema_version(path: Path, *, newest: int = len(VERSIONS)) -> int:
    """The schema of the database at `path`, 0 for an empty file, found out without changing a stranger's.

    Raises DatabaseUnusableError for one that is not ours, newer than `newest`, or with another's log beside it;
    sqlite3.DatabaseError for one that can't be read.
    """
    try:
        check_log(path)
    except LogNotFoldableError as error:
        raise DatabaseUnusableError(f"{error}: run chat-server checkpoint, which moves the log aside") from error
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        return schema_of(connection, path, newest=newest)


def schema_of(connection: sqlite3.Connection, path: Path, *, newest: int = len(VERSIONS)) -> int:
    """As `schema_version`, of the database that the connection is to; `path` is what a refusal calls it."""
    version, application, tables = (
        int(connection.execute(question).fetchone()[0])
        for question in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_schema")
    )
    if application != APPLICATION_ID and (version or tables):
        raise DatabaseUnusableError(f"{path}: not chat-server's database: name another in [database] path")
    if version > newest:
        raise DatabaseUnusableError(
            f"{path}: written by a newer chat-server (schema {version}, this one knows {newest}): "
            "install that version again, or restore a backup made before the upgrade"
        )
    return version


def _migrate(database: SqliteDatabase, versions: Sequence[tuple[str, ...]], found: int) -> None:
    # Or no table that others refer to could be made anew (SQLite, "ALTER TABLE", section 7).
    database.pragma("foreign_keys", 0)
    with database.atomic("IMMEDIATE"):
        for statements in versions:
            for statement in statements:
                database.execute_sql(statement)
        database.pragma("application_id", APPLICATION_ID)
        database.pragma("user_version", found + len(versions))


def _rehearse(path: Path, versions: Sequence[tuple[str, ...]], found: int) -> None:
    copy_path = path.with_name(path.name + ".rehearsal")
    copy_path.unlink(missing_ok=True)
    copy_path.touch(mode=0o600)
    copy = SqliteDatabase(str(copy_path))
    try:
        with closing(sqlite3.connect(path)) as original:
            original.execute("VACUUM INTO ?", (str(copy_path),))
        _migrate(copy, versions, found)
        broken = copy.execute_sql("PRAGMA integrity_check").fetchone()[0]
        if broken != "ok" or copy.execute_sql("PRAGMA foreign_key_check").fetchone():
            raise DatabaseUnusableError(
                f"{path}: the upgrade of its copy left it inconsistent: report this; nothing was changed"
            )
    finally:
        copy.close()
        copy_path.unlink(missing_ok=True)
