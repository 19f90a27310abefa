"""Accounts: signing up, logging in, changing the password, deleting oneself, finding one another.

The plain functions are the rules, for the writer, a reader, or the command line inside a transaction;
`Accounts` joins them to the password threads and the sessions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from peewee import Expression

from chat_server.chat.conversations import new_id
from chat_server.chat.invites import check_invite, consume_invite
from chat_server.chat.logins import USERNAME, Credentials, InvalidCredentialsError, Logins
from chat_server.chat.refusals import RefusalError, UserNotFoundError
from chat_server.chat.sessions import (
    AccountDeletedError,
    Caller,
    Device,
    Issued,
    Opened,
    Sessions,
    end_sessions,
    open_session,
)
from chat_server.config import Registration
from chat_server.security.passwords import Passwords, check_policy
from chat_server.storage.models import AuthLog, Block, Conversation, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

log = logging.getLogger("chat_server.accounts")


class InvalidUsernameError(RefusalError):
    """A username is 1 to 50 of A-Z, a-z, 0-9 and _."""


class UsernameTakenError(RefusalError):
    """Somebody has, or had, the name; upper and lower case are the same."""


class RegistrationClosedError(RefusalError):
    """Nobody may sign up, or only who has an invite."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody as they are shown; times in ms since the epoch."""

    user_id: str
    username: str
    created_at: int
    last_seen_at: int | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has just signed up or logged in, with their first token."""

    user_id: str
    username: str
    issued: Issued


@dataclass(frozen=True, slots=True)
class Found:
    """Somebody a search found. `is_partner`: the two share a conversation, so may know who is online."""

    user_id: str
    username: str
    is_partner: bool


class Accounts:
    """The people of this server. `deleted` is called with the id of an account that was just deleted.

    `registration` may be replaced while the server runs.
    """

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        passwords: Passwords,
        sessions: Sessions,
        logins: Logins,
        *,
        registration: Registration,
        clock: Callable[[], int],
        deleted: Callable[[str], None],
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._passwords = passwords
        self._sessions = sessions
        self._logins = logins
        self.registration = registration
        self._clock = clock
        self._deleted = deleted

    def sign_up(self, username: str, password: str, *, invite_code: str, device: Device) -> SignedIn:
        """Makes an account and signs its owner in. An empty code is none.

        Raises RegistrationClosedError, InvalidUsernameError, WeakPassword, InvalidInviteError,
        UsernameTakenError, HashingBusy.
        """
        if self.registration == "closed" or (self.registration == "invite" and not invite_code):
            raise RegistrationClosedError
        invite_code = invite_code if self.registration == "invite" else ""
        check_username(username)
        check_policy(password)
        # All this is checked again when the account is made; here, so that who is refused costs no hash.
        self._readers.run(check_sign_up, username, invite_code, now=self._clock())
        digest = self._passwords.hash(password, address=device.counted_as)
        user_id, opened = self._writer.write(sign_up, username, digest, invite_code, device, now=self._clock())
        log.info("signed up", {"username": username, "user": user_id, "address": device.address})
        return SignedIn(user_id, username, self._issue(user_id, opened))

    def log_in(self, username: str, password: str, device: Device) -> SignedIn:
        """Opens a session for who knows the password.

        Raises LockedOut, InvalidCredentialsError, AccountDeletedError, HashingBusy.
        """
        known = self._logins.prove(username, password, device)
        if known.deleted:
            raise AccountDeletedError
        digest = known.digest
        if self._passwords.needs_rehash(digest):
            digest = self._passwords.hash(password, address=device.counted_as)
        opened = self._writer.write(enter, known, digest, device, now=self._clock())
        self._sessions.announce_end(opened.displaced)
        log.info("logged in", {"username": known.username, "user": known.user_id, "address": device.address})
        return SignedIn(known.user_id, known.username, self._issue(known.user_id, opened))

    def change_password(self, caller: Caller, current: str, new: str, device: Device) -> None:
        """Gives the caller another password, and ends every session but the one they do it from.

        Raises WeakPassword, LockedOut, InvalidCredentialsError, HashingBusy.
        """
        check_policy(new)
        self._logins.prove(caller.username, current, device)
        digest = self._passwords.hash(new, address=device.counted_as)
        ended = self._writer.write(set_password, caller.user_id, digest, but_session=caller.session_id)
        log.info("password changed", {"username": caller.username, "user": caller.user_id})
        self._sessions.announce_end(ended)

    def delete(self, caller: Caller, password: str, device: Device) -> None:
        """Deletes the caller's account. There is no way back.

        Raises LockedOut, InvalidCredentialsError, HashingBusy.
        """
        self._logins.prove(caller.username, password, device)
        ended = self._writer.write(delete_account, caller.user_id, now=self._clock())
        log.info("account deleted", {"username": caller.username, "user": caller.user_id})
        self._sessions.announce_end(ended)
        self._deleted(caller.user_id)

    def find(self, user_id: str) -> Account:
        """Raises UserNotFoundError, also for a deleted account."""
        return self._readers.run(find_account, user_id)

    def search(self, caller_id: str, prefix: str, *, limit: int) -> tuple[list[Found], int]:
        """People whose names begin with the prefix, the first `limit` by name, and how many there are in all."""
        return self._readers.run(search, caller_id, prefix, limit=limit)

    def _issue(self, user_id: str, opened: Opened) -> Issued:
        return self._sessions.issue(user_id=user_id, session_id=opened.session_id, token_id=opened.token_id)


# The rules.


def check_username(username: str) -> None:
    """Raises InvalidUsernameError."""
    if not USERNAME.fullmatch(username):
        raise InvalidUsernameError


def check_sign_up(username: str, invite_code: str, *, now: int) -> None:
    """Whether the name is free, and the code, where there is one, good.

    Raises UsernameTakenError, InvalidInviteError.
    """
    if invite_code:
        check_invite(invite_code, now=now)
    if User.select().where(User.username == username).exists():
        raise UsernameTakenError


def sign_up(username: str, digest: str, invite_code: str, device: Device, *, now: int) -> tuple[str, Opened]:
    """A new account, by an invite where a code is given, and its first session: the user's id, the session.

    Raises UsernameTakenError, InvalidInviteError.
    """
    user_id = create_account(username, digest, now=now)
    if invite_code:
        consume_invite(invite_code, user_id=user_id, now=now)
    return user_id, open_session(user_id, device, now=now)


def create_account(username: str, digest: str, *, now: int) -> str:
    """A new account's id. Raises InvalidUsernameError, UsernameTakenError."""
    check_username(username)
    check_sign_up(username, "", now=now)
    user_id = new_id("user")
    User.create(id=user_id, username=username, password_hash=digest, created_at=now)
    return user_id


