"""Every error an HTTP client can meet, in one table: exception to status, code and words.

All of them are answered in one shape: {"error", "message", "details"?, "timestamp"} (contract, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import falcon
import msgspec
from msgspec import Struct

from chat_server.chat.accounts import InvalidUsernameError, RegistrationClosedError, UsernameTakenError
from chat_server.chat.conversations import InvalidCursorError
from chat_server.chat.invites import InvalidInviteError
from chat_server.chat.logins import InvalidCredentialsError
from chat_server.chat.refusals import (
    BlockedError,
    ConversationNotFoundError,
    NotAParticipantError,
    RecipientDeletedError,
    UserNotFoundError,
    WithOneselfError,
)
from chat_server.chat.sessions import AccountDeletedError, SessionNotFoundError, UnauthorizedError
from chat_server.security.lockout import LockedOut
from chat_server.security.passwords import HashingBusy, WeakPassword
from chat_server.security.throttle import Quota
from chat_server.storage.errors import StorageUnavailableError

# What can be wrong with a request as such, before anybody knows what it asks for.


class MalformedRequestError(Exception):
    """Not HTTP as RFC 9112 has it, or ambiguous about where the request ends."""


class HttpVersionError(Exception):
    """Neither HTTP/1.0 nor HTTP/1.1."""


class TransferCodingError(Exception):
    """A Transfer-Encoding other than chunked."""


class RequestTooSlowError(Exception):
    """The request did not arrive within [limits] request_timeout_seconds."""


class RequestLineTooLongError(Exception):
    """The method, address and version take too many bytes."""


class HeadersTooLargeError(Exception):
    """Too many header fields, or too long."""


class BodyTooLargeError(Exception):
    """The body is over [limits] max_body_bytes."""


class TooManyHttpConnectionsError(Exception):
    """The server has [limits] max_http_connections."""


class MediaTypeError(Exception):
    """A body that is not declared as JSON."""


class InvalidJsonError(Exception):
    """A body that is not JSON."""


class InvalidBodyError(Exception):
    """JSON, but not what this call takes; the text says what and where."""


class InvalidQueryError(Exception):
    """A parameter of the query is missing, of the wrong type or out of range; the text says which."""


class UpgradeRequiredError(Exception):
    """/socket answers WebSocket upgrades (RFC 6455, version 13) only."""


class InvalidHandshakeError(Exception):
    """A WebSocket upgrade without a proper Sec-WebSocket-Key."""


class TooManyRequestsError(Exception):
    """The client's address has used up its requests."""

    def __init__(self, quota: Quota) -> None:
        super().__init__()
        self.quota = quota


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an exception is answered. Without a message of its own, the exception's text is the message."""

    status: int
    code: str
    message: str = ""


