"""A database with its writer and readers, as the server has them, for tests that need nothing else of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peewee import SqliteDatabase

from chat_server.chat.conversations import start_conversation
from chat_server.storage.commit import Conflicting, Draft, Mark, Stored
from chat_server.storage.database import connect, prepare
from chat_server.storage.models import Conversation, Message, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Batch, Writer


@dataclass(frozen=True)
class Pair:
    """Two people and their conversation; `one` is on side 1."""

    conversation_id: str
    one: str
    other: str

    def draft(self, side: int, client_id: str, content: str = "text") -> Draft:
        sender_id, recipient_id = (self.one, self.other) if side == 1 else (self.other, self.one)
        return Draft(self.conversation_id, side, client_id, sender_id, recipient_id, content, None)


@dataclass
class Store:
    """`batches` are those the writer has released. Time goes on by a millisecond whenever it is asked for."""

    path: Path
    database: SqliteDatabase
    writer: Writer
    readers: Readers
    batches: list[Batch] = field(default_factory=list)

    def settle(self) -> None:
        """Waits until all that was queued is stored, or has failed."""
        self.writer.write(lambda: None)

    def store(self, *drafts: Draft) -> list[Stored | Conflicting]:
        """Queues the messages together, so that one batch holds them; gives what came of each."""
        for draft in drafts:
            self.writer.append(draft)
        self.settle()
        return self.batches[-1].outcomes

    def raise_delivered(self, pair: Pair, side: int, seq: int) -> None:
        self.writer.raise_delivered(Mark(pair.conversation_id, side, seq))
        self.settle()

    def raise_read(self, pair: Pair, side: int, seq: int) -> None:
        self.writer.raise_read(Mark(pair.conversation_id, side, seq))
        self.settle()

    def introduce(self, one: str = "anna", other: str = "ben") -> Pair:
        """Two new people and their conversation."""

        def introduce() -> str:
            for name in (one, other):
                User.create(id=f"user-{name}", username=name, created_at=1)
            return start_conversation(f"user-{one}", f"user-{other}", 1).conversation_id

        return Pair(self.writer.write(introduce), *sorted((f"user-{one}", f"user-{other}")))

    def conversation(self, pair: Pair) -> Conversation:
        """Its row."""
        return self.readers.run(Conversation.get_by_id, pair.conversation_id)

    def messages(self, pair: Pair) -> list[Message]:
        """Its messages, by seq."""

        def read() -> list[Message]:
            return list(Message.select().where(Message.conversation_id == pair.conversation_id).order_by(Message.seq))

        return self.readers.run(read)


@contextmanager
def open_store(path: Path, *, busy_timeout_seconds: float = 30) -> Iterator[Store]:
    """The database at `path`, made where there is none, until the end of the block."""
    prepare(path)
    database = connect(path, busy_timeout_seconds=busy_timeout_seconds)
    ticks = itertools.count(1)
    writer = Writer(database, clock=lambda: next(ticks))
    readers = Readers(database, threads=2, slow_query_ms=10_000)
    store = Store(path, database, writer, readers)
    writer.start(store.batches.append)
    try:
        yield store
    finally:
        readers.close()
        writer.stop()
