"""After the server has ended, however it did: chat.db alone holds all, and nothing is left beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chat_server.config import Config
from chat_server.operations.dated import aside
from chat_server.operations.failures import in_words
from chat_server.operations.owner import act_as_owner
from chat_server.storage.errors import DatabaseInUseError, DatabaseUnusableError
from chat_server.storage.lock import ServerLock
from chat_server.storage.wal import LogNotFoldableError, beside, fold, set_aside

PATIENCE_SECONDS = 5
"""How long a program that reads the database may delay this: systemd waits for the end of the service."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was done: `folded_bytes` is how much log there was, `running` that a server has it in use."""

    folded_bytes: int = 0
    running: bool = False


def checkpoint(config: Config, *, now: int) -> Checkpoint:
    """Folds what a server that crashed has left beside the database into it.

    What can't be folded in is moved aside, so that no later database meets the log of this one.
    Raises DatabaseUnusableError after that, and StorageUnavailableError where all was left in its place.
    """
    database = Path(config.database.path)
    with in_words(database):
        if not beside(database):
            return Checkpoint()
        act_as_owner(database)
        lock = ServerLock(database)
        try:
            lock.acquire()
        except DatabaseInUseError:
            return Checkpoint(running=True)
        try:
            return _clear(database, now)
        finally:
            lock.release()


def _clear(database: Path, now: int) -> Checkpoint:
    size = sum(file.stat().st_size for file in beside(database) if not file.name.endswith("-shm"))
    try:
        fold(database, patience_seconds=PATIENCE_SECONDS)
    except LogNotFoldableError as error:
        moved = set_aside(database, aside(database, "unfolded", now))
        raise DatabaseUnusableError(
            f"{error}: what lay beside it may hold the last messages and was moved to {', '.join(map(str, moved))}: "
            "restore a backup, and keep those files until nothing is missed"
        ) from error
    return Checkpoint(folded_bytes=size)
