"""Conversations: starting one, listing them, and what a person who connects must know of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from peewee import Expression

from chat_server.chat.refusals import (
    BlockedError,
    ConversationNotFoundError,
    NotAParticipantError,
    RecipientDeletedError,
    UserNotFoundError,
    WithOneselfError,
)
from chat_server.storage.compiled import Compiled
from chat_server.storage.models import Block, Conversation, Message, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

DELETED_USER = "Deleted User"
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_MAX_REMEMBERED = 200_000


def new_id(prefix: str) -> str:
    """A short public id, `prefix-` and 16 characters (80 bits) that are easy to read out."""
    return prefix + "-" + "".join(secrets.choice(_ALPHABET) for _ in range(16))


@dataclass(frozen=True, slots=True)
class Route:
    """What it takes to send from one person to another. `conversation_id` is empty where there is none yet."""

    sender_id: str
    recipient_id: str
    conversation_id: str
    side: int
    recipient_deleted: bool
    blocked: bool
    sender_blocks: bool


@dataclass(frozen=True, slots=True)
class Started:
    conversation_id: str
    participant_id: str
    participant_username: str
    created: bool


@dataclass(frozen=True, slots=True)
class ConversationItem:
    """A line of a person's list. `delivered_seq` and `read_seq` are the other's, `my_read_seq` is one's own."""

    conversation_id: str
    participant_id: str
    participant_username: str
    hides_presence: bool
    last_message: str | None
    last_message_at: int | None
    last_seq: int
    unread_count: int
    delivered_seq: int
    read_seq: int
    my_read_seq: int


@dataclass(frozen=True, slots=True)
class ConversationPage:
    items: list[ConversationItem]
    total: int
    has_more: bool
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Acquaintance:
    """A conversation as one of its people meets it on connecting, the newest activity first in a list of them."""

    conversation_id: str
    side: int
    partner_id: str
    delivered_seq: int
    last_seq: int
    shown_to: bool
    """Whether the partner may see this person's presence: neither deleted nor blocked."""


class InvalidCursorError(ValueError):
    """A cursor is what `next_cursor` said, unchanged."""


