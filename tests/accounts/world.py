"""The accounts' services on a real database, at a time the test sets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from peewee import SqliteDatabase

from chat_server.chat.accounts import Accounts
from chat_server.chat.blocks import Blocks
from chat_server.chat.conversations import Conversations
from chat_server.chat.logins import Logins
from chat_server.chat.sessions import Caller, Device, Sessions
from chat_server.config import RateLimitSection
from chat_server.observability.metrics import Metrics
from chat_server.security.passwords import Passwords
from chat_server.security.tokens import Tokens
from chat_server.storage.database import connect, prepare
from chat_server.storage.models import User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

PASSWORD = "Correct-Horse-7"
DEVICE = Device("192.0.2.7", "a browser")
IDLE_SECONDS = 30 * 24 * 3600
TOKEN_SECONDS = 3600


class Clock:
    """The time, in ms since the epoch, as the test sets it."""

    def __init__(self) -> None:
        self.now = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_by(self, *, seconds: float) -> None:
        self.now += round(seconds * 1000)


@dataclass
class World:
    database: SqliteDatabase
    readers: Readers
    writer: Writer
    clock: Clock
    sessions: Sessions
    logins: Logins
    accounts: Accounts
    blocks: Blocks
    conversations: Conversations
    ended: list[str] = field(default_factory=list)
    """The sessions that were announced to have ended, in order."""
    deleted: list[str] = field(default_factory=list)
    changed: list[tuple[str, str]] = field(default_factory=list)

    def sign_up(self, username: str) -> tuple[Caller, str]:
        """A new person, as their token shows them, and the token."""
        signed_in = self.accounts.sign_up(username, PASSWORD, invite_code="", device=DEVICE)
        return self.sessions.verify(signed_in.issued.token), signed_in.issued.token

    def digest(self, user_id: str) -> str:
        """What is stored of somebody's password."""
        return str(self.readers.run(User.get_by_id, user_id).password_hash)

    def log_in(self, username: str, password: str = PASSWORD, device: Device = DEVICE) -> str:
        """The token of a new session."""
        return self.accounts.log_in(username, password, device).issued.token


@contextmanager
def open_world(directory: Path) -> Iterator[World]:
    """Everything started, and stopped at the end."""
    path = directory / "chat.db"
    prepare(path)
    database = connect(path)
    clock = Clock()
    readers = Readers(database, threads=1, slow_query_ms=10_000)
    writer = Writer(database, clock=clock)
    passwords = Passwords(threads=1, queue=64, memory_kib=1024, iterations=1)
    ended: list[str] = []
    deleted: list[str] = []
    changed: list[tuple[str, str]] = []

    def end(session_ids: Collection[str]) -> None:
        ended.extend(sorted(session_ids))

    sessions = Sessions(
        readers,
        writer,
        Tokens("a secret of the tests, long enough to sign with", expiry_seconds=TOKEN_SECONDS),
        idle_seconds=IDLE_SECONDS,
        metrics=Metrics(version="test"),
        clock=clock,
        ended=end,
    )
    logins = Logins(
        readers,
        writer,
        passwords,
        limits=RateLimitSection(),
        metrics=Metrics(version="test"),
        clock=clock,
    )
    accounts = Accounts(
        readers, writer, passwords, sessions, logins, registration="open", clock=clock, deleted=deleted.append
    )
    blocks = Blocks(readers, writer, clock=clock, changed=lambda blocker, blocked: changed.append((blocker, blocked)))
    conversations = Conversations(readers, writer, clock=clock)
    writer.start(lambda _batch: None)
    try:
        yield World(
            database, readers, writer, clock, sessions, logins, accounts, blocks, conversations, ended, deleted, changed
        )
    finally:
        passwords.close()
        readers.close()
        writer.stop()
