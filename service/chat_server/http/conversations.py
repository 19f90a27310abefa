"""/conversations: starting, listing, reading and searching them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from chat_server.chat.conversations import ConversationItem, Conversations, InvalidCursorError
from chat_server.chat.history import HistoryMessage, read_history, search
from chat_server.chat.presence import Presence
from chat_server.chat.refusals import (
    BlockedError,
    ConversationNotFoundError,
    NotAParticipantError,
    RecipientDeletedError,
    UserNotFoundError,
    WithOneselfError,
)
from chat_server.chat.sessions import Caller
from chat_server.http.endpoint import Reply, endpoint
from chat_server.http.errors import InvalidQueryError
from chat_server.storage.readers import Readers

Count = Annotated[int, Meta(ge=0, le=2**53 - 1)]
# Who asks for everything gets the largest page (guide, chapter 5), not an error.
MAX_PAGE = 100
Page = Annotated[int, Meta(ge=1, le=2**53 - 1, description=f"At most {MAX_PAGE} are given.")]


class StartBody(Struct, frozen=True, rename="camel"):
    other_user_id: str


class StartedBody(Struct, frozen=True, rename="camel"):
    conversation_id: str
    participant_id: str
    participant_username: str
    participant_is_online: bool


class ListQuery(Struct, frozen=True, rename="camel"):
    limit: Page = 20
    offset: Count = 0
    cursor: str | None = None


class ConversationBody(Struct, frozen=True, rename="camel"):
    conversation_id: str
    participant_id: str
    participant_username: str
    participant_is_online: bool
    last_message: str | None
    last_message_at: int | None
    message_count: int
    last_seq: int
    unread_count: int
    delivered_seq: int
    read_seq: int
    my_read_seq: int


class ConversationsBody(Struct, frozen=True, rename="camel"):
    conversations: list[ConversationBody]
    total: int
    has_more: bool
    next_cursor: str | None


class HistoryQuery(Struct, frozen=True, rename="camel"):
    limit: Page = 50
    offset: Count = 0
    before: Count | None = None
    after: Count | None = None


class MessageBody(Struct, frozen=True, rename="camel"):
    id: str
    seq: int
    sender_id: str
    sender_username: str
    recipient_id: str
    content: str
    created_at: int
    status: str


class HistoryBody(Struct, frozen=True, rename="camel"):
    conversation_id: str
    messages: list[MessageBody]
    total: int
    has_more: bool


class SearchMessagesQuery(Struct, frozen=True, rename="camel"):
    q: Annotated[str, Meta(min_length=1, max_length=500)]
    limit: Page = 50
    before: Count | None = None


class MatchBody(Struct, frozen=True, rename="camel"):
    id: str
    seq: int
    sender_id: str
    sender_username: str
    content: str
    created_at: int
    match_context: str


class MatchesBody(Struct, frozen=True, rename="camel"):
    conversation_id: str
    matches: list[MatchBody]
    total: int
    searched_to_seq: int
    has_more: bool


class StartConversation:
    def __init__(self, conversations: Conversations, presence: Presence) -> None:
        self._conversations = conversations
        self._presence = presence

    @endpoint(
        status=201,
        or_status=200,
        refuses=(UserNotFoundError, RecipientDeletedError, WithOneselfError, BlockedError),
    )
    def on_post(self, caller: Caller, body: StartBody) -> Reply[StartedBody]:
        """The conversation with another person: 201 when it was made just now, 200 when it was there."""
        started = self._conversations.start(caller.user_id, body.other_user_id)
        return Reply(
            201 if started.created else 200,
            StartedBody(
                conversation_id=started.conversation_id,
                participant_id=started.participant_id,
                participant_username=started.participant_username,
                participant_is_online=self._presence.is_online(started.participant_id),
            ),
        )


class MyConversations:
    def __init__(self, conversations: Conversations, presence: Presence) -> None:
        self._conversations = conversations
        self._presence = presence

    @endpoint(refuses=(InvalidCursorError,))
    def on_get(self, caller: Caller, query: ListQuery) -> ConversationsBody:
        """One's conversations, the newest activity first. `cursor` pages stably, `offset` simply."""
        page = self._conversations.page(
            caller.user_id, limit=min(query.limit, MAX_PAGE), offset=query.offset, cursor=query.cursor
        )
        return ConversationsBody([self._body(item) for item in page.items], page.total, page.has_more, page.next_cursor)

    def _body(self, item: ConversationItem) -> ConversationBody:
        return ConversationBody(
            conversation_id=item.conversation_id,
            participant_id=item.participant_id,
            participant_username=item.participant_username,
            participant_is_online=not item.hides_presence and self._presence.is_online(item.participant_id),
            last_message=item.last_message,
            last_message_at=item.last_message_at,
            message_count=item.last_seq,
            last_seq=item.last_seq,
            unread_count=item.unread_count,
            delivered_seq=item.delivered_seq,
            read_seq=item.read_seq,
            my_read_seq=item.my_read_seq,
        )


class History:
    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    @endpoint(refuses=(ConversationNotFoundError, NotAParticipantError))
    def on_get(self, caller: Caller, conversation_id: str, query: HistoryQuery) -> HistoryBody:
        """A page of messages, oldest first within it; without `before` or `after`, the newest.

        `offset` skips the newest. `total` is the last seq, `hasMore` says whether more lies in the direction asked.
        """
        if (query.before is not None) + (query.after is not None) + (query.offset > 0) > 1:
            raise InvalidQueryError("Give one of before, after and offset.")
        page = self._readers.run(
            read_history,
            caller.user_id,
            conversation_id,
            limit=min(query.limit, MAX_PAGE),
            offset=query.offset,
            before=query.before,
            after=query.after,
        )
        return HistoryBody(
            conversation_id, [message_body(message) for message in page.messages], page.total, page.has_more
        )


class SearchMessages:
    def __init__(self, readers: Readers, *, milliseconds: int) -> None:
        self._readers = readers
        self._milliseconds = milliseconds

    @endpoint(refuses=(ConversationNotFoundError, NotAParticipantError))
    def on_get(self, caller: Caller, conversation_id: str, query: SearchMessagesQuery) -> MatchesBody:
        """Messages that contain `q`, whatever its case, the newest first.

        It stops after a while: `searchedToSeq` says how far it got, `before=` that seq goes on. `total` counts
        the matches of this answer.
        """
        page = self._readers.run(
            search,
            caller.user_id,
            conversation_id,
            query.q,
            limit=min(query.limit, MAX_PAGE),
            before=query.before,
            milliseconds=self._milliseconds,
        )
        matches = [
            MatchBody(
                id=match.message.id,
                seq=match.message.seq,
                sender_id=match.message.sender_id,
                sender_username=match.message.sender_username,
                content=match.message.content,
                created_at=match.message.created_at,
                match_context=match.context,
            )
            for match in page.matches
        ]
        return MatchesBody(conversation_id, matches, len(matches), page.searched_to_seq, page.has_more)


def message_body(message: HistoryMessage) -> MessageBody:
    """A stored message as JSON shows it."""
    return MessageBody(
        id=message.id,
        seq=message.seq,
        sender_id=message.sender_id,
        sender_username=message.sender_username,
        recipient_id=message.recipient_id,
        content=message.content,
        created_at=message.created_at,
        status=message.status,
    )
