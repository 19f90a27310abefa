"""Reading the database: by its owner, as of one moment, for a bounded time, and without leaving a trace."""

from __future__ import annotations

import json
import os
import select
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from chat_server.operations.doctor.commands import chat_server
from chat_server.operations.doctor.processes import server_of
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site
from chat_server.operations.errors import RefusedError
from chat_server.operations.owner import act_as_owner
from chat_server.storage.wal import LOGS

BUSY_SECONDS = 1
GRACE_SECONDS = 1
READ_SECONDS = 5

Words = Iterator[Any]
"""What a reading tells, piece by piece: whatever JSON can say."""


class DamageError(Exception):
    """SQLite can't read the database. Its text is SQLite's."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was read; `complete` unless the time was over before all was."""

    words: list[Any]
    complete: bool


def read(site: Site, reading: Callable[[sqlite3.Connection], Words]) -> list[Any]:
    """All that a quick reading tells of the database. Raises CannotLookError, DamageError."""
    told = read_for(site, reading, seconds=READ_SECONDS)
    if not told.complete:
        raise CannotLookError(f"{site.database}: not read within {READ_SECONDS} s")
    return told.words


def read_for(site: Site, reading: Callable[[sqlite3.Connection], Words], *, seconds: int) -> Told:
    """What a reading tells of the database in so many seconds. Raises CannotLookError, DamageError.

    While a server runs it reads beside it. Without one it reads the file as it lies there; and where a log was left,
    it does not, for even a reader would replay that.
    """
    database = site.database
    try:
        database.open("rb").close()
    except OSError as error:
        raise CannotLookError(f"{database}: {error.strerror}") from None
    if server_of(database):
        mode = "mode=rw"  # the last to close tidies up, and may that be us if the server ends meanwhile
    elif any(_is_filled(Path(f"{database}{suffix}")) for suffix in LOGS):
        raise CannotLookError(f"{database}: no server runs and its log was left: {chat_server(site, 'checkpoint')}")
    else:
        mode = "immutable=1"

    def through_connection() -> Words:
        act_as_owner(database)
        uri = f"{database.absolute().as_uri()}?{mode}"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA query_only = 1")
            yield from reading(connection)

    return bounded(through_connection, seconds=seconds)


def bounded(reading: Callable[[], Words], *, seconds: int) -> Told:
    """What `reading` tells in a process of its own, which ends after so many seconds.

    Raises CannotLookError for its OSError and RefusedError and where SQLite is kept from reading, and DamageError.
    """
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        _tell(reading, sink, seconds)
    os.close(sink)
    ended = os.pidfd_open(pid)
    try:
        lines = _received(source, seconds + GRACE_SECONDS).splitlines()
    finally:
        os.close(source)
    _reap(pid, ended)
    told = [json.loads(line) for line in lines]
    for kind, text in told:
        if kind == "damage":
            raise DamageError(text)
        if kind == "cannot":
            raise CannotLookError(text)
    return Told([word for kind, word in told if kind == "word"], ["end", None] in told)


def _tell(reading: Callable[[], Words], sink: int, seconds: int) -> NoReturn:
    """In the child. The kernel ends it when its time is over, whatever it waits for."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)

    def say(kind: str, word: object) -> None:
        os.write(sink, json.dumps([kind, word]).encode() + b"\n")

    try:
        for word in reading():
            say("word", word)
        say("end", None)
    except sqlite3.OperationalError as error:
        say("cannot", f"the database can't be read now: {error}")
    except sqlite3.DatabaseError as error:
        say("damage", str(error))
    except (OSError, RefusedError) as error:
        say("cannot", str(error))
    finally:
        os._exit(0)  # nothing of the parent's is to be done twice


def _received(source: int, seconds: float) -> bytes:
    """What comes until the other end closes, or the time is over: a disk that hangs lets nobody be killed."""
    deadline = time.monotonic() + seconds
    received = b""
    while select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(source, 65_536)
        if not piece:
            break
        received += piece
    return received[: received.rfind(b"\n") + 1]


def _reap(pid: int, ended: int) -> None:
    """A child that hangs in the kernel is left to whoever inherits it."""
    os.kill(pid, signal.SIGKILL)
    if select.select([ended], [], [], GRACE_SECONDS)[0]:
        os.waitpid(pid, 0)
    os.close(ended)


def _is_filled(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False
