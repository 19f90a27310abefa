"""A backup takes the database's place, and what was there is kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chat_server.config import Config
from chat_server.operations.backup_directory import BackupDirectory
from chat_server.operations.copies import LONGEST_MARK, is_encrypted
from chat_server.operations.dated import aside
from chat_server.operations.errors import RefusedError
from chat_server.operations.failures import in_words
from chat_server.operations.owner import act_as_owner
from chat_server.operations.verification import Contents, examine
from chat_server.storage.durable import sync
from chat_server.storage.errors import DatabaseInUseError, DatabaseUnusableError, StorageUnavailableError
from chat_server.storage.lock import ServerLock
from chat_server.storage.room import free_bytes
from chat_server.storage.wal import LogNotFoldableError, fold, set_aside

PATIENCE_SECONDS = 5
MARGIN_BYTES = 16 * 2**20
"""What a restored database leaves free, so that the server can start."""


@dataclass(frozen=True, slots=True)
class Restored:
    """`kept` is where the database is that was replaced; None where there was none."""

    database: str
    kept: str | None
    contents: Contents


def restore(config: Config, file: Path, *, confirm: Callable[[Contents], None], now: int) -> Restored:
    """Puts a copy of the file in the database's place, once it is verified and `confirm` has returned.

    A kill at any time leaves the one database or the other in its place, whole. Raises RefusedError while a server
    runs, DatabaseUnusableError for a file that is no good backup, StorageUnavailableError where room is missing or
    another program has the database open; nothing was changed then.
    """
    database = Path(config.database.path)
    with in_words(file):
        source = _opened(file)  # by root, who may read what the service's user may not
    with source, in_words(database):
        act_as_owner(database)
        with _alone(config):
            copy = database.with_name(f"{database.name}.restoring")
            try:
                contents = _verified(source, copy, file)
                confirm(contents)
                kept = _replace(database, copy, now)
                return Restored(str(database), str(kept) if kept else None, contents)
            finally:
                copy.unlink(missing_ok=True)


def _opened(file: Path) -> BinaryIO:
    if not file.is_file():
        raise DatabaseUnusableError(f"{file}: there is no such file")
    log = Path(f"{file}-wal")
    if log.exists() and log.stat().st_size:
        raise DatabaseUnusableError(
            f"{file}: a write-ahead log lies beside it, so it is no backup but a database in use, or was one: "
            f"fold the log in with sqlite3 {file} 'PRAGMA wal_checkpoint(TRUNCATE)' and try again"
        )
    opened = file.open("rb")
    if is_encrypted(opened.read(LONGEST_MARK)):
        opened.close()
        raise DatabaseUnusableError(
            f"{file}: encrypted: where its private key is, run age --decrypt --identity KEY --output chat.db "
            f"{file.name}, then restore that chat.db"
        )
    opened.seek(0)
    return opened


@contextmanager
def _alone(config: Config) -> Iterator[None]:
    """No server runs and no backup is being made, nor can be until this ends."""
    lock = ServerLock(Path(config.database.path))
    backups = BackupDirectory(Path(config.backup.directory))
    with ExitStack() as held:
        try:
            lock.acquire()
        except DatabaseInUseError as error:
            raise RefusedError(str(error)) from None
        held.callback(lock.release)
        if os.access(backups.path, os.W_OK | os.X_OK):  # else nobody who may open the database makes backups there
            held.enter_context(backups.held())
        yield


def _verified(source: BinaryIO, copy: Path, file: Path) -> Contents:
    """The copy, which nobody else can change, is what is verified, and is on the disk."""
    needed = os.fstat(source.fileno()).st_size + MARGIN_BYTES
    if free_bytes(copy.parent) < needed:
        raise StorageUnavailableError(f"{copy.parent}: {needed / 2**20:,.0f} MiB must be free there for a restore")
    copy.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    with copy.open("wb") as target:
        shutil.copyfileobj(source, target, 2**20)
    sync(copy)
    return examine(copy, called=file)


def _replace(database: Path, copy: Path, now: int) -> Path | None:
    """The old one gets another name beside its own before it loses that: there is a database at every moment."""
    kept = aside(database, "replaced", now)
    try:
        fold(database, patience_seconds=PATIENCE_SECONDS)
    except LogNotFoldableError:
        set_aside(database, kept)
    replaces = database.exists()
    if replaces:
        kept.hardlink_to(database)
    copy.rename(database)
    sync(database.parent)
    return kept if replaces else None