class Conversations:
    """Starts and lists conversations, and keeps the routes that sending needs on every message."""

    def __init__(
        self,
        readers: Readers,
        writer: Writer,
        *,
        clock: Callable[[], int],
        started: Callable[[str, str], None] = lambda _one, _other: None,
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._started = started
        self._routes: dict[tuple[str, str], Route] = {}
        self._forgotten = 0
        self._people: dict[str, tuple[str, str]] = {}

    def start(self, caller_id: str, other_id: str) -> Started:
        """The conversation of the two, made where there was none.

        Raises WithOneselfError, UserNotFoundError, RecipientDeletedError, BlockedError.
        """
        started = self._writer.write(start_conversation, caller_id, other_id, self._clock())
        self.forget(caller_id, other_id)
        if started.created:
            self._started(caller_id, other_id)
        return started

    def page(self, user_id: str, *, limit: int, offset: int = 0, cursor: str | None = None) -> ConversationPage:
        """The person's conversations, newest activity first. Raises InvalidCursorError."""
        return self._readers.run(list_conversations, user_id, limit, offset, cursor)

    def acquaintances(self, user_id: str) -> list[Acquaintance]:
        """All the person's conversations, as they matter on connecting."""
        acquaintances = self._readers.run(list_acquaintances, user_id)
        for one in acquaintances:
            self._remember_people(one.conversation_id, user_id, one.partner_id)
        return acquaintances

    def route(self, sender_id: str, recipient_id: str) -> Route:
        """From memory where it is known. Raises UserNotFoundError, WithOneselfError."""
        route = self._routes.get((sender_id, recipient_id))
        if route is None:
            forgotten = self._forgotten
            route = self._readers.run(find_route, sender_id, recipient_id)
            if len(self._routes) >= _MAX_REMEMBERED:
                self._routes.clear()
            if forgotten == self._forgotten:  # otherwise what was read may be what has changed since
                self._routes[sender_id, recipient_id] = route
            if route.conversation_id:
                self._remember_people(route.conversation_id, sender_id, recipient_id)
        return route

    def people(self, conversation_id: str) -> tuple[str, str]:
        """The two people's ids, by side. Raises ConversationNotFoundError.

        Those of whoever is connected are known, so that a release of messages need not wait for a reader.
        """
        people = self._people.get(conversation_id)
        if people is None:
            people = self._readers.run(find_people, conversation_id)
            self._remember_people(conversation_id, *people)
        return people

    def _remember_people(self, conversation_id: str, one_id: str, other_id: str) -> None:
        if len(self._people) >= _MAX_REMEMBERED:
            self._people.clear()
        self._people[conversation_id] = (one_id, other_id) if one_id < other_id else (other_id, one_id)

    def side(self, conversation_id: str, user_id: str) -> int:
        """1 or 2. Raises ConversationNotFoundError, NotAParticipantError."""
        people = self.people(conversation_id)
        if user_id not in people:
            raise NotAParticipantError
        return people.index(user_id) + 1

    def forget(self, one_id: str, other_id: str) -> None:
        """What was known of the two has changed."""
        self._forgotten += 1
        self._routes.pop((one_id, other_id), None)
        self._routes.pop((other_id, one_id), None)

    def forget_all(self) -> None:
        """Anything may have changed: an account was deleted, or another process wrote to the database."""
        self._forgotten += 1
        self._routes.clear()


def start_conversation(caller_id: str, other_id: str, now: int) -> Started:
    """Runs in the writer."""
    route = find_route(caller_id, other_id)
    other = User.get_by_id(other_id)
    if route.blocked:
        raise BlockedError
    if route.conversation_id:
        return Started(route.conversation_id, other_id, shown_name(other.username, other.deleted_at), created=False)
    if route.recipient_deleted:
        raise RecipientDeletedError
    first, second = sorted((caller_id, other_id))
    made = Conversation.create(id=new_id("conv"), user1_id=first, user2_id=second, created_at=now, last_message_at=now)
    return Started(made.id, other_id, other.username, created=True)


def find_people(conversation_id: str) -> tuple[str, str]:
    """Runs in a reader. Raises ConversationNotFoundError."""
    row = Conversation.get_or_none(Conversation.id == conversation_id)
    if row is None:
        raise ConversationNotFoundError
    return row.user1_id, row.user2_id


_DELETION = Compiled(lambda user_id: User.select(User.deleted_at).where(User.id == user_id))
_BETWEEN = Compiled(
    lambda first, second: Conversation.select(Conversation.id).where(
        Conversation.user1_id == first, Conversation.user2_id == second
    )
)
_BLOCKERS = Compiled(
    lambda one, other: Block.select(Block.blocker_id).where(
        Block.blocker_id.in_((one, other)), Block.blocked_id.in_((one, other))
    )
)


def find_route(sender_id: str, recipient_id: str) -> Route:
    """Runs in a reader or the writer. Raises WithOneselfError, UserNotFoundError."""
    if sender_id == recipient_id:
        raise WithOneselfError
    recipients = _DELETION.rows(recipient_id)
    if not recipients:
        raise UserNotFoundError
    pair = first, second = sorted((sender_id, recipient_id))
    conversations = _BETWEEN.rows(first, second)
    blockers = {blocker_id for (blocker_id,) in _BLOCKERS.rows(*pair)}
    return Route(
        sender_id=sender_id,
        recipient_id=recipient_id,
        conversation_id=conversations[0][0] if conversations else "",
        side=1 if sender_id == first else 2,
        recipient_deleted=recipients[0][0] is not None,
        blocked=recipient_id in blockers,
        sender_blocks=sender_id in blockers,
    )


def shown_name(username: str, deleted_at: int | None) -> str:
    """The name others see: a deleted person's is never shown again."""
    return username if deleted_at is None else DELETED_USER


def _of(user_id: str) -> Expression:
    return (Conversation.user1_id == user_id) | (Conversation.user2_id == user_id)


def _blocks_around(user_id: str) -> tuple[set[str], set[str]]:
    """(whom the person has blocked, who has blocked the person)"""
    blocked = {block.blocked_id for block in Block.select().where(Block.blocker_id == user_id)}
    blocking = {block.blocker_id for block in Block.select().where(Block.blocked_id == user_id)}
    return blocked, blocking


def list_conversations(user_id: str, limit: int, offset: int, cursor: str | None) -> ConversationPage:
    """Runs in a reader. A cursor names the last line seen by its activity, so that it pages stably."""
    total = Conversation.select().where(_of(user_id)).count()
    query = (
        Conversation.select()
        .where(_of(user_id))
        .order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
        .limit(limit + 1)
    )
    if cursor is None:
        query = query.offset(offset)
    else:
        at, conversation_id = _parse_cursor(cursor)
        earlier = (Conversation.last_message_at == at) & (Conversation.id < conversation_id)
        query = query.where((Conversation.last_message_at < at) | earlier)
    rows = list(query)
    page, has_more = rows[:limit], len(rows) > limit
    return ConversationPage(
        items=_items(user_id, page),
        total=total,
        has_more=has_more,
        next_cursor=f"{page[-1].last_message_at}:{page[-1].id}" if has_more else None,
    )


def _parse_cursor(cursor: str) -> tuple[int, str]:
    at, separator, conversation_id = cursor.partition(":")
    if not separator or not at.isascii() or not at.isdigit() or len(at) > 16 or len(conversation_id) > 64:
        raise InvalidCursorError
    return int(at), conversation_id


def _items(user_id: str, rows: list[Conversation]) -> list[ConversationItem]:
    """The rows as the person sees them."""
    partner_ids = [row.sides(user_id)[1].user_id for row in rows]
    partners = User.select().where(User.id.in_(partner_ids))
    names = {user.id: shown_name(user.username, user.deleted_at) for user in partners}
    newest = (
        Message.select(Message.conversation_id, Message.content)
        .join(
            Conversation,
            on=(Message.conversation_id == Conversation.id) & (Message.seq == Conversation.last_seq),
        )
        .where(Conversation.id.in_([row.id for row in rows]))
    )
    last_messages = {message.conversation_id: message.content for message in newest}
    _, blocking = _blocks_around(user_id)
    items = []
    for row in rows:
        mine, theirs = row.sides(user_id)
        items.append(
            ConversationItem(
                conversation_id=row.id,
                participant_id=theirs.user_id,
                participant_username=names[theirs.user_id],
                hides_presence=theirs.user_id in blocking,
                last_message=last_messages.get(row.id),
                last_message_at=row.last_message_at if row.last_seq else None,
                last_seq=row.last_seq,
                unread_count=mine.unread,
                delivered_seq=max(theirs.delivered_seq, theirs.read_seq),
                read_seq=theirs.read_seq,
                my_read_seq=mine.read_seq,
            )
        )
    return items


_ALL = Compiled(
    lambda user_id: (
        Conversation.select(
            Conversation.id,
            Conversation.user1_id,
            Conversation.user2_id,
            Conversation.user1_delivered_seq,
            Conversation.user2_delivered_seq,
            Conversation.last_seq,
        )
        .where(_of(user_id))
        .order_by(Conversation.last_message_at.desc())
    )
)
_BLOCKED = Compiled(lambda user_id: Block.select(Block.blocked_id).where(Block.blocker_id == user_id))


def list_acquaintances(user_id: str) -> list[Acquaintance]:
    """Runs in a reader."""
    blocked = {blocked_id for (blocked_id,) in _BLOCKED.rows(user_id)}
    acquaintances = []
    for conversation_id, first, second, first_delivered, second_delivered, last_seq in _ALL.rows(user_id):
        own = (1, second, first_delivered) if user_id == first else (2, first, second_delivered)
        side, partner_id, delivered_seq = own
        acquaintances.append(
            Acquaintance(
                conversation_id=conversation_id,
                side=side,
                partner_id=partner_id,
                delivered_seq=delivered_seq,
                last_seq=last_seq,
                shown_to=partner_id not in blocked,
            )
        )
    return acquaintances