REFUSALS: dict[type[Exception], Refusal] = {
    # Requests as such
    MalformedRequestError: Refusal(400, "BAD_REQUEST", "This is not a valid HTTP request."),
    HttpVersionError: Refusal(505, "HTTP_VERSION_NOT_SUPPORTED", "The server speaks HTTP/1.1 and HTTP/1.0."),
    TransferCodingError: Refusal(501, "NOT_IMPLEMENTED", "The only Transfer-Encoding known here is chunked."),
    RequestTooSlowError: Refusal(408, "REQUEST_TIMEOUT", "The request took too long to arrive."),
    RequestLineTooLongError: Refusal(414, "URI_TOO_LONG", "The address of the request is too long."),
    HeadersTooLargeError: Refusal(431, "HEADERS_TOO_LARGE", "The request's header is too large."),
    BodyTooLargeError: Refusal(413, "BODY_TOO_LARGE", "The request's body is too large."),
    TooManyHttpConnectionsError: Refusal(503, "BUSY", "The server has as many connections as it may have."),
    MediaTypeError: Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."),
    InvalidJsonError: Refusal(400, "INVALID_JSON", "The body is not valid JSON."),
    InvalidBodyError: Refusal(400, "INVALID_REQUEST"),
    InvalidQueryError: Refusal(400, "INVALID_QUERY"),
    InvalidCursorError: Refusal(400, "INVALID_QUERY", "The cursor is not one this server gave out."),
    UpgradeRequiredError: Refusal(426, "UPGRADE_REQUIRED", "Connect here with a WebSocket client, version 13."),
    InvalidHandshakeError: Refusal(400, "BAD_REQUEST", "Sec-WebSocket-Key must be 16 bytes in base64."),
    TooManyRequestsError: Refusal(429, "RATE_LIMITED", "Too many requests: wait, then try again."),
    # Accounts and sessions
    UnauthorizedError: Refusal(401, "UNAUTHORIZED", "The token is missing, expired or not valid: log in again."),
    InvalidUsernameError: Refusal(400, "INVALID_USERNAME", "A username is 1 to 50 of A-Z, a-z, 0-9 and _."),
    WeakPassword: Refusal(400, "INVALID_PASSWORD"),
    UsernameTakenError: Refusal(409, "USERNAME_TAKEN", "This username is taken: choose another."),
    RegistrationClosedError: Refusal(403, "REGISTRATION_CLOSED", "Signing up needs an invitation, or is closed."),
    InvalidInviteError: Refusal(403, "INVALID_INVITE", "This invitation is not valid any more: ask for another."),
    InvalidCredentialsError: Refusal(401, "INVALID_CREDENTIALS", "The username or the password is wrong."),
    LockedOut: Refusal(429, "RATE_LIMITED", "Too many failed logins: wait, then try again."),
    AccountDeletedError: Refusal(404, "ACCOUNT_DELETED", "This account was deleted; there is no way back."),
    SessionNotFoundError: Refusal(404, "SESSION_NOT_FOUND", "You have no such session."),
    HashingBusy: Refusal(503, "BUSY", "Too many people are logging in: try again in a moment."),
    # People and conversations
    UserNotFoundError: Refusal(404, "USER_NOT_FOUND", "There is no such person."),
    RecipientDeletedError: Refusal(404, "RECIPIENT_DELETED", "That account was deleted."),
    WithOneselfError: Refusal(400, "WITH_ONESELF", "It takes another person: this is yourself."),
    BlockedError: Refusal(403, "BLOCKED", "That person does not take messages from you."),
    ConversationNotFoundError: Refusal(404, "CONVERSATION_NOT_FOUND", "There is no such conversation."),
    NotAParticipantError: Refusal(403, "NOT_A_PARTICIPANT", "This conversation is between other people."),
    # The server's own troubles
    StorageUnavailableError: Refusal(503, "SERVER_ERROR", "This cannot be stored now: try again later."),
    # What Falcon finds, before any of our code
    falcon.HTTPNotFound: Refusal(404, "NOT_FOUND", "There is nothing at this address."),
    falcon.HTTPMethodNotAllowed: Refusal(405, "METHOD_NOT_ALLOWED", "This address does not take this method."),
    falcon.HTTPBadRequest: Refusal(400, "BAD_REQUEST", "This is not a valid HTTP request."),
}

JSON = {"Content-Type": "application/json"}

# Of what was not foreseen a stranger learns nothing; the log has it, under the request's id.
UNFORESEEN = Refusal(500, "SERVER_ERROR", "Something went wrong here. The admin finds it in the log.")


def quota_headers(quota: Quota) -> dict[str, str]:
    """The X-RateLimit headers; Reset is in seconds from now, as Retry-After is."""
    return {
        "X-RateLimit-Limit": str(quota.limit),
        "X-RateLimit-Remaining": str(quota.remaining),
        "X-RateLimit-Reset": str(quota.reset_seconds),
    }


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """Every error's JSON: a code for programs, a message for people, the time in ms since the epoch."""

    error: str
    message: str
    timestamp: int
    details: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error as it goes out."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def status_line(self) -> str:
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def refusal_of(kind: type[Exception]) -> Refusal:
    """The table's entry for a class of exceptions, or for the nearest base of it."""
    return next((REFUSALS[base] for base in kind.__mro__ if base in REFUSALS), UNFORESEEN)


def answer(error: Exception, *, now: int) -> ErrorAnswer:
    """An exception as its answer; `now` in ms since the epoch."""
    refusal = refusal_of(type(error))
    headers = {**JSON, **dict(_headers(error))}
    details: dict[str, int] = {}
    wait = _wait_seconds(error)
    if wait is not None:
        details["retryAfterSeconds"] = wait
        headers["Retry-After"] = str(wait)
    body = ErrorBody(refusal.code, refusal.message or str(error), now, details)
    return ErrorAnswer(refusal.status, msgspec.json.encode(body), headers)


def _wait_seconds(error: Exception) -> int | None:
    match error:
        case LockedOut(retry_after_ms=milliseconds):
            return -(-milliseconds // 1000)
        case HashingBusy(retry_after_seconds=seconds):
            return seconds
        case TooManyRequestsError(quota=quota):
            return quota.reset_seconds
        case _:
            return None


def _headers(error: Exception) -> Iterator[tuple[str, str]]:
    match error:
        case UnauthorizedError():
            yield "WWW-Authenticate", "Bearer"
        case UpgradeRequiredError():
            yield "Upgrade", "websocket"
            yield "Connection", "Upgrade"
            yield "Sec-WebSocket-Version", "13"
        case TooManyRequestsError(quota=quota):
            yield from quota_headers(quota).items()
        case falcon.HTTPError(headers=headers) if headers:
            yield from dict(headers).items()
        case _:
            pass
