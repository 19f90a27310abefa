"""What an admin does with invites."""

from __future__ import annotations

from dataclasses import dataclass

from chat_server.chat import invites
from chat_server.config import Config
from chat_server.operations.errors import RefusedError
from chat_server.operations.opening import reading, writing
from chat_server.storage.models import User


@dataclass(frozen=True, slots=True)
class InviteItem:
    """A line of the list of invites; times in ms since the epoch, `used_by` a username."""

    invite_id: str
    state: invites.InviteState
    note: str
    created_at: int
    expires_at: int | None
    used_at: int | None
    used_by: str | None


def create(config: Config, *, note: str, expires_at: int | None, now: int) -> tuple[str, str]:
    """A new invite: its id, and the code for the person invited, which is shown this once.

    Raises RefusedError for a note that is too long to be kept.
    """
    if len(note) > invites.MAX_NOTE_CHARACTERS:
        raise RefusedError(f"the note has {len(note)} characters; {invites.MAX_NOTE_CHARACTERS} are the most")
    with writing(config.database):
        return invites.create_invite(note=note, expires_at=expires_at, now=now)


def list_invites(config: Config, *, now: int) -> list[InviteItem]:
    """Every invite, the latest first."""
    with reading(config.database):
        return _items(now)


def revoke(config: Config, invite_id: str, *, now: int) -> InviteItem:
    """The invite as it is afterwards: useless, though one that was used stays "used". Raises RefusedError."""
    with writing(config.database):
        try:
            invites.revoke_invite(invite_id, now=now)
        except invites.InviteNotFoundError:
            raise RefusedError(f"{invite_id!r}: there is no such invite") from None
        return next(item for item in _items(now) if item.invite_id == invite_id)


def _items(now: int) -> list[InviteItem]:
    items = invites.list_invites(now=now)
    used_by = {item.used_by_id for item in items if item.used_by_id}
    names = {user.id: user.username for user in User.select().where(User.id.in_(used_by))}
    return [
        InviteItem(
            invite_id=item.invite_id,
            state=item.state,
            note=item.note,
            created_at=item.created_at,
            expires_at=item.expires_at,
            used_at=item.used_at,
            used_by=names[item.used_by_id] if item.used_by_id else None,
        )
        for item in items
    ]
