"""The database for one command, while the server runs or not: never made, never migrated, never a stranger's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peewee import DatabaseError, OperationalError, SqliteDatabase

from chat_server.config import DatabaseSection
from chat_server.storage.database import connect, schema_version
from chat_server.storage.errors import DatabaseUnusableError, StorageUnavailableError
from chat_server.storage.migrations import VERSIONS


@contextmanager
def reading(section: DatabaseSection) -> Iterator[SqliteDatabase]:
    """The models are bound to one state of the database, in which nothing can be changed.

    Raises DatabaseUnusableError, StorageUnavailableError.
    """
    with _opened(section) as database:
        database.pragma("query_only", 1)
        with database.atomic():
            yield database


@contextmanager
def writing(section: DatabaseSection) -> Iterator[SqliteDatabase]:
    """One transaction, which a running server notices within about a second; an exception undoes it.

    Raises DatabaseUnusableError, StorageUnavailableError.
    """
    with _opened(section) as database, database.atomic("IMMEDIATE"):
        yield database


@contextmanager
def _opened(section: DatabaseSection) -> Iterator[SqliteDatabase]:
    path = Path(section.path)
    try:
        _check(path)
        # Read and write also where nothing is written: the last to close a WAL removes it only if it may write.
        database = connect(path, busy_timeout_seconds=section.busy_timeout_seconds)
        with database.connection_context():
            yield database
    except sqlite3.DatabaseError as error:  # of the check: peewee's errors are its own
        raise DatabaseUnusableError(f"{path}: {error}: see ls -l {path}*; restore a backup if it is damaged") from error
    except OperationalError as error:
        raise StorageUnavailableError(f"{path}: {error}: try again; if it stays, see ls -l {path}* and df") from error
    except DatabaseError as error:
        raise DatabaseUnusableError(f"{path}: {error}: restore a backup if it is damaged") from error


def check_present(path: Path) -> None:
    """Raises DatabaseUnusableError where there is no database."""
    try:
        present = path.is_file()
    except PermissionError:
        raise DatabaseUnusableError(f"{path}: cannot be read: run this as root or as the server's user") from None
    if not present:
        raise DatabaseUnusableError(
            f"{path}: there is no database: start the server once, or name another in [database] path"
        )


def _check(path: Path) -> None:
    """Before `connect`, which would make the file, and change a stranger's journal mode."""
    check_present(path)
    version = schema_version(path)
    if version < len(VERSIONS):
        raise DatabaseUnusableError(
            f"{path}: empty, or written by an older chat-server (schema {version}, this one needs {len(VERSIONS)}): "
            "start the server once, which upgrades it"
        )
