"""One server per database: an flock on a file beside it, which the kernel drops with the process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from chat_server.storage.errors import DatabaseInUseError, DatabaseUnusableError


class ServerLock:
    """Held from `acquire` until `release` or the end of the process, however it ends.

    The lock is on a file of its own: closing any descriptor of chat.db itself would drop SQLite's locks.
    """

    def __init__(self, database_path: Path) -> None:
        self.path = database_path.with_name(database_path.name + ".lock")
        self._descriptor = -1

    def acquire(self) -> None:
        """Raises DatabaseInUseError when another process has it, DatabaseUnusableError when it can't be made."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DatabaseUnusableError(
                f"{self.path}: {error.strerror}: the directory must exist and belong to the service's user"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise DatabaseInUseError(
                f"{self.path}: another chat-server (process {holder}) uses this database: stop it first"
            ) from error
        self._descriptor = descriptor
        with suppress(OSError):  # a full disk has no room for the holder's name, and the lock holds without it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
