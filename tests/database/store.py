"""The writer and the readers on a database file of their own, and a few people with conversations in it."""

from __future__ import annotations

import itertools
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import gevent
from gevent.queue import Queue
from peewee import SqliteDatabase

from chat_server.storage.commit import Conflicting, Draft, Stored
from chat_server.storage.database import connect, prepare
from chat_server.storage.models import Conversation, Message, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Batch, Writer

ANN, BOB, EVE = "user-ann", "user-bob", "user-eve"
PATIENCE_SECONDS = 10

_numbers = itertools.count(1)


class Clock:
    """The time, in ms since the epoch, as the test sets it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now


@dataclass
class Store:
    path: Path
    database: SqliteDatabase
    readers: Readers
    writer: Writer
    clock: Clock
    batches: Queue[Batch] = field(default_factory=Queue)
    """What the writer has released and the test has not looked at yet."""

    def start_conversation(self, one: str = ANN, other: str = BOB) -> str:
        first, second = sorted((one, other))
        made = self.writer.write(
            Conversation.create,
            id=f"conv-{next(_numbers)}",
            user1_id=first,
            user2_id=second,
            created_at=self.clock(),
            last_message_at=self.clock(),
        )
        return str(made.id)

    def sign_up(self, user_id: str) -> None:
        name = user_id.removeprefix("user-")
        self.writer.write(User.create, id=user_id, username=name, created_at=self.clock())

    def newcomers(self) -> tuple[str, str]:
        """Two people nobody has met yet; the first's id is the lesser."""
        number = next(_numbers)
        one, other = f"user-{number}-a", f"user-{number}-b"
        self.sign_up(one)
        self.sign_up(other)
        return one, other

    def next_batch(self) -> Batch:
        """The next that holds more than operations."""
        while True:
            batch = self.batches.get(timeout=PATIENCE_SECONDS)
            if batch.drafts or batch.delivered or batch.read:
                return batch

    def settle(self) -> Batch:
        """Waits until all that is queued is stored; gives the last batch it took."""
        self.writer.write(lambda: None)
        while True:
            batch = self.batches.get(timeout=PATIENCE_SECONDS)
            if self.batches.empty():
                return batch

    def send(self, *drafts: Draft) -> list[Stored | Conflicting]:
        """What became of the drafts, in the order in which the writer told."""
        for draft in drafts:
            self.writer.append(draft)
        outcomes: list[Stored | Conflicting] = []
        while len(outcomes) < len(drafts):
            batch = self.next_batch()
            assert batch.failure is None
            outcomes += batch.outcomes
        return outcomes

    def contents(self, conversation_id: str) -> list[tuple[int, str]]:
        """The conversation's seqs and contents, as they are stored."""
        query = Message.select().where(Message.conversation_id == conversation_id).order_by(Message.seq)
        return [(row.seq, row.content) for row in self.readers.run(list, query)]

    def conversation(self, conversation_id: str) -> Conversation:
        row = self.readers.run(Conversation.get_by_id, conversation_id)
        assert isinstance(row, Conversation)
        return row


def draft(conversation_id: str, content: str = "hello", *, by: str = ANN, to: str = BOB, client_id: str = "") -> Draft:
    """A message nobody has sent before, unless its id says so."""
    side = 1 if by < to else 2
    return Draft(conversation_id, side, client_id or f"msg-{next(_numbers)}", by, to, content, None)


@contextmanager
def open_store(path: Path, *, slow_query_ms: int = 10_000, busy_timeout_seconds: float = 30) -> Iterator[Store]:
    """Everything started, with Ann, Bob and Eve signed up; stopped at the end."""
    is_new = prepare(path) == 0
    database = connect(path, busy_timeout_seconds=busy_timeout_seconds)
    clock = Clock()
    readers = Readers(database, threads=2, slow_query_ms=slow_query_ms)
    writer = Writer(database, clock=clock)
    store = Store(path, database, readers, writer, clock)
    writer.start(store.batches.put)
    try:
        for user_id in (ANN, BOB, EVE) if is_new else ():
            store.sign_up(user_id)
        yield store
    finally:
        readers.close()
        writer.stop(patience_seconds=PATIENCE_SECONDS)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process grows past `size` bytes meanwhile: to SQLite an input/output error of the disk.

    Nothing else may write a file in the block.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def let_the_hub_run(seconds: float = 0.0) -> None:
    """Other greenlets go on; native threads have had this long."""
    gevent.sleep(seconds)
