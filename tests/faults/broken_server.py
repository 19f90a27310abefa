"""The server with one promise broken on purpose: `python -m tests.faults.broken_server FAULT --config PATH`.

A test that would not notice these has no worth.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from collections.abc import Callable

import gevent
from gevent.threadpool import ThreadPool

from chat_server.cli import main
from chat_server.realtime.courier import Courier
from chat_server.storage import database
from chat_server.storage.commit import Conflicting, Draft, GroupCommit, Stored
from chat_server.storage.writer import Batch, Writer


def sync_taken_away() -> None:
    """Commits, but leaves it to the kernel when the WAL gets to the disk."""
    database.SYNCHRONOUS = "off"


class HastyThread:
    """In place of the writer's thread: what it does counts as done as soon as the messages have their numbers."""

    def __init__(self) -> None:
        self._thread = ThreadPool(1)
        self._batch: Batch | None = None

    def apply(self, function: Callable[..., None], args: tuple[Batch, ...] = ()) -> None:
        self._thread.join()
        self._batch = args[0] if args else None
        working = self._thread.spawn(function, *args)
        while not (working.ready() or self._numbered()):
            gevent.sleep(0.0005)

    def _numbered(self) -> bool:
        return self._batch is not None and bool(self._batch.outcomes) and not self._batch.operations

    def tell(self, outcomes: list[Stored | Conflicting]) -> None:
        """Called in the thread, before the transaction is committed."""
        assert self._batch is not None
        self._batch.outcomes = outcomes
        time.sleep(0.005)

    def kill(self) -> None:
        self._thread.kill()


def ack_before_commit() -> None:
    """Acknowledges messages while their transaction is still to be committed."""
    thread = HastyThread()
    append, start = GroupCommit.append, Writer.start

    def append_and_tell(commit: GroupCommit, drafts: list[Draft], *, look_up: bool) -> list[Stored | Conflicting]:
        outcomes = append(commit, drafts, look_up=look_up)
        thread.tell(outcomes)
        return outcomes

    def start_hastily(writer: Writer, committed: Callable[[Batch], None]) -> None:
        setattr(writer, "_thread", thread)  # noqa: B010
        start(writer, committed)

    # setattr: mypy would have it that methods and types are for good.
    setattr(GroupCommit, "append", append_and_tell)  # noqa: B010
    setattr(Writer, "start", start_hastily)  # noqa: B010


def crash_between_ack_and_commit() -> None:
    """Acknowledges messages before their transaction is committed, and is killed before the 40th is."""
    ack_before_commit()
    batches = itertools.count(1)
    tell = HastyThread.tell

    def tell_and_die(thread: HastyThread, outcomes: list[Stored | Conflicting]) -> None:
        tell(thread, outcomes)
        if outcomes and next(batches) == 40:
            time.sleep(0.2)  # until the acknowledgements are with the senders
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(HastyThread, "tell", tell_and_die)  # noqa: B010


def commit_dropped() -> None:
    """Takes every 20th transaction back, and goes on as if it were on disk."""
    transact = Writer._transact
    batches = itertools.count(1)

    def transact_or_not(writer: Writer, batch: Batch, *, look_up: bool) -> None:
        if batch.operations or not batch.drafts or next(batches) % 20:
            transact(writer, batch, look_up=look_up)
            return
        with writer._database.atomic("IMMEDIATE") as outer:
            transact(writer, batch, look_up=look_up)
            outer.rollback()

    setattr(Writer, "_transact", transact_or_not)  # noqa: B010


def push_dropped() -> None:
    """Notes every 20th push as written, and writes nothing."""
    _alter_pushes(lambda _frame: b"")


def push_doubled() -> None:
    """Writes every 20th push twice."""
    _alter_pushes(lambda frame: frame + frame)


def push_altered() -> None:
    """Changes a character of every 20th message that is pushed."""
    _alter_pushes(lambda frame: frame.replace(b"....", b"...!", 1))


def _alter_pushes(alter: Callable[[bytes], bytes]) -> None:
    push = Courier.push
    pushes = itertools.count(1)

    def push_altered(courier: Courier, stored: Stored, side: int, frame: bytes) -> None:
        push(courier, stored, side, frame if next(pushes) % 20 else alter(frame))

    setattr(Courier, "push", push_altered)  # noqa: B010


def stuck_hub() -> None:
    """From SIGUSR1 on, one greenlet never lets another have the hub."""

    def get_stuck() -> None:
        while True:
            time.sleep(1)

    gevent.signal_handler(signal.SIGUSR1, get_stuck)


FAULTS = {
    fault.__name__: fault
    for fault in (
        sync_taken_away,
        ack_before_commit,
        crash_between_ack_and_commit,
        commit_dropped,
        push_dropped,
        push_doubled,
        push_altered,
        stuck_hub,
    )
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
