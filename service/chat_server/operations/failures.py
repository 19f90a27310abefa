"""What SQLite and the file system say, as one line that an admin can act on."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat_server.storage.errors import DatabaseUnusableError, StorageUnavailableError

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """`path` is what the work in the block is on, where the failure itself does not say.

    Turns OSError and sqlite3.DatabaseError into StorageUnavailableError, for what may work at the next try, or
    DatabaseUnusableError.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in PASSING:
            raise StorageUnavailableError(
                f"{path}: {error}: try again; if it stays, see ls -l {path}* and df"
            ) from error
        raise DatabaseUnusableError(f"{path}: {error}: see ls -l {path}*; restore a backup if it is damaged") from error
    except OSError as error:
        place = error.filename or path
        if error.errno in NO_SPACE:
            raise StorageUnavailableError(f"{place}: {error.strerror}: make room and try again") from error
        raise DatabaseUnusableError(
            f"{place}: {error.strerror}: it must be there and belong to the user that owns the database"
        ) from error
