"""Sending a message: may they, is it new, and on to the writer."""

from __future__ import annotations

from chat_server.chat.conversations import Conversations, Route
from chat_server.chat.refusals import (
    BlockedError,
    IdConflictError,
    MessageLengthError,
    RateLimitedError,
    RecipientDeletedError,
    RefusalError,
)
from chat_server.security.throttle import Rate, TokenBucket
from chat_server.storage.commit import Conflicting, Draft, Stored, find_stored
from chat_server.storage.writer import Writer

MAX_CHARACTERS = 5000


class Messages:
    """Takes messages from people. What is accepted is queued for the writer, and acknowledged with its batch."""

    def __init__(self, conversations: Conversations, writer: Writer, *, rate: Rate) -> None:
        self._conversations = conversations
        self._writer = writer
        self._rate = rate
        self._buckets: dict[str, TokenBucket] = {}

    def send(
        self,
        *,
        sender_id: str,
        recipient_id: str,
        client_id: str,
        content: str,
        limited: bool,
        now: int,
        origin: object,
    ) -> Stored | None:
        """Queues the message; its outcome comes with the writer's batch, carrying `origin`.

        A message that is refused may still be one that was stored before: then that one is given back, to be
        acknowledged again, whatever has happened since. Raises a RefusalError otherwise.
        """
        too_fast = self._limit(sender_id, now) if limited else None
        try:
            if not 1 <= len(content) <= MAX_CHARACTERS:
                raise MessageLengthError
            route = self._conversations.route(sender_id, recipient_id)
        except RefusalError as hopeless:
            raise too_fast or hopeless from None
        refusal = too_fast or _obstacle(route)
        if refusal is not None:
            return self._already_stored(_draft(route, client_id, content, None), refusal)
        if not route.conversation_id:
            self._conversations.start(sender_id, recipient_id)
            route = self._conversations.route(sender_id, recipient_id)
        self._writer.append(_draft(route, client_id, content, origin))
        return None

    def _limit(self, sender_id: str, now: int) -> RefusalError | None:
        bucket = self._buckets.get(sender_id)
        if bucket is None:
            bucket = self._buckets[sender_id] = TokenBucket(self._rate, now)
        retry_after_ms = bucket.take(now)
        return RateLimitedError(retry_after_ms) if retry_after_ms else None

    def _already_stored(self, draft: Draft, refusal: RefusalError) -> Stored:
        # By the writer: it looks behind what is still on its way to disk, which may be the same message.
        known = self._writer.write(find_stored, draft) if draft.conversation_id else None
        if known is None:
            raise refusal
        if isinstance(known, Conflicting):
            raise IdConflictError
        return known

    def forget_idle(self, now: int) -> None:
        """Drops the buckets that are full again: a new one would be the same."""
        for sender_id in [sender_id for sender_id, bucket in self._buckets.items() if bucket.is_full(now)]:
            del self._buckets[sender_id]


def _obstacle(route: Route) -> RefusalError | None:
    if route.recipient_deleted:
        return RecipientDeletedError()
    if route.blocked:
        return BlockedError()
    return None


def _draft(route: Route, client_id: str, content: str, origin: object) -> Draft:
    return Draft(route.conversation_id, route.side, client_id, route.sender_id, route.recipient_id, content, origin)
