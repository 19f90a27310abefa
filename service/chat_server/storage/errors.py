"""What can be wrong with the database, by meaning. Every message is one line a person can act on."""

from __future__ import annotations

import sqlite3

from peewee import DatabaseError


class DatabaseUnusableError(Exception):
    """The database can't be opened: unreadable, not ours, damaged, or of a newer version."""


class DatabaseInUseError(DatabaseUnusableError):
    """Another server holds the lock of this database."""


class StorageUnavailableError(Exception):
    """A write could not be made durable (disk full, input/output error, locked for too long). Nothing was stored."""


def first_failure(error: BaseException) -> BaseException:
    """What went wrong at first: SQLite ends a transaction that fills the disk, and then rolling it back fails too."""
    while isinstance(error.__context__, (DatabaseError, sqlite3.DatabaseError)):
        error = error.__context__
    return error
