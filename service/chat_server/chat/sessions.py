"""Sessions: one per login. A token proves who asks; its session says whether they are still signed in.

The plain functions are the rules. They run in the writer or a reader, or on the command line inside a
transaction; `Sessions` adds what a running server needs: the tokens, and a memory of who is signed in.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import gevent

from chat_server.chat.conversations import new_id
from chat_server.chat.refusals import RefusalError
from chat_server.observability.metrics import Metrics
from chat_server.security.addresses import address_group
from chat_server.security.tokens import Claims, TokenExpired, TokenInvalid, Tokens
from chat_server.storage.compiled import Compiled
from chat_server.storage.errors import StorageUnavailableError
from chat_server.storage.models import Session, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

log = logging.getLogger("chat_server.sessions")

MAX_SESSIONS_PER_USER = 1_000
MAX_AGENT_CHARACTERS = 200
REFRESH_RACE_MS = 60_000
USE_SAVED_EVERY_MS = 60_000
_MAX_REMEMBERED = 50_000


class UnauthorizedError(RefusalError):
    """No token, a bad or expired one, or one whose session has ended."""


class AccountDeletedError(RefusalError):
    """The account was deleted. Told only to who proves to be its owner, by a token or the password."""


class SessionNotFoundError(RefusalError):
    """The person has no such session."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where somebody signs in from: the client's address, and what it calls itself.

    `limited`: whether limits of rate apply to the address.
    """

    address: str
    agent: str
    limited: bool = True

    @property
    def counted_as(self) -> str:
        """What its share of what is scarce is counted under; empty where no limits apply."""
        return address_group(self.address) if self.limited else ""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a token belongs to, and until when it lasts (ms since the epoch)."""

    user_id: str
    username: str
    session_id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Issued:
    """A token and the seconds it lasts."""

    token: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just begun, the id of its first token, and the sessions that made room for it."""

    session_id: str
    token_id: str
    displaced: list[str]


@dataclass(frozen=True, slots=True)
class SessionItem:
    """A signed-in device, as its owner sees it."""

    session_id: str
    created_at: int
    last_used_at: int
    address: str
    agent: str


@dataclass(slots=True)
class _Living:
    """What is remembered of a session that lives."""

    user_id: str
    username: str
    last_used_at: int


class Sessions:
    """Who is signed in. `ended` gets the ids of sessions that have just ended, to close their sockets."""

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        tokens: Tokens,
        *,
        idle_seconds: int,
        metrics: Metrics,
        clock: Callable[[], int],
        ended: Callable[[Collection[str]], None],
    ) -> None:
        self._metrics = metrics
        self._readers = readers
        self._writer = writer
        self._tokens = tokens
        self._idle_ms = idle_seconds * 1000
        self._clock = clock
        self._ended = ended
        self._living: OrderedDict[str, _Living] = OrderedDict()
        self._changes = 0
        self._uses: dict[str, int] = {}
        self._saver: gevent.Greenlet[..., None] | None = None

    def verify(self, token: str) -> Caller:
        """Who the token belongs to, if it and its session are good at this moment.

        Raises UnauthorizedError, or AccountDeletedError for the genuine token of a deleted account.
        """
        now = self._clock()
        try:
            claims = self._tokens.verify(token, now=now)
        except TokenExpired as late:
            raise self._refused("expired", str(late)) from late
        except TokenInvalid as fault:
            raise self._refused("invalid" if token else "missing", str(fault)) from fault
        living = self._find(claims)
        if living is None or living.user_id != claims.user_id or self._idle(living.last_used_at, now):
            if self._readers.run(is_deleted, claims.user_id):
                raise AccountDeletedError
            raise self._refused("ended", "the session has ended")
        self._note_use(claims.session_id, living, now)
        return Caller(living.user_id, living.username, claims.session_id, claims.expires_at * 1000)

    def refresh(self, token: str, device: Device) -> Issued:
        """A new token of the same session, for one that is valid or, although expired, the session's newest.

        An older expired one was copied or stolen: it ends the session. Raises UnauthorizedError.
        """
        now = self._clock()
        expired = False
        try:
            claims = self._tokens.verify(token, now=now)
        except TokenExpired as late:
            claims, expired = late.claims, True
        except TokenInvalid as fault:
            raise self._refused("invalid" if token else "missing", str(fault)) from fault
        try:
            token_id = self._writer.write(rotate, claims, expired=expired, idle_ms=self._idle_ms, now=now)
        except UnauthorizedError as over:
            raise self._refused("ended", str(over)) from over
        if token_id is None:
            log.warning(
                "token reused, its session ends",
                {"user": claims.user_id, "session": claims.session_id, "address": device.address},
            )
            self.announce_end([claims.session_id])
            raise self._refused("reused", "the session has ended")
        if claims.session_id in self._living:
            self._living[claims.session_id].last_used_at = now
        return self.issue(user_id=claims.user_id, session_id=claims.session_id, token_id=token_id)

    def issue(self, *, user_id: str, session_id: str, token_id: str) -> Issued:
        """A token for a session that was opened or rotated under this token id."""
        token = self._tokens.issue(user_id=user_id, session_id=session_id, token_id=token_id, now=self._clock())
        return Issued(token, self._tokens.expiry_seconds)

    def devices(self, user_id: str) -> list[SessionItem]:
        """Where the person is signed in, the last used first."""
        return self._readers.run(list_sessions, user_id, since=self._clock() - self._idle_ms)

    def end(self, user_id: str, session_id: str) -> None:
        """Signs one device out. Raises SessionNotFoundError when it isn't the person's."""
        self.announce_end(self._writer.write(end_session, user_id, session_id))

    def end_all(self, user_id: str) -> None:
        """Signs every device of the person out."""
        self.announce_end(self._writer.write(end_sessions, user_id))

    def announce_end(self, session_ids: Collection[str]) -> None:
        """These sessions are gone from the database: nothing must go on under them."""
        self._changes += 1
        for session_id in session_ids:
            self._living.pop(session_id, None)
            self._uses.pop(session_id, None)
        if session_ids:
            self._ended(session_ids)

    def forget_all(self) -> None:
        """Another process changed the database: what is remembered may be wrong."""
        self._changes += 1
        self._living.clear()

    def still_living(self, session_ids: Collection[str]) -> set[str]:
        """Which of the sessions the database still has."""
        return self._readers.run(existing, session_ids)

    def _refused(self, reason: str, words: str) -> UnauthorizedError:
        self._metrics.tokens_refused.labels(reason).inc()
        return UnauthorizedError(words)

    def _find(self, claims: Claims) -> _Living | None:
        living = self._living.get(claims.session_id)
        if living is not None:
            self._living.move_to_end(claims.session_id)
            return living
        while True:
            changes = self._changes
            living = self._readers.run(find_living, claims.session_id)
            if changes == self._changes:
                break  # otherwise the session may have ended while it was read
        if living is not None:
            self._living[claims.session_id] = living
            if len(self._living) > _MAX_REMEMBERED:
                self._living.popitem(last=False)
        return living

    def _idle(self, last_used_at: int, now: int) -> bool:
        return now - last_used_at >= self._idle_ms

    def _note_use(self, session_id: str, living: _Living, now: int) -> None:
        if now - living.last_used_at < min(USE_SAVED_EVERY_MS, self._idle_ms // 2):
            return
        living.last_used_at = now
        self._uses[session_id] = now
        if not self._saver:
            self._saver = gevent.spawn(self._save_uses)

    def _save_uses(self) -> None:
        """Writes down when sessions were last used: all that came together while the last commit was under way."""
        while self._uses:
            uses, self._uses = self._uses, {}
            try:
                self._writer.write(save_uses, uses)
            except StorageUnavailableError:
                # A full disk must not sign anybody out: what is remembered is newer, and is saved next time.
                log.debug("the last use of sessions is not saved", {"sessions": len(uses)})


# The rules.


def open_session(user_id: str, device: Device, *, now: int) -> Opened:
    """A new session for a person who has proved who they are; the least used of too many make room for it."""
    mine = Session.select(Session.id).where(Session.user_id == user_id).order_by(Session.last_used_at.desc())
    displaced = [row.id for row in mine.offset(MAX_SESSIONS_PER_USER - 1).limit(MAX_SESSIONS_PER_USER)]
    Session.delete().where(Session.id.in_(displaced)).execute()
    opened = Opened(session_id=new_id("sess"), token_id=new_id("tok"), displaced=displaced)
    Session.create(
        id=opened.session_id,
        user_id=user_id,
        token_id=opened.token_id,
        rotated_at=now,
        created_at=now,
        last_used_at=now,
        address=device.address,
        agent=device.agent[:MAX_AGENT_CHARACTERS],
    )
    return opened


def rotate(claims: Claims, *, expired: bool, idle_ms: int, now: int) -> str | None:
    """The id for the session's next token, or None where the token was reused, which ends the session.

    Only the newest token moves the session on. An older one that is still good gets another token of the
    newest generation, so that of two tabs which race neither is left behind. Raises UnauthorizedError when
    the session does not live.
    """
    session = Session.get_or_none(Session.id == claims.session_id, Session.user_id == claims.user_id)
    if session is None or now - session.last_used_at >= idle_ms:
        raise UnauthorizedError("the session has ended")
    token_id: str = session.token_id
    if claims.token_id != token_id:
        raced = claims.token_id == session.previous_token_id and now - session.rotated_at <= REFRESH_RACE_MS
        if expired and not raced:
            session.delete_instance()
            return None
        Session.update(last_used_at=now).where(Session.id == session.id).execute()
        return token_id
    new_token_id = new_id("tok")
    Session.update(token_id=new_token_id, previous_token_id=token_id, rotated_at=now, last_used_at=now).where(
        Session.id == session.id
    ).execute()
    return new_token_id


_LIVING = Compiled(
    lambda session_id: (
        Session.select(Session.user_id, User.username, Session.last_used_at)
        .join(User, on=(User.id == Session.user_id))
        .where(Session.id == session_id)
    )
)


def find_living(session_id: str) -> _Living | None:
    """The session with its owner's name, whether or not it has been idle for too long."""
    rows = _LIVING.rows(session_id)
    return _Living(*rows[0]) if rows else None


