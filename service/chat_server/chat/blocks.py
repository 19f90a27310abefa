"""Blocks: a person need not hear from another. The other learns of it only by being refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chat_server.chat.conversations import shown_name
from chat_server.chat.refusals import UserNotFoundError, WithOneselfError
from chat_server.storage.models import Block, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer


@dataclass(frozen=True, slots=True)
class BlockedPerson:
    """Somebody a person has blocked, and when (ms since the epoch)."""

    user_id: str
    username: str
    blocked_at: int


class Blocks:
    """Who blocks whom. `changed` is called with (blocker, blocked) after each change."""

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        *,
        clock: Callable[[], int],
        changed: Callable[[str, str], None],
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._changed = changed

    def block(self, blocker_id: str, blocked_id: str) -> None:
        """Blocks somebody, who may be blocked already. Raises UserNotFoundError, WithOneselfError."""
        self._writer.write(block, blocker_id, blocked_id, now=self._clock())
        self._changed(blocker_id, blocked_id)

    def unblock(self, blocker_id: str, blocked_id: str) -> None:
        """Takes a block back, if there is one. Raises UserNotFoundError."""
        self._writer.write(unblock, blocker_id, blocked_id)
        self._changed(blocker_id, blocked_id)

    def blocked_by(self, blocker_id: str) -> list[BlockedPerson]:
        """Whom the person has blocked, the latest first."""
        return self._readers.run(list_blocked, blocker_id)


def block(blocker_id: str, blocked_id: str, *, now: int) -> None:
    """Runs in the writer. Raises UserNotFoundError, WithOneselfError."""
    if blocker_id == blocked_id:
        raise WithOneselfError
    _check_exists(blocked_id)
    Block.insert(blocker_id=blocker_id, blocked_id=blocked_id, created_at=now).on_conflict_ignore().execute()


def unblock(blocker_id: str, blocked_id: str) -> None:
    """Runs in the writer. Raises UserNotFoundError."""
    _check_exists(blocked_id)
    Block.delete().where(Block.blocker_id == blocker_id, Block.blocked_id == blocked_id).execute()


def list_blocked(blocker_id: str) -> list[BlockedPerson]:
    """Runs in a reader."""
    blocks = Block.select().where(Block.blocker_id == blocker_id).order_by(Block.created_at.desc(), Block.blocked_id)
    people = User.select().join(Block, on=(User.id == Block.blocked_id)).where(Block.blocker_id == blocker_id)
    names = {person.id: shown_name(person.username, person.deleted_at) for person in people}
    return [BlockedPerson(row.blocked_id, names[row.blocked_id], row.created_at) for row in blocks]


def _check_exists(user_id: str) -> None:
    if not User.select().where(User.id == user_id).exists():
        raise UserNotFoundError
