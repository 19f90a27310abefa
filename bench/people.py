"""A database with people in it, signed in, and with as many messages as wanted, made in seconds.

The schema is the service's own; rows go in directly, without indexes and without waiting for the disk, and the
indexes are made again as the schema says. Messages come in the order of their times, as in life: those of one
conversation lie scattered among all others.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from bench.peer import Peer
from chat_server.security.tokens import Tokens
from chat_server.storage.database import prepare

TOKEN_SECONDS = 24 * 3600
CONTENT = "x" * 100
STRANGERS_MESSAGES = 1000
"""How many messages each of the conversations has that only fill the table."""

MessageRow = tuple[str, int, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Conversation:
    """Of two people: the first and the second of their names."""

    first: str
    second: str
    messages: int = 0

    @property
    def id(self) -> str:
        return f"conv-{self.first}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody who is signed in, in pairs, and the long conversation with its two people."""

    peers: Sequence[Peer]
    readers: Sequence[Peer]
    long: Conversation

    def some(self, count: int) -> list[Peer]:
        """That many of them, as they were before they ever connected. Raises ValueError where there are fewer."""
        if count > len(self.peers):
            raise ValueError(f"{count} people wanted, {len(self.peers)} made")
        return anew(self.peers[:count])


def anew(peers: Iterable[Peer]) -> list[Peer]:
    """The same people, as they were before they ever connected."""
    return [Peer(peer.name, peer.token) for peer in peers]


def populate(database: Path, *, people: int, long_messages: int, stored: int, secret: str) -> Crowd:
    """Makes the database: `people`, in pairs who have never written, and one conversation of `long_messages`.

    `stored` is how many messages there are in all: the others are in the conversations of strangers.
    """
    prepare(database)
    now = time.time_ns() // 1_000_000
    names = [f"person{number:06}" for number in range(people)]
    long = Conversation("reader", "writer", long_messages)
    strangers = _strangers(stored - long_messages)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for setting in ("journal_mode = off", "synchronous = off", "foreign_keys = off"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        _add_people(connection, names, now)
        _add_people(connection, [name for one in (long, *strangers) for name in (one.first, one.second)], now)
        pairs = [Conversation(one, other) for one, other in zip(names[::2], names[1::2], strict=True)]
        _add_conversations(connection, [*pairs, long, *strangers], now)
        _add_messages(connection, _messages(long, strangers, now - stored))
        connection.execute("COMMIT")
    tokens = Tokens(secret, expiry_seconds=TOKEN_SECONDS)
    peers = [
        Peer(name, tokens.issue(user_id=name, session_id=f"sess-{name}", token_id=f"tok-{name}", now=now))
        for name in (*names, long.first, long.second)
    ]
    return Crowd(peers[:-2], peers[-2:], long)


def _strangers(messages: int) -> list[Conversation]:
    if messages <= 0:
        return []
    count = max(messages // STRANGERS_MESSAGES, 1)
    shares = [messages // count + (number < messages % count) for number in range(count)]
    return [Conversation(f"stranger{n:07}a", f"stranger{n:07}b", share) for n, share in enumerate(shares)]


def _add_people(connection: sqlite3.Connection, names: Sequence[str], now: int) -> None:
    """Accounts nobody can log in to, each with a session."""
    connection.executemany(
        "INSERT INTO users (id, username, password_hash, created_at) VALUES (?, ?, '', ?)",
        [(name, name, now) for name in names],
    )
    connection.executemany(
        """INSERT INTO sessions (id, user_id, token_id, rotated_at, created_at, last_used_at, address, agent)
        VALUES ('sess-' || ?1, ?1, 'tok-' || ?1, ?2, ?2, ?2, '127.0.0.1', 'bench')""",
        [(name, now) for name in names],
    )


def _add_conversations(connection: sqlite3.Connection, conversations: Sequence[Conversation], now: int) -> None:
    """Everything in them is delivered and read."""
    connection.executemany(
        """INSERT INTO conversations (id, user1_id, user2_id, created_at, last_message_at, last_seq,
            user1_delivered_seq, user2_delivered_seq, user1_read_seq, user2_read_seq)
        VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5, ?5, ?5, ?5)""",
        [(one.id, one.first, one.second, now, one.messages) for one in conversations],
    )


def _messages(long: Conversation, strangers: Sequence[Conversation], began: int) -> Iterator[MessageRow]:
    """All messages in the order they came, one a millisecond: strangers' in turn, the long one's evenly among them."""
    others = (
        (one, seq)
        for seq in range(1, max((one.messages for one in strangers), default=0) + 1)
        for one in strangers
        if seq <= one.messages
    )
    between = sum(one.messages for one in strangers) // max(long.messages, 1)
    own = ((long, seq) for seq in range(1, long.messages + 1))
    mixed = chain.from_iterable((message, *islice(others, between)) for message in own)
    for at, (conversation, seq) in enumerate(chain(mixed, others), start=began):
        yield _message(conversation, seq, at)


def _message(conversation: Conversation, seq: int, at: int) -> MessageRow:
    """Ids as clients make them: as long as a UUID, and in no order."""
    client_id = f"{seq * 2654435761 % 2**32:08x}-0000-4000-8000-{seq:012x}"
    sender = conversation.first if seq % 2 else conversation.second
    return conversation.id, seq, client_id, sender, CONTENT, at


def _add_messages(connection: sqlite3.Connection, rows: Iterator[MessageRow]) -> None:
    indexes = connection.execute(
        "SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'messages' AND type = 'index' ORDER BY rowid"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    connection.executemany(
        """INSERT INTO messages (conversation_id, seq, client_id, sender_id, content, created_at)
        VALUES (?, ?, ?, ?, ?, ?)""",
        rows,
    )
    for _, sql in indexes:
        connection.execute(sql)
