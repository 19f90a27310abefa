"""Proving who one is by password. Every attempt is a row of auth_logs, from which lockouts are read.

So an admin who deletes rows (the guide's "manual reset") lifts a lockout at once.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

from peewee import Expression, fn

from chat_server.chat.refusals import RefusalError
from chat_server.chat.sessions import Device
from chat_server.config import RateLimitSection
from chat_server.observability.metrics import Metrics
from chat_server.security.addresses import address_group
from chat_server.security.lockout import Failed, Failures, LockedOut, Lockout
from chat_server.security.passwords import Passwords
from chat_server.storage.models import AuthLog, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

log = logging.getLogger("chat_server.accounts")

USERNAME = re.compile(r"[A-Za-z0-9_]{1,50}", re.ASCII)
KEPT_MS = 30 * 24 * 3600 * 1000
_PRUNED_AT_ONCE = 5_000


class InvalidCredentialsError(RefusalError):
    """There is no such person, or the password isn't theirs: which of the two is not told."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who has proved to be somebody, and the digest they proved it against."""

    user_id: str
    username: str
    digest: str
    deleted: bool


class Logins:
    """Checks passwords, off the hub, and counts who fails. `limits` may be replaced while the server runs."""

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        passwords: Passwords,
        *,
        limits: RateLimitSection,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._passwords = passwords
        self._limits = limits
        self._lockout = Lockout(limits)
        self._metrics = metrics
        self._clock = clock

    def retune(self, limits: RateLimitSection) -> None:
        """Takes the limits of a configuration that was reloaded."""
        self._limits = limits
        self._lockout.retune(limits)

    def prove(self, username: str, password: str, device: Device) -> Credentials:
        """Whose username and password these are, also where the account was deleted.

        An unknown name takes as long as a known one. Raises LockedOut, InvalidCredentialsError, HashingBusy.
        """
        if not device.limited:
            return self._attempt(username, password, device)
        name, place, now = _loggable(username), address_group(device.address), self._clock()
        try:
            with self._lockout.attempt(
                name, place, lambda: self._readers.run(count_failures, name, place, self._limits, now=now), now=now
            ):
                return self._attempt(username, password, device)
        except LockedOut:
            self._metrics.rate_limited.labels("login").inc()
            raise

    def _attempt(self, username: str, password: str, device: Device) -> Credentials:
        known = self._readers.run(find_credentials, username)
        digest = None if known is None else known.digest
        matches = self._passwords.verify(digest, password, address=device.counted_as)
        name, place = _loggable(username), address_group(device.address)
        self._writer.write(record_attempt, name, place, succeeded=matches, now=self._clock())
        self._metrics.logins.labels("succeeded" if matches else "failed").inc()
        if known is None or not matches:
            log.warning("failed login", {"username": name, "address": device.address})
            raise InvalidCredentialsError
        return known


# The rules.


def find_credentials(username: str) -> Credentials | None:
    """What a password for this name, in whatever case, is checked against. None for nobody."""
    user = User.get_or_none(User.username == username)
    if user is None or user.password_hash is None:
        return None
    return Credentials(user.id, user.username, user.password_hash, user.deleted_at is not None)


def record_attempt(username: str, address: str, *, succeeded: bool, now: int) -> None:
    """Writes an attempt down."""
    AuthLog.create(username=username, address=address, succeeded=int(succeeded), created_at=now)


def prune_auth_logs(now: int) -> None:
    """Forgets attempts of more than a month ago, some at a time: it runs in the writer, before messages."""
    oldest = AuthLog.select(AuthLog.id).order_by(AuthLog.id).limit(_PRUNED_AT_ONCE)
    AuthLog.delete().where(AuthLog.id.in_(oldest), AuthLog.created_at < now - KEPT_MS).execute()


def count_failures(username: str, address: str, limits: RateLimitSection, *, now: int) -> Failures:
    """What failed within the window: for the two together since they last succeeded, and for each alone."""
    name, place = AuthLog.username == username, AuthLog.address == address
    succeeded = AuthLog.select(fn.COALESCE(fn.MAX(AuthLog.id), 0)).where(name, place, AuthLog.succeeded == 1)
    since = now - limits.auth_window_seconds * 1000
    return Failures(
        pair=_failed(name & place & (AuthLog.id > succeeded), since, limits.max_auth_attempts),
        username=_failed(name, since, limits.max_auth_attempts_per_username),
        address=_failed(place, since, limits.max_auth_attempts_per_address),
    )


def unlock(username: str) -> int:
    """Forgets the failed attempts under a name, which lifts its lockouts; gives how many there were."""
    forgotten: int = AuthLog.delete().where(AuthLog.username == username, AuthLog.succeeded == 0).execute()
    return forgotten


def _failed(which: Expression, since: int, bound: int) -> Failed:
    newest = (
        AuthLog.select(AuthLog.created_at)
        .where(which, AuthLog.succeeded == 0, AuthLog.created_at > since)
        .order_by(AuthLog.created_at.desc())
        .limit(bound)
    )
    times = [row.created_at for row in newest]
    return Failed(len(times), times[-1] if times else 0)


def _loggable(username: str) -> str:
    """The name for rows and log lines; what can't be anybody's name is not repeated there."""
    return username if USERNAME.fullmatch(username) else "(invalid)"
