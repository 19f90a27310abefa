"""Reading a conversation: pages of its history, searching it, and the backlog a person is pushed on connecting.

Seqs have no gaps, so every page is a range of seqs and costs the same however long the conversation is.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

from chat_server.chat.conversations import shown_name
from chat_server.chat.refusals import ConversationNotFoundError, NotAParticipantError
from chat_server.storage.compiled import Compiled
from chat_server.storage.models import Conversation, Message, User

SEARCH_CHUNK = 500
BACKLOG_ROWS = 256
FRAME_OVERHEAD_BYTES = 300
CONTEXT_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A stored message as its readers see it; `status` is sent, delivered or read, by the recipient's watermarks."""

    id: str
    seq: int
    sender_id: str
    sender_username: str
    recipient_id: str
    content: str
    created_at: int
    status: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    messages: list[HistoryMessage]
    total: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class Match:
    message: HistoryMessage
    context: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Matches newest first. The search covered every message from `searched_to_seq` on."""

    matches: list[Match]
    searched_to_seq: int
    has_more: bool


_FIRST, _SECOND = User.alias(), User.alias()
_CONVERSATION = Compiled(
    lambda conversation_id: (
        Conversation.select(
            Conversation.last_seq,
            *(_FIRST.id, _FIRST.username, _FIRST.deleted_at),
            *(Conversation.user1_delivered_seq, Conversation.user1_read_seq),
            *(_SECOND.id, _SECOND.username, _SECOND.deleted_at),
            *(Conversation.user2_delivered_seq, Conversation.user2_read_seq),
        )
        .join(_FIRST, on=(_FIRST.id == Conversation.user1_id))
        .join_from(Conversation, _SECOND, on=(_SECOND.id == Conversation.user2_id))
        .where(Conversation.id == conversation_id)
    )
)
_SPAN = Compiled(
    lambda conversation_id, first, last: (
        Message.select(Message.client_id, Message.seq, Message.sender_id, Message.content, Message.created_at)
        .where(Message.conversation_id == conversation_id, Message.seq >= first, Message.seq <= last)
        .order_by(Message.seq)
    )
)


class _Person(NamedTuple):
    """One of the two, and how far they have got."""

    id: str
    username: str
    deleted_at: int | None
    delivered_seq: int
    read_seq: int


class _Row(NamedTuple):
    """A message as it is stored."""

    client_id: str
    seq: int
    sender_id: str
    content: str
    created_at: int


class _View:
    """A conversation as one of its people reads it."""

    def __init__(self, user_id: str, conversation_id: str) -> None:
        found = _CONVERSATION.rows(conversation_id)
        if not found:
            raise ConversationNotFoundError
        self.last_seq, *people = found[0]
        first, second = _Person(*people[:5]), _Person(*people[5:])
        if user_id not in {first.id, second.id}:
            raise NotAParticipantError
        self._conversation_id = conversation_id
        self._recipients = {first.id: second, second.id: first}
        self._names = {person.id: shown_name(person.username, person.deleted_at) for person in (first, second)}

    def rows(self, first: int, last: int) -> list[_Row]:
        """The seqs from `first` to `last`, oldest first."""
        return [_Row(*row) for row in _SPAN.rows(self._conversation_id, first, last)]

    def message(self, row: _Row) -> HistoryMessage:
        recipient = self._recipients[row.sender_id]
        return HistoryMessage(
            id=row.client_id,
            seq=row.seq,
            sender_id=row.sender_id,
            sender_username=self._names[row.sender_id],
            recipient_id=recipient.id,
            content=row.content,
            created_at=row.created_at,
            status=_status(row.seq, recipient),
        )


def _status(seq: int, recipient: _Person) -> str:
    if seq <= recipient.read_seq:
        return "read"
    return "delivered" if seq <= recipient.delivered_seq else "sent"


def read_history(
    user_id: str,
    conversation_id: str,
    *,
    limit: int,
    offset: int = 0,
    before: int | None = None,
    after: int | None = None,
) -> HistoryPage:
    """One page, oldest first within it: after a seq, before a seq, or skipping the `offset` newest.

    Runs in a reader. Raises ConversationNotFoundError, NotAParticipantError.
    """
    view = _View(user_id, conversation_id)
    if after is not None:
        first, last = after + 1, min(after + limit, view.last_seq)
        has_more = last < view.last_seq
    else:
        last = min(before - 1 if before is not None else view.last_seq - offset, view.last_seq)
        first = max(last - limit + 1, 1)
        has_more = first > 1
    rows = view.rows(first, last) if first <= last else []
    return HistoryPage([view.message(row) for row in rows], view.last_seq, has_more)


def read_backlog(user_id: str, conversation_id: str, *, after: int, upto: int, max_bytes: int) -> list[HistoryMessage]:
    """The messages after `after` up to `upto` whose contents fill `max_bytes` of UTF-8, but one at least.

    Runs in a reader.
    """
    view = _View(user_id, conversation_id)
    messages: list[HistoryMessage] = []
    size = 0
    for row in view.rows(after + 1, min(upto, after + BACKLOG_ROWS)):
        size += len(row.content.encode()) + FRAME_OVERHEAD_BYTES
        if messages and size > max_bytes:
            break
        messages.append(view.message(row))
    return messages


def search(
    user_id: str, conversation_id: str, text: str, *, limit: int, before: int | None, milliseconds: int
) -> SearchPage:
    """Messages that contain the text, whatever its case, every character literal; stops at a time bound.

    Runs in a reader. Raises ConversationNotFoundError, NotAParticipantError.
    """
    view = _View(user_id, conversation_id)
    wanted = _folded(text)
    deadline = time.monotonic() + milliseconds / 1000
    matches: list[Match] = []
    last = view.last_seq if before is None else max(min(before - 1, view.last_seq), 0)
    while last > 0:
        for row in reversed(view.rows(max(last - SEARCH_CHUNK + 1, 1), last)):
            start = _folded(row.content).find(wanted)
            if start >= 0:
                matches.append(Match(view.message(row), _context(row.content, start, start + len(text))))
                if len(matches) == limit:
                    return SearchPage(matches, row.seq, has_more=row.seq > 1)
        last = max(last - SEARCH_CHUNK, 0)
        if time.monotonic() > deadline:
            break
    return SearchPage(matches, last + 1, has_more=last > 0)


def _folded(text: str) -> str:
    """Without regard to case, character for character, so that what is found in it stands at the same place.

    And `str.find` is quick whatever it looks for. A pattern that ignores case is not: made to measure, it takes
    10 ms a message, in which no other thread runs.
    """
    # The one letter that would grow, and the one that has two forms.
    return text.replace("İ", "i").lower().replace("ς", "σ")  # noqa: RUF001  a sigma is meant


def _context(content: str, start: int, end: int) -> str:
    """The match from `start` to `end`, and some of what stands around it."""
    first, last = max(start - CONTEXT_CHARACTERS, 0), end + CONTEXT_CHARACTERS
    return ("…" if first else "") + content[first:last] + ("…" if last < len(content) else "")
