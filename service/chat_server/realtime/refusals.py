"""What a client is told when the chat says no: one table, exception to code and words (contract, section 3)."""

from __future__ import annotations

from chat_server.chat.refusals import (
    BlockedError,
    ConversationNotFoundError,
    IdConflictError,
    MessageLengthError,
    NotAParticipantError,
    RateLimitedError,
    RecipientDeletedError,
    RefusalError,
    UserNotFoundError,
    WithOneselfError,
)
from chat_server.chat.sessions import AccountDeletedError, UnauthorizedError

_WORDS: dict[type[RefusalError], tuple[str, str]] = {
    MessageLengthError: ("INVALID_MESSAGE_LENGTH", "A message has 1 to 5,000 characters."),
    WithOneselfError: ("INVALID_MESSAGE", "A conversation needs two people: this recipient is yourself."),
    UserNotFoundError: ("RECIPIENT_NOT_FOUND", "There is no such person."),
    RecipientDeletedError: ("RECIPIENT_DELETED", "That account was deleted; its messages can still be read."),
    BlockedError: ("BLOCKED", "That person does not take messages from you."),
    IdConflictError: (
        "ID_CONFLICT",
        "This id belongs to another message of the conversation: choose a new one.",
    ),
    ConversationNotFoundError: ("NOT_A_PARTICIPANT", "You have no such conversation."),
    NotAParticipantError: ("NOT_A_PARTICIPANT", "You have no such conversation."),
    UnauthorizedError: ("UNAUTHORIZED", "The token is not valid: sign in again."),
    AccountDeletedError: ("UNAUTHORIZED", "The token is not valid: sign in again."),
    RateLimitedError: ("RATE_LIMIT_EXCEEDED", "Too many messages: wait, then send again."),
}


def explain(refusal: RefusalError) -> tuple[str, str, dict[str, int]]:
    """(code, message, details) of an error frame."""
    code, message = _WORDS[type(refusal)]
    details = {"retryAfterMs": refusal.retry_after_ms} if isinstance(refusal, RateLimitedError) else {}
    return code, message, details
