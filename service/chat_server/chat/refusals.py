"""Why the chat says no, by meaning. The edges (http/errors.py, realtime/connection.py) give them codes and words."""

from __future__ import annotations


class RefusalError(Exception):
    """The base of all that a person may be refused."""


class UserNotFoundError(RefusalError):
    """There is no such person."""


class RecipientDeletedError(RefusalError):
    """The person's account was deleted."""


class WithOneselfError(RefusalError):
    """A conversation needs two people."""


class BlockedError(RefusalError):
    """The other person has blocked this one."""


class ConversationNotFoundError(RefusalError):
    """There is no such conversation."""


class NotAParticipantError(RefusalError):
    """The conversation is between two other people."""


class MessageLengthError(RefusalError):
    """A message's content has 1 to 5,000 Unicode characters."""


class IdConflictError(RefusalError):
    """The id is taken in its conversation, by another content or the other person."""


class RateLimitedError(RefusalError):
    """Too much in too short a time; `retry_after_ms` says when there is room again."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__()
        self.retry_after_ms = retry_after_ms
