"""A copy of a backup that leaves the host, or can: encrypted for who has the private key, and sent to another host."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from chat_server.config import BackupSection
from chat_server.operations.backup_directory import BackupDirectory
from chat_server.operations.errors import CopyFailedError
from chat_server.operations.programs import run
from chat_server.operations.sftp import Destination, upload
from chat_server.storage.durable import sync
from chat_server.storage.errors import StorageUnavailableError

SECONDS = 6 * 3600
"""The longest that encrypting or sending may take: what takes longer would meet the next night's."""
MARGIN_BYTES = 64 * 2**20
ENCRYPTED = ".age"
MARKS = (b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----")
LONGEST_MARK = max(map(len, MARKS))


def copy(section: BackupSection, backup: Path) -> str | None:
    """Makes the copy that is configured, of a backup in the directory; gives where it is, None where none is wanted.

    Raises CopyFailedError: the backup is as good as before.
    """
    directory = BackupDirectory(Path(section.directory))
    try:
        if section.copy_to:
            return _send(section, directory, backup)
        if section.encrypt_to:
            return str(_keep(section, directory, backup))
    except StorageUnavailableError as error:
        raise CopyFailedError(str(error)) from None
    except OSError as error:
        raise CopyFailedError(f"{error.filename or directory.path}: {error.strerror}") from None
    return None


def is_encrypted(start: bytes) -> bool:
    """Whether a file that begins so was written by age."""
    return start.startswith(MARKS)


def _send(section: BackupSection, directory: BackupDirectory, backup: Path) -> str:
    with directory.sending() as lock, backup.open("rb") as plain:
        there = Destination.configured(section)
        if not section.encrypt_to:
            return upload(plain, backup.name, there, lock=lock, seconds=SECONDS)
        # A file without a name, of which nothing is left however this ends.
        with tempfile.TemporaryFile(dir=directory.path) as encrypted:
            _encrypt(plain, encrypted, section.encrypt_to, directory)
            return upload(encrypted, backup.name + ENCRYPTED, there, lock=lock, seconds=SECONDS)


def _keep(section: BackupSection, directory: BackupDirectory, backup: Path) -> Path:
    with directory.held(), _unfinished(directory, backup.name + ENCRYPTED) as copy, backup.open("rb") as plain:
        with copy.open("wb") as encrypted:
            _encrypt(plain, encrypted, section.encrypt_to, directory)
        sync(copy)
        kept = copy.rename(backup.with_name(backup.name + ENCRYPTED))
        sync(directory.path)
        return kept


@contextmanager
def _unfinished(directory: BackupDirectory, name: str) -> Iterator[Path]:
    try:
        yield directory.unfinished(name)
    finally:
        directory.remove_unfinished()


def _encrypt(plain: BinaryIO, into: BinaryIO, recipient: str, directory: BackupDirectory) -> None:
    size = os.fstat(plain.fileno()).st_size
    if directory.free_bytes() < size + MARGIN_BYTES:
        needed = f"{(size + MARGIN_BYTES) / 2**20:,.0f} MiB"
        raise CopyFailedError(f"{directory.path}: {needed} must be free there to encrypt the backup")
    ended = run("age", "--encrypt", "--recipient", recipient, package="age", given=plain, into=into, seconds=SECONDS)
    if ended.code:
        raise CopyFailedError(f"it could not be encrypted to [backup] encrypt_to: {ended.complaint}")
