"""How much there is: figures that stay quick with ten million messages."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

from peewee import fn

from chat_server.config import Config
from chat_server.observability.backups import last_backup_at
from chat_server.operations.opening import reading
from chat_server.storage.models import Conversation, Message, Session, User

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Stats:
    """Sizes in bytes, times in ms since the epoch."""

    users: int
    deleted_users: int
    sessions: int
    conversations: int
    messages: int
    messages_last_hour: int
    messages_last_day: int
    database_path: str
    database_bytes: int
    wal_bytes: int
    schema_version: int
    last_backup_at: int | None


def stats(config: Config, *, now: int) -> Stats:
    """The figures of this moment. Raises DatabaseUnusableError, StorageUnavailableError."""
    path = Path(config.database.path)
    idle_ms = config.auth.session_idle_seconds * 1000
    with reading(config.database) as database:
        # A conversation's seqs have no gaps and messages are never deleted, so the last seqs add up to the
        # count, and the many rows of the messages need not be read.
        conversations, messages = Conversation.select(
            fn.COUNT(Conversation.id), fn.COALESCE(fn.SUM(Conversation.last_seq), 0)
        ).scalar(as_tuple=True)
        return Stats(
            users=User.select().where(User.deleted_at.is_null()).count(),
            deleted_users=User.select().where(User.deleted_at.is_null(False)).count(),
            sessions=Session.select().where(Session.last_used_at > now - idle_ms).count(),
            conversations=conversations,
            messages=messages,
            messages_last_hour=_messages_since(now - HOUR_MS),
            messages_last_day=_messages_since(now - DAY_MS),
            database_path=str(path),
            database_bytes=_size(path),
            wal_bytes=_size(Path(f"{path}-wal")),
            schema_version=database.pragma("user_version"),
            last_backup_at=last_backup_at(Path(config.backup.directory)),
        )


def _messages_since(time: int) -> int:
    """How many messages are as young as `time` or younger: their ids count up as time goes on, so some 20 look-ups."""
    newest: int = Message.select(fn.MAX(Message.id)).scalar() or 0
    older = bisect_left(range(1, newest + 1), time, key=_created_at)
    return newest - older


def _created_at(message_id: int) -> int:
    """When that message was stored, or the next there is."""
    created_at: int = (
        Message.select(Message.created_at).where(Message.id >= message_id).order_by(Message.id).limit(1).scalar()
    )
    return created_at


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
