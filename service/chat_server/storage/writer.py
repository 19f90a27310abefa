"""The one writer: everything that changes the database goes through it, in group commits.

Greenlets queue messages, watermarks and operations; one loop takes all that is queued, has a native thread
run it as one transaction (BEGIN IMMEDIATE … COMMIT, synchronous=FULL), and only then releases the results.
While a commit waits for the disk the hub goes on and the next batch grows, so the more there is to do, the
less each message costs.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, cast

import gevent
from gevent.event import AsyncResult, Event
from peewee import DatabaseError, OperationalError, SqliteDatabase

from chat_server.storage.commit import Conflicting, Draft, GroupCommit, Mark, Stored, TakenIdError
from chat_server.storage.errors import StorageUnavailableError, first_failure
from chat_server.threads import running_pool

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("chat_server.storage")

MAX_BATCH = 1024
MARKS_PATIENCE_SECONDS = 0.02
"""How long watermarks wait for a batch to go with: one of their own would cost the disk a second sync a message."""
CHECKPOINT_PATIENCE_MS = 3000
"""How long the last checkpoint waits for an outside reader: systemd, and the admin, wait for the server's end."""


@dataclass(slots=True)
class Operation:
    """Any other write: a function of models, run inside the batch's transaction, in a savepoint of its own."""

    run: Callable[[], Any]
    result: AsyncResult[Any]
    value: Any = None
    error: Exception | None = None


@dataclass(slots=True)
class Batch:
    """What one transaction is to hold, and, afterwards, what came of it.

    Once it is durable, `delivered` and `read` are the watermarks that really rose. `changed_outside`: another
    connection may have written to the database since the batch before.
    """

    drafts: list[Draft]
    delivered: list[Mark]
    read: list[Mark]
    operations: list[Operation]
    outcomes: list[Stored | Conflicting] = field(default_factory=list)
    seconds: float = 0.0
    failure: BaseException | None = None
    wrote: bool = False
    """Whether it changed anything: only then its success proves that the database can be written."""
    changed_outside: bool = False

    @property
    def empty(self) -> bool:
        """Whether there was nothing to write: the writer only looked at the database."""
        return not (self.drafts or self.delivered or self.read or self.operations)


