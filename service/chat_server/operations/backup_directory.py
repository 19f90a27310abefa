"""The directory that backups are kept in: their names, how they get there whole, and when they go.

    chat-20261123-044800.db        a full database, verified; its time is UTC
    chat-20261123-044800.db.age    the same, encrypted, where that is configured and it goes nowhere else
    latest.db                      the newest of them, by another name: never missing, never half-written

What is still being made has a name that begins with a dot and belongs to nobody once its maker has ended.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chat_server.operations.dated import stamp, stamped_at
from chat_server.storage.durable import sync
from chat_server.storage.errors import StorageUnavailableError
from chat_server.storage.room import free_bytes

NAME = re.compile(r"chat-([0-9]{8}-[0-9]{6})\.db(\.age)?")
UNFINISHED = ".unfinished-"
DAY_MS = 86_400_000


def expired(made_at: Mapping[str, int], *, now: int, keep_days: int) -> set[str]:
    """Which of these backups, by the time they were made, are to go: the older ones, but never the newest."""
    newest = max(made_at.values(), default=0)
    return {name for name, at in made_at.items() if at < now - keep_days * DAY_MS and at != newest}


@dataclass(frozen=True, slots=True)
class BackupDirectory:
    """All methods raise OSError."""

    path: Path

    @property
    def latest(self) -> Path:
        """The newest backup."""
        return self.path / "latest.db"

    @contextmanager
    def held(self) -> Iterator[None]:
        """One process at a time changes it, and what one that was killed has left is gone.

        Raises StorageUnavailableError while another does.
        """
        with self._locked(".lock", "another backup or restore is under way"):
            self.remove_unfinished()
            yield

    @contextmanager
    def sending(self) -> Iterator[int]:
        """One copy is sent at a time: until the descriptor that this gives is closed by all who inherited it.

        Raises StorageUnavailableError while another is.
        """
        with self._locked(".sending.lock", "another copy is still being sent") as descriptor:
            yield descriptor

    @contextmanager
    def _locked(self, name: str, taken: str) -> Iterator[int]:
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StorageUnavailableError(f"{self.path}: {taken}: try again when it is done") from None
            yield descriptor
        finally:
            os.close(descriptor)

    def remove_unfinished(self) -> None:
        """Removes what is still being made. Only for who holds the directory."""
        for leftover in self.path.glob(f"{UNFINISHED}*"):
            leftover.unlink()

    def unfinished(self, name: str) -> Path:
        """An empty file for what is to become `name`, which only its owner can read."""
        path = self.path / f"{UNFINISHED}{name}"
        path.touch(mode=0o600, exist_ok=False)
        return path

    def publish(self, finished: Path, *, made_at: int) -> Path:
        """Gives a backup that is good, and on the disk, its names. Of two within a second the later one stays."""
        dated = finished.rename(self.path / f"chat-{stamp(made_at)}.db")
        another_name = self.path / f"{UNFINISHED}latest.db"
        try:
            another_name.hardlink_to(dated)
        except OSError:  # a file system that gives a file one name only
            shutil.copy2(dated, self.unfinished("latest.db"))
            sync(another_name)
        another_name.rename(self.latest)
        sync(self.path)
        return dated

    def remove_expired(self, *, now: int, keep_days: int) -> list[str]:
        """Removes what is older than that; gives the names."""
        made_at = {path.name: at for path in self.path.iterdir() if (at := _made_at(path.name)) is not None}
        names = sorted(expired(made_at, now=now, keep_days=keep_days))
        for name in names:
            (self.path / name).unlink()
        return names

    def free_bytes(self) -> int:
        """What a user may still write there."""
        return free_bytes(self.path)


def _made_at(name: str) -> int | None:
    """When the backup of that name was made; None where it is no backup's."""
    match = NAME.fullmatch(name)
    try:
        return stamped_at(match[1]) if match else None
    except ValueError:  # such as a 31st of June
        return None