def enter(known: Credentials, digest: str, device: Device, *, now: int) -> Opened:
    """A new session for who has proved these credentials, whose digest may be replaced by a newer one.

    Raises InvalidCredentialsError when they were changed meanwhile.
    """
    unchanged = (User.id == known.user_id) & (User.password_hash == known.digest) & User.deleted_at.is_null()
    if not User.update(password_hash=digest).where(unchanged).execute():
        raise InvalidCredentialsError
    return open_session(known.user_id, device, now=now)


def set_password(user_id: str, digest: str, *, but_session: str = "") -> list[str]:
    """A new password, which ends every session but one; gives the ids of those that ended.

    Raises UserNotFoundError.
    """
    living = (User.id == user_id) & User.deleted_at.is_null()
    if not User.update(password_hash=digest).where(living).execute():
        raise UserNotFoundError
    return end_sessions(user_id, but=but_session)


def delete_account(user_id: str, *, now: int) -> list[str]:
    """Ends the account and its sessions, whose ids it gives. The name stays taken, the messages stay.

    The digest stays too: only who knows the password may be told that the account was deleted.
    Raises UserNotFoundError, also when it is deleted already.
    """
    user = User.get_or_none(User.id == user_id, User.deleted_at.is_null())
    if user is None:
        raise UserNotFoundError
    User.update(deleted_at=now, last_seen_at=None).where(User.id == user_id).execute()
    Block.delete().where((Block.blocker_id == user_id) | (Block.blocked_id == user_id)).execute()
    AuthLog.delete().where(AuthLog.username == user.username).execute()
    return end_sessions(user_id)


def find_account(user_id: str) -> Account:
    """Raises UserNotFoundError, also for a deleted account."""
    user = User.get_or_none(User.id == user_id, User.deleted_at.is_null())
    if user is None:
        raise UserNotFoundError
    return Account(user.id, user.username, user.created_at, user.last_seen_at)


def search(caller_id: str, prefix: str, *, limit: int) -> tuple[list[Found], int]:
    """(the first `limit` by name, how many in all) of those whose names begin with the prefix.

    Never the caller, the deleted, or who has blocked the caller.
    """
    blocking = Block.select(Block.blocker_id).where(Block.blocked_id == caller_id)
    matches = User.select(User.id, User.username).where(
        _begins_with(prefix), User.id != caller_id, User.deleted_at.is_null(), User.id.not_in(blocking)
    )
    found = list(matches.order_by(User.username).limit(limit))
    partners = _partners_among(caller_id, [user.id for user in found])
    return [Found(user.id, user.username, user.id in partners) for user in found], matches.count()


def _begins_with(prefix: str) -> Expression:
    # A range of the index, in its collation. Names are ASCII and all sort before the prefix with DEL behind it.
    return (User.username >= prefix) & (User.username < prefix + "\x7f")


def _partners_among(caller_id: str, user_ids: list[str]) -> set[str]:
    """Those who share a conversation with the caller."""
    mine = Conversation.user1_id, Conversation.user2_id
    first = Conversation.select(mine[1]).where(mine[0] == caller_id, mine[1].in_(user_ids))
    second = Conversation.select(mine[0]).where(mine[1] == caller_id, mine[0].in_(user_ids))
    return {row[0] for row in (first | second).tuples()}