class Writer:
    """Owns the one connection that writes."""

    def __init__(self, database: SqliteDatabase, *, clock: Callable[[], int]) -> None:
        self._database = database
        self._committed: Callable[[Batch], None] = lambda _batch: None
        self._clock = clock
        self._thread = running_pool(1)
        self._drafts: list[Draft] = []
        self._delivered: dict[tuple[str, int], Mark] = {}
        self._read: dict[tuple[str, int], Mark] = {}
        self._operations: list[Operation] = []
        self._wake = Event()
        self._marks_wait = False
        self._looking = False
        self._stopping = False
        self._loop: gevent.Greenlet[..., None] | None = None
        self._data_version = 0
        self.failing = ""
        """Why the last batch could not be made durable; empty while writing works."""

    @property
    def depth(self) -> int:
        """How many messages wait for the batch after the one under way."""
        return len(self._drafts)

    def start(self, committed: Callable[[Batch], None]) -> None:
        """Begins to write. `committed` is called on the hub after each batch, durable or failed."""
        self._committed = committed
        self._loop = gevent.spawn(self._run)

    def stop(self, *, patience_seconds: float | None = None) -> None:
        """Commits what is queued, folds the WAL into the database and closes it. Readers are to be closed before.

        Another program may hold the database for longer than this is to last: then what is queued is given up,
        of which nobody was told that it is stored.
        """
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            self._loop.join(patience_seconds)
            if not self._loop.ready():
                log.warning("another program holds the database: stopped without folding the WAL into it")
                return
        self._thread.apply(self._close)
        self._thread.kill()

    def append(self, draft: Draft) -> None:
        """Queues a message; its outcome arrives with its batch."""
        self._drafts.append(draft)
        self._wake.set()

    def raise_delivered(self, mark: Mark) -> None:
        """Queues a delivery watermark; only the highest per conversation and side is kept."""
        _keep_highest(self._delivered, mark)
        self._wake_for_marks()

    def raise_read(self, mark: Mark) -> None:
        """Queues a reading watermark, likewise."""
        _keep_highest(self._read, mark)
        self._wake_for_marks()

    def _wake_for_marks(self) -> None:
        if not self._marks_wait:
            self._marks_wait = True
            gevent.spawn_later(MARKS_PATIENCE_SECONDS, self._end_the_wait)

    def _end_the_wait(self) -> None:
        self._marks_wait = False
        self._wake.set()

    def look(self) -> None:
        """Has the next batch notice what other processes have changed, though there be nothing to write."""
        self._looking = True
        self._wake.set()

    def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the function inside the next transaction; gives its result once that is on disk.

        Blocks the calling greenlet. What the function raises is raised here, and its writes are undone;
        raises StorageUnavailableError when the batch could not be committed, or the writer has stopped.
        """
        if self._loop is not None and self._loop.ready():
            raise StorageUnavailableError("the server has stopped")
        operation = Operation(run=lambda: function(*args, **kwargs), result=AsyncResult())
        self._operations.append(operation)
        self._wake.set()
        value: Any = operation.result.get()
        return cast(T, value)

    def _run(self) -> None:
        while not self._stopping or self._wake.is_set():
            self._wake.wait()
            self._wake.clear()
            batch = self._take()
            if self._looking or not batch.empty:
                self._looking = False
                self._thread.apply(self._commit, (batch,))
                self._release(batch)
            if self._drafts:
                self._wake.set()

    def _take(self) -> Batch:
        batch = Batch(
            drafts=self._drafts[:MAX_BATCH],
            delivered=list(self._delivered.values()),
            read=list(self._read.values()),
            operations=self._operations,
        )
        self._drafts = self._drafts[MAX_BATCH:]
        self._delivered, self._read, self._operations = {}, {}, []
        return batch

    def _release(self, batch: Batch) -> None:
        self._note_health(batch)
        if batch.failure is not None:
            self._keep_marks(batch)
        for operation in batch.operations:
            if batch.failure is not None:
                operation.result.set_exception(StorageUnavailableError(str(batch.failure)))
            elif operation.error is not None:
                operation.result.set_exception(operation.error)
            else:
                operation.result.set(operation.value)
        try:
            self._committed(batch)
        except Exception:
            log.exception("releasing a batch failed")

    def _keep_marks(self, batch: Batch) -> None:
        """Watermarks that could not be saved go with the next batch: nobody would send them again."""
        for mark in batch.delivered:
            _keep_highest(self._delivered, mark)
        for mark in batch.read:
            _keep_highest(self._read, mark)

    def _note_health(self, batch: Batch) -> None:
        failure = "" if batch.failure is None else str(batch.failure) or type(batch.failure).__name__
        if failure and not self.failing:
            log.error("database cannot be written", {"cause": failure})
        elif self.failing and batch.wrote:
            log.info("database can be written again")
        if failure or batch.wrote:
            self.failing = failure

    # From here on: the writer's native thread.

    def _commit(self, batch: Batch) -> None:
        started = time.monotonic()
        try:
            version = self._database.execute_sql("PRAGMA data_version").fetchone()[0]
            batch.changed_outside = self._data_version != version
            self._data_version = version
            if not batch.empty:
                self._write_down(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the batch is not durable and its senders must hear so
            batch.failure = first_failure(error)
            self._recover(error)
        batch.seconds = time.monotonic() - started

    def _write_down(self, batch: Batch) -> None:
        try:
            self._transact(batch, look_up=False)
        except TakenIdError:
            self._transact(batch, look_up=True)

    def _transact(self, batch: Batch, *, look_up: bool) -> None:
        """A transaction that fails leaves the batch's messages and watermarks as they were."""
        touched = {draft.conversation_id for draft in batch.drafts}
        touched.update(mark.conversation_id for mark in (*batch.delivered, *batch.read))
        with self._database.atomic("IMMEDIATE"):
            changes = self._database.connection().total_changes
            commit = GroupCommit(self._database.connection(), touched, now=self._clock())
            delivered = commit.raise_delivered(batch.delivered)
            outcomes = commit.append(batch.drafts, look_up=look_up)
            read = commit.raise_read(batch.read)
            commit.save()
            for operation in batch.operations:
                self._operate(operation)
            changes = self._database.connection().total_changes - changes
        batch.delivered, batch.outcomes, batch.read = delivered, outcomes, read
        batch.wrote = changes > 0

    def _operate(self, operation: Operation) -> None:
        try:
            with self._database.savepoint():
                operation.value = operation.run()
        except OperationalError:  # the disk's doing, not the function's: it concerns the whole batch
            raise
        except Exception as error:  # noqa: BLE001  a refusal by meaning (UsernameTakenError …) is the caller's
            operation.error = error

    def _recover(self, error: Exception) -> None:
        """A connection that met an input/output error may never work again; the next batch opens a new one."""
        if isinstance(error, (DatabaseError, sqlite3.DatabaseError)):
            try:
                self._database.close()
            except DatabaseError:
                log.warning("closing the writer's connection failed", {"cause": str(error)})
            self._data_version = 0

    def _close(self) -> None:
        try:
            self._database.execute_sql(f"PRAGMA busy_timeout = {CHECKPOINT_PATIENCE_MS}")
            busy, *_ = self._database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cause = "another process reads the database" if busy else ""
        except DatabaseError as error:
            cause = str(error)
        finally:
            self._database.close()
        if cause:
            log.warning("the WAL could not be folded into the database", {"cause": cause})


def _keep_highest(marks: dict[tuple[str, int], Mark], mark: Mark) -> None:
    """Of two for the same conversation and side, the higher, which also covers what the lower one did."""
    key = mark.conversation_id, mark.side
    lower, higher = sorted((marks.get(key, mark), mark), key=lambda known: known.seq)
    if lower.received_seq > higher.received_seq:
        higher.received_seq, higher.message_id = lower.received_seq, lower.message_id
    marks[key] = higher