def is_deleted(user_id: str) -> bool:
    """Whether this was somebody's account."""
    deleted: bool = User.select().where(User.id == user_id, User.deleted_at.is_null(False)).exists()
    return deleted


def list_sessions(user_id: str, *, since: int) -> list[SessionItem]:
    """The person's sessions used after `since` (ms since the epoch), the last used first."""
    rows = (
        Session.select()
        .where(Session.user_id == user_id, Session.last_used_at > since)
        .order_by(Session.last_used_at.desc(), Session.id)
    )
    return [
        SessionItem(
            session_id=row.id,
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            address=row.address,
            agent=row.agent,
        )
        for row in rows
    ]


def end_session(user_id: str, session_id: str) -> list[str]:
    """Ends one; gives its id. Raises SessionNotFoundError when it isn't the person's."""
    ended = Session.delete().where(Session.id == session_id, Session.user_id == user_id).execute()
    if not ended:
        raise SessionNotFoundError
    return [session_id]


def end_sessions(user_id: str, *, but: str = "") -> list[str]:
    """Ends all of a person's sessions but one; gives the ids of those that ended."""
    doomed = (Session.user_id == user_id) & (Session.id != but)
    session_ids = [row.id for row in Session.select(Session.id).where(doomed)]
    Session.delete().where(doomed).execute()
    return session_ids


def prune_sessions(before: int) -> None:
    """Deletes the sessions last used before this time (ms since the epoch): they have been idle for too long."""
    Session.delete().where(Session.last_used_at <= before).execute()


def existing(session_ids: Collection[str]) -> set[str]:
    """Those of the sessions that the database has."""
    wanted = list(session_ids)
    found: set[str] = set()
    for start in range(0, len(wanted), 500):  # SQLite bounds the variables of a statement
        chunk = Session.select(Session.id).where(Session.id.in_(wanted[start : start + 500]))
        found.update(row.id for row in chunk)
    return found


def save_uses(uses: Mapping[str, int]) -> None:
    """When each session was last used (ms since the epoch); a session that has ended stays ended."""
    for session_id, used_at in uses.items():
        Session.update(last_used_at=used_at).where(Session.id == session_id).execute()
