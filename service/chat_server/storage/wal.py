"""What SQLite leaves beside chat.db when a process ends in the midst of its work, and how it is cleared away.

Whoever opens a database next replays the log that lies beside it, even if the database was put there later and
the log belongs to the one before.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from chat_server.storage.durable import sync
from chat_server.storage.errors import StorageUnavailableError

LOGS = ("-wal", "-journal")
SIDE_FILES = (*LOGS, "-shm")  # the index comes after its log: without one it means nothing

# The database's header (sqlite.org/fileformat.html, section 1.3).
MAGIC = b"SQLite format 3\0"
WRITE_VERSION = 18  # the byte that is 2 in a database with a write-ahead log, and 1 in one without

DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class LogNotFoldableError(Exception):
    """What lies beside the database can't be folded into it. Its text names the database and says why."""


def beside(database: Path) -> list[Path]:
    """SQLite's files that lie beside the database."""
    return [file for suffix in SIDE_FILES if (file := Path(f"{database}{suffix}")).exists()]


def check_log(database: Path) -> None:
    """Raises LogNotFoldableError where a log lies beside the database that can't be its own.

    SQLite does not look, and what it makes of an empty file, of a text or of a restored backup is a ruin.
    """
    try:
        if not Path(f"{database}-wal").stat().st_size:
            return
    except FileNotFoundError:
        return
    try:
        with database.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise LogNotFoldableError(f"{database}: there is no database, though the log of one lies there") from None
    if not header.startswith(MAGIC):
        raise LogNotFoldableError(f"{database}: no SQLite database, though the log of one lies beside it")
    if header[WRITE_VERSION] == 1:
        raise LogNotFoldableError(f"{database}: put there while the log of another database lay beside it")


def fold(database: Path, *, patience_seconds: float) -> None:
    """Folds into the database what lies beside it, after which no log does. A kill at any time loses nothing.

    Raises LogNotFoldableError for a damaged database or one that the log is not of, StorageUnavailableError while
    another program has it open, sqlite3.Error and OSError when the disk is full or fails. Nothing is lost then.
    """
    if not beside(database):
        return
    check_log(database)
    uri = f"{database.absolute().as_uri()}?mode=rw"
    damage = None
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=patience_seconds, isolation_level=None)) as connection:
            connection.execute("PRAGMA user_version")  # opens the log, and needs no schema that can be read
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in DAMAGE:
            raise
        damage = error
    # The last to close a database folds the log in and removes it, whatever state the database is in.
    if any(Path(f"{database}{suffix}").exists() for suffix in LOGS):
        if damage:
            raise LogNotFoldableError(f"{database}: {damage}") from damage
        raise StorageUnavailableError(f"{database}: another program has it open: see fuser -v {database}")


def set_aside(database: Path, new: Path) -> list[Path]:
    """Moves what lies beside the database to beside `new`, where SQLite would look for it; gives the new names."""
    moved = []
    for file in beside(database):
        moved.append(new.with_name(new.name + file.name.removeprefix(database.name)))
        file.rename(moved[-1])
    if moved:
        sync(database.parent)
    return moved
