"""Reading a conversation: pages of its history, searching it, and the backlog a person is pushed on connecting.

Seqs have no gaps, so every page is a range of seqs and costs the same however long the conversation is.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from chat_server.chat.conversations import shown_name
from chat_server.chat.refusals import ConversationNotFoundError, NotAParticipantError
from chat_server.storage.models import Conversation, Message, User

SEARCH_CHUNK = 500
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


class _View:
    """A conversation as one of its people reads it."""

    def __init__(self, user_id: str, conversation_id: str) -> None:
        row = Conversation.get_or_none(Conversation.id == conversation_id)
        if row is None:
            raise ConversationNotFoundError
        if user_id not in {row.user1_id, row.user2_id}:
            raise NotAParticipantError
        self.id: str = row.id
        self.last_seq: int = row.last_seq
        names = {user.id: shown_name(user) for user in User.select().where(User.id.in_([row.user1_id, row.user2_id]))}
        self._people = {
            row.user1_id: (names[row.user1_id], row.user2_id, row.user2_delivered_seq, row.user2_read_seq),
            row.user2_id: (names[row.user2_id], row.user1_id, row.user1_delivered_seq, row.user1_read_seq),
        }

    def message(self, row: Any) -> HistoryMessage:
        sender_id, seq = row[2], row[1]
        name, recipient_id, delivered_seq, read_seq = self._people[sender_id]
        status = "read" if seq <= read_seq else "delivered" if seq <= delivered_seq else "sent"
        return HistoryMessage(row[0], seq, sender_id, name, recipient_id, row[3], row[4], status)

    def rows(self, first: int, last: int) -> list[Any]:
        """(id, seq, sender, content, time) of the seqs from `first` to `last`, oldest first."""
        query = (
            Message.select(Message.client_id, Message.seq, Message.sender_id, Message.content, Message.created_at)
            .where(Message.conversation_id == self.id, Message.seq.between(first, last))
            .order_by(Message.seq)
        )
        return list(query.tuples())


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
        has_more = first > 1 and last > 0
    rows = view.rows(first, last) if first <= last else []
    return HistoryPage([view.message(row) for row in rows], view.last_seq, has_more)


def read_backlog(user_id: str, conversation_id: str, *, after: int, upto: int, max_bytes: int) -> list[HistoryMessage]:
    """The messages after `after` up to `upto` whose contents fill `max_bytes` of UTF-8, but one at least.

    Runs in a reader.
    """
    view = _View(user_id, conversation_id)
    messages: list[HistoryMessage] = []
    size = 0
    for row in view.rows(after + 1, min(upto, after + 256)):
        size += len(row[3].encode()) + 300
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
    wanted = re.compile(re.escape(text), re.IGNORECASE)
    deadline = time.monotonic() + milliseconds / 1000
    matches: list[Match] = []
    last = min(before - 1 if before is not None else view.last_seq, view.last_seq)
    while last > 0:
        for row in reversed(view.rows(max(last - SEARCH_CHUNK + 1, 1), last)):
            found = wanted.search(row[3])
            if found is not None:
                matches.append(Match(view.message(row), _context(row[3], found)))
                if len(matches) == limit:
                    return SearchPage(matches, row[1], has_more=row[1] > 1)
        last = max(last - SEARCH_CHUNK, 0)
        if time.monotonic() > deadline:
            break
    return SearchPage(matches, last + 1, has_more=last > 0)


def _context(content: str, found: re.Match[str]) -> str:
    start, end = max(found.start() - CONTEXT_CHARACTERS, 0), found.end() + CONTEXT_CHARACTERS
    return ("…" if start else "") + content[start:end] + ("…" if end < len(content) else "")
