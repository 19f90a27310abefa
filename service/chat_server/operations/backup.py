"""A backup: one state of the database, copied while the server writes, verified, and kept under its date."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from chat_server.config import Config
from chat_server.observability.backups import Attempt, last_attempt, record_attempt
from chat_server.operations import copies
from chat_server.operations.backup_directory import BackupDirectory
from chat_server.operations.errors import CopyFailedError, RefusedError
from chat_server.operations.failures import in_words
from chat_server.operations.opening import check_present
from chat_server.operations.owner import act_as_owner, owner_of
from chat_server.operations.verification import Contents, count_rows, examine
from chat_server.storage.database import schema_version
from chat_server.storage.durable import sync
from chat_server.storage.errors import DatabaseUnusableError, StorageUnavailableError

PAGES_PER_STEP = 1024
MARGIN_BYTES = 64 * 2**20
"""What a backup leaves free, for the log of the server that goes on writing meanwhile."""

Progress = Callable[[float], None]
"""Is told the share that is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made, and the names of those that were removed because they were too old.

    `copy` is where its copy is, if one is configured; `copy_failure` says in one line why there is none.
    """

    file: str
    size_bytes: int
    contents: Contents
    removed: list[str]
    copy: str | None = None
    copy_failure: str = ""


def backup(config: Config, *, now: int, progress: Progress, only_here: bool = False) -> Backup:
    """Makes a backup, verifies it, lets `latest.db` be it, and makes its copy, unless it is to stay `only_here`.

    A killed one leaves nothing but a file that the next removes. Raises DatabaseUnusableError for a database that is
    damaged, missing or not ours, StorageUnavailableError where room is missing or another backup is under way, and
    RefusedError. What came of it is recorded beside the backups too.
    """
    try:
        made = _make(config, now=now, progress=progress)
    except (DatabaseUnusableError, StorageUnavailableError) as error:
        _record(config, now, failure=str(error))
        raise
    if only_here:
        _record(config, now)
        return made
    try:
        made = replace(made, copy=copies.copy(config.backup, Path(made.file)))
    except CopyFailedError as error:
        made = replace(made, copy_failure=str(error))
    _record(config, now, copy_failure=made.copy_failure)
    return made


def _record(config: Config, now: int, *, failure: str = "", copy_failure: str | None = None) -> None:
    """For the metrics, as far as that can be done. What is not known of the copy is as it was."""
    directory = Path(config.backup.directory)
    before = last_attempt(directory)
    if copy_failure is None:
        copy_failure = before.copy_failure if before else ""
    with suppress(OSError, RefusedError):
        act_as_owner(Path(config.database.path))
        record_attempt(directory, Attempt(now, failure, copy_failure))


def _make(config: Config, *, now: int, progress: Progress) -> Backup:
    database, keep_days = Path(config.database.path), config.backup.keep_days
    directory = BackupDirectory(Path(config.backup.directory))
    with in_words(database):
        check_present(database)
        _make_directory(directory.path, owner_of(database))
        act_as_owner(database)
        if schema_version(database) == 0:
            raise DatabaseUnusableError(f"{database}: empty: start the server once")
    with in_words(directory.path), directory.held():
        copy = directory.unfinished("backup.db")
        try:
            with in_words(database), _snapshot(database, config.database.busy_timeout_seconds) as snapshot:
                size = _size(snapshot)
                if not _has_room(directory, size):
                    directory.remove_expired(now=now, keep_days=keep_days)
                    _require_room(directory, size)
                _copy(snapshot, copy, progress)
                rows = count_rows(snapshot)
            _settle(copy, made_at=now)
            contents = examine(copy, called=database)
            if contents.rows != rows:
                raise DatabaseUnusableError(f"{database}: its copy holds {contents.rows} rows, where it has {rows}")
            file = directory.publish(copy, made_at=now)
        finally:
            directory.remove_unfinished()
        removed = directory.remove_expired(now=now, keep_days=keep_days)
    return Backup(str(file), file.stat().st_size, contents, removed)


def _make_directory(directory: Path, owner: os.stat_result) -> None:
    """The directory is there. One that root makes belongs to the database's owner."""
    if not directory.exists():
        directory.mkdir(mode=0o700)
        os.chown(directory, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextmanager
def _snapshot(database: Path, patience_seconds: int) -> Iterator[sqlite3.Connection]:
    """One state of the database, whatever is written meanwhile: so a copy in steps need never begin again."""
    uri = f"{database.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=patience_seconds, isolation_level=None)) as connection:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("BEGIN")
        connection.execute("PRAGMA user_version").fetchone()  # the first read, with which the state is fixed
        yield connection


def _size(snapshot: sqlite3.Connection) -> int:
    pages, page_bytes = (snapshot.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    return int(pages * page_bytes)


def _has_room(directory: BackupDirectory, size: int) -> bool:
    return directory.free_bytes() >= size + MARGIN_BYTES


def _require_room(directory: BackupDirectory, size: int) -> None:
    if not _has_room(directory, size):
        free, needed = (f"{amount / 2**20:,.0f} MiB" for amount in (directory.free_bytes(), size + MARGIN_BYTES))
        raise StorageUnavailableError(
            f"{directory.path}: {free} are free and a backup needs {needed}: remove something there, or name a "
            "directory on another disk in [backup] directory"
        )


def _copy(snapshot: sqlite3.Connection, copy: Path, progress: Progress) -> None:
    """Copies page by page. The copy is to be one file that needs no other beside it, hence without a log."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as target:
        # It is synced at the end, and thrown away if that is not reached.
        target.execute("PRAGMA synchronous = off")
        target.execute("PRAGMA journal_mode = off")
        snapshot.backup(
            target,
            pages=PAGES_PER_STEP,
            progress=lambda _status, remaining, total: progress(1 - remaining / total),
        )
        target.execute("PRAGMA journal_mode = delete")


def _settle(copy: Path, *, made_at: int) -> None:
    """On the disk, and no longer in memory: what is verified is what the disk gives back."""
    os.utime(copy, ns=(made_at * 1_000_000, made_at * 1_000_000))
    sync(copy)
    descriptor = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
