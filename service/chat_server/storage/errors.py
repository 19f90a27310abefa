"""What can be wrong with the database, by meaning. Every message is one line a person can act on."""

from __future__ import annotations


class DatabaseUnusableError(Exception):
    """The database can't be opened: unreadable, not ours, damaged, or of a newer version."""


class DatabaseInUseError(DatabaseUnusableError):
    """Another server holds the lock of this database."""


class StorageUnavailableError(Exception):
    """A write could not be made durable (disk full, input/output error, locked for too long). Nothing was stored."""
