"""What an admin does to accounts. Names are compared without regard to case."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass

from chat_server.chat import accounts, sessions
from chat_server.chat.sessions import SessionItem, SessionNotFoundError
from chat_server.config import Config
from chat_server.operations.errors import RefusedError
from chat_server.operations.opening import reading, writing
from chat_server.security.passwords import WeakPassword, check_policy, hash_password
from chat_server.storage.models import AuthLog, User

GENERATED_CHARACTERS = 20

ChoosePassword = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Person:
    """An account, by the name as its owner writes it."""

    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class UserItem:
    """A line of the list of accounts; times in ms since the epoch."""

    username: str
    user_id: str
    created_at: int
    last_seen_at: int | None
    deleted_at: int | None


def list_users(config: Config, *, prefix: str, deleted: bool, limit: int) -> tuple[list[UserItem], int]:
    """The first `limit` accounts by name, or the deleted ones, and how many there are in all."""
    with reading(config.database):
        matches = User.select().where(User.deleted_at.is_null(not deleted))
        if prefix:
            matches = matches.where(User.username.startswith(prefix))
        found = [
            UserItem(user.username, user.id, user.created_at, user.last_seen_at, user.deleted_at)
            for user in matches.order_by(User.username).limit(limit)
        ]
        return found, matches.count()


def find(config: Config, username: str) -> Person:
    """Raises RefusedError when there is nobody of that name, or no longer."""
    with reading(config.database):
        return _find(username)


def create(config: Config, username: str, *, choose_password: ChoosePassword, now: int) -> Person:
    """A new account, also where registration is closed. `choose_password` is asked only if the name is free.

    Raises RefusedError.
    """
    try:
        with reading(config.database):
            accounts.check_username(username)
            accounts.check_sign_up(username, "", now=now)
        digest = _digest(config, choose_password())
        with writing(config.database):
            return Person(accounts.create_account(username, digest, now=now), username)
    except accounts.InvalidUsernameError:
        raise RefusedError(f"{username!r} is no username: it has 1 to 50 of A-Z, a-z, 0-9 and _") from None
    except accounts.UsernameTakenError:
        raise RefusedError(f"{username}: the name is taken, or was a deleted user's") from None


def reset_password(config: Config, username: str, *, choose_password: ChoosePassword) -> tuple[Person, int]:
    """Another password for who lost theirs, and how many sessions that ended: all.

    `choose_password` is asked only if there is such a user. Raises RefusedError.
    """
    find(config, username)
    digest = _digest(config, choose_password())
    with writing(config.database):
        person = _find(username)
        return person, len(accounts.set_password(person.user_id, digest))


def delete(config: Config, username: str, *, now: int) -> tuple[Person, int]:
    """Ends an account for ever, as its owner could; how many sessions that ended. Raises RefusedError."""
    with writing(config.database):
        person = _find(username)
        return person, len(accounts.delete_account(person.user_id, now=now))


def unlock(config: Config, username: str) -> tuple[Person, int]:
    """Forgets the failed logins by a name; how many there were. Raises RefusedError."""
    with writing(config.database):
        person = _find(username)
        failed = (AuthLog.username == person.username) & (AuthLog.succeeded == 0)
        return person, AuthLog.delete().where(failed).execute()


def list_sessions(config: Config, username: str, *, now: int) -> tuple[Person, list[SessionItem]]:
    """Where somebody is signed in, the last used first. Raises RefusedError."""
    with reading(config.database):
        person = _find(username)
        since = now - config.auth.session_idle_seconds * 1000
        return person, sessions.list_sessions(person.user_id, since=since)


def end_sessions(config: Config, username: str, *, only: str | None) -> tuple[Person, int]:
    """Signs one device out, or every one; how many that were. Raises RefusedError."""
    with writing(config.database):
        person = _find(username)
        if only is None:
            return person, len(sessions.end_sessions(person.user_id))
        try:
            return person, len(sessions.end_session(person.user_id, only))
        except SessionNotFoundError:
            raise RefusedError(f"{person.username} has no session {only!r}") from None


def generate_password() -> str:
    """A random password of some 115 bits that the policy accepts."""
    while True:
        password = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(GENERATED_CHARACTERS))
        try:
            check_policy(password)
        except WeakPassword:
            continue
        return password


def _find(username: str) -> Person:
    user = User.get_or_none(User.username == username)
    if user is None:
        raise RefusedError(f"{username!r}: there is no such user")
    if user.deleted_at is not None:
        raise RefusedError(f"{user.username}: the account was deleted")
    return Person(user.id, user.username)


def _digest(config: Config, password: str) -> str:
    try:
        check_policy(password)
    except WeakPassword as weakness:
        raise RefusedError(weakness.reason) from None
    auth = config.auth
    return hash_password(password, memory_kib=auth.password_memory_kib, iterations=auth.password_iterations)
