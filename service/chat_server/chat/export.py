"""All that is stored about a person, read piece by piece, so that no export needs much memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chat_server.chat.conversations import shown_name
from chat_server.chat.history import HistoryMessage, read_history
from chat_server.storage.models import AuthLog, Conversation, Invite, User
from chat_server.storage.readers import Readers

_PAGE = 500


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """An attempt to log in under the person's name, whoever made it."""

    attempt_id: int
    address: str
    succeeded: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class UsedInvite:
    """The invite the person signed up with."""

    invite_id: str
    used_at: int | None


@dataclass(frozen=True, slots=True)
class ExportedConversation:
    """A conversation of the person; its messages are read on their own."""

    conversation_id: str
    participant_id: str
    participant_username: str
    created_at: int


class Exports:
    """Reads what is stored about a person and nowhere else offered whole. Every iterator reads as it goes."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def used_invites(self, user_id: str) -> list[UsedInvite]:
        """One at most, or none where registration was open."""
        return self._readers.run(list_used_invites, user_id)

    def login_attempts(self, username: str) -> Iterator[LoginAttempt]:
        """Oldest first."""
        after = 0
        while page := self._readers.run(list_attempts, username, after=after, limit=_PAGE):
            yield from page
            after = page[-1].attempt_id

    def conversations(self, user_id: str) -> Iterator[ExportedConversation]:
        """By id, an order that new messages don't change under the reader."""
        after = ""
        while page := self._readers.run(list_by_id, user_id, after=after, limit=_PAGE):
            yield from page
            after = page[-1].conversation_id

    def messages(self, user_id: str, conversation_id: str) -> Iterator[HistoryMessage]:
        """Both people's, oldest first."""
        after, has_more = 0, True
        while has_more:
            page = self._readers.run(read_history, user_id, conversation_id, limit=_PAGE, after=after)
            yield from page.messages
            after, has_more = after + len(page.messages), page.has_more


def list_used_invites(user_id: str) -> list[UsedInvite]:
    """Runs in a reader."""
    return [UsedInvite(row.id, row.used_at) for row in Invite.select().where(Invite.used_by_id == user_id)]


def list_attempts(username: str, *, after: int, limit: int) -> list[LoginAttempt]:
    """A page of the attempts to log in under the name. Runs in a reader."""
    rows = AuthLog.select().where(AuthLog.username == username, AuthLog.id > after)
    return [
        LoginAttempt(row.id, row.address, bool(row.succeeded), row.created_at)
        for row in rows.order_by(AuthLog.id).limit(limit)
    ]


def list_by_id(user_id: str, *, after: str, limit: int) -> list[ExportedConversation]:
    """A page of the person's conversations. Runs in a reader."""
    mine = (Conversation.user1_id == user_id) | (Conversation.user2_id == user_id)
    rows = Conversation.select().where(mine, Conversation.id > after).order_by(Conversation.id).limit(limit)
    partner_ids = {row.id: row.user2_id if row.user1_id == user_id else row.user1_id for row in rows}
    names = {
        user.id: shown_name(user.username, user.deleted_at)
        for user in User.select().where(User.id.in_(list(partner_ids.values())))
    }
    return [
        ExportedConversation(row.id, partner_ids[row.id], names[partner_ids[row.id]], row.created_at) for row in rows
    ]
