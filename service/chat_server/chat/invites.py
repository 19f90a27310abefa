"""Invites: where registration is by invitation, a code lets one person sign up.

All functions run in the writer, or on the command line inside a transaction; `check_invite` and
`list_invites` only read.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal

from chat_server.chat.conversations import new_id
from chat_server.chat.refusals import RefusalError
from chat_server.storage.models import Invite

InviteState = Literal["open", "used", "expired", "revoked"]

MAX_NOTE_CHARACTERS = 200


class InvalidInviteError(RefusalError):
    """The code is none of ours, or used, expired, or revoked: which of these, a stranger isn't told."""


class InviteNotFoundError(RefusalError):
    """There is no such invite."""


@dataclass(frozen=True, slots=True)
class InviteItem:
    """An invite as an admin sees it; times in ms since the epoch. Its code is known only to who got it."""

    invite_id: str
    note: str
    state: InviteState
    created_at: int
    expires_at: int | None
    used_at: int | None
    used_by_id: str | None


def create_invite(*, note: str, expires_at: int | None, now: int) -> tuple[str, str]:
    """A new invite: its id and its code, which is stored nowhere and can't be shown again."""
    invite_id, code = new_id("inv"), secrets.token_urlsafe(16)
    Invite.create(
        id=invite_id,
        code_hash=_hash(code),
        note=note[:MAX_NOTE_CHARACTERS],
        created_at=now,
        expires_at=expires_at,
    )
    return invite_id, code


def check_invite(code: str, *, now: int) -> None:
    """Raises InvalidInviteError unless somebody may sign up with the code."""
    if not Invite.select().where(_usable(code, now)).exists():
        raise InvalidInviteError


def consume_invite(code: str, *, user_id: str, now: int) -> None:
    """Uses the code up, in the transaction that makes the account. Raises InvalidInviteError."""
    if not Invite.update(used_at=now, used_by_id=user_id).where(_usable(code, now)).execute():
        raise InvalidInviteError


def revoke_invite(invite_id: str, *, now: int) -> None:
    """Makes the code useless; what was signed up with it stays. Raises InviteNotFoundError."""
    if not Invite.select().where(Invite.id == invite_id).exists():
        raise InviteNotFoundError
    Invite.update(revoked_at=now).where(Invite.id == invite_id, Invite.revoked_at.is_null()).execute()


def list_invites(*, now: int) -> list[InviteItem]:
    """Every invite, the latest first."""
    return [
        InviteItem(
            invite_id=invite.id,
            note=invite.note,
            state=_state(invite, now),
            created_at=invite.created_at,
            expires_at=invite.expires_at,
            used_at=invite.used_at,
            used_by_id=invite.used_by_id,
        )
        for invite in Invite.select().order_by(Invite.created_at.desc(), Invite.id)
    ]


def _hash(code: str) -> str:
    # A code has 128 random bits: unlike a password it needs no salt and no slow hash.
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def _usable(code: str, now: int) -> object:
    unexpired = Invite.expires_at.is_null() | (Invite.expires_at > now)
    untouched = Invite.used_at.is_null() & Invite.revoked_at.is_null()
    return (Invite.code_hash == _hash(code)) & untouched & unexpired


def _state(invite: Invite, now: int) -> InviteState:
    if invite.used_at is not None:
        return "used"
    if invite.revoked_at is not None:
        return "revoked"
    if invite.expires_at is not None and invite.expires_at <= now:
        return "expired"
    return "open"
