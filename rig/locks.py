"""Locks that end with the process which holds them, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

RUN = Path("/run/chat-server-rig")
"""What must be known to every rig on the machine, whatever folder it works in."""


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[TextIO]:
    """Holds a lock on the file, which is made where it is absent, and gives the file, to be read and written.

    Any number hold it when all ask for it `shared`. Raises BlockingIOError where others hold it and `wait` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        file.seek(0)
        yield file
