"""The frames of the protocol as types: parsing is validation (contract, section 3)."""

from __future__ import annotations

import itertools
import json
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

FRAME_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class InvalidFrameError(Exception):
    """A frame that can't be taken: `code` for programs, the message for people, `frame_id` where it had one."""

    def __init__(self, code: str, message: str, frame_id: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.frame_id = frame_id


class _Inbound(Struct, tag_field="type", rename="camel", frozen=True):
    id: str = ""


class MessageData(Struct, rename="camel", frozen=True):
    recipient_id: str
    content: str


class MessageFrame(_Inbound, tag="message", kw_only=True, frozen=True):
    id: str
    data: MessageData


class ReadData(Struct, rename="camel", frozen=True):
    conversation_id: str
    up_to_seq: Annotated[int, Meta(ge=0)]


class ReadFrame(_Inbound, tag="read", kw_only=True, frozen=True):
    data: ReadData


class TypingData(Struct, rename="camel", frozen=True):
    recipient_id: str
    is_typing: bool


class TypingFrame(_Inbound, tag="typing", kw_only=True, frozen=True):
    data: TypingData


class HeartbeatFrame(_Inbound, tag="heartbeat", frozen=True):
    pass


class AuthData(Struct, rename="camel", frozen=True):
    token: str


class AuthFrame(_Inbound, tag="auth", kw_only=True, frozen=True):
    data: AuthData


InboundFrame = MessageFrame | ReadFrame | TypingFrame | HeartbeatFrame | AuthFrame

_decoder = msgspec.json.Decoder(InboundFrame)


def parse(payload: bytes) -> InboundFrame:
    """The frame a client sent. Raises InvalidFrameError with INVALID_JSON or INVALID_MESSAGE."""
    try:
        frame: InboundFrame = _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _explain(payload, error) from error
    if frame.id and FRAME_ID.fullmatch(frame.id) is None:
        raise InvalidFrameError("INVALID_MESSAGE", "id: 1 to 64 of A-Z a-z 0-9 . _ : -", frame.id)
    if not frame.id and isinstance(frame, MessageFrame):
        raise InvalidFrameError("INVALID_MESSAGE", "a message needs an id of its sender's choice")
    return frame


def _explain(payload: bytes, fault: Exception) -> InvalidFrameError:
    """The decoder of frames stops at what it meets first: that there is JSON at all, and its id, is seen here.

    It also stops at half a character, which is JSON (RFC 8259, section 8.2) and what browsers make of a text that
    was cut in the middle of an emoji. Its sender has to learn which message it was, or would send it for ever.
    """
    try:
        found = json.loads(payload.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as malformed:
        return InvalidFrameError("INVALID_JSON", str(malformed))
    whole = isinstance(fault, msgspec.ValidationError)
    frame_id = found.get("id") if isinstance(found, dict) else None
    return InvalidFrameError(
        "INVALID_MESSAGE",
        str(fault) if whole else "a text ends or begins with half a character (a surrogate without its other half)",
        frame_id if isinstance(frame_id, str) and frame_id.isprintable() else "",
    )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class SentData(Struct, rename="camel"):
    message_id: str
    conversation_id: str
    seq: int
    server_timestamp: int
    status: Literal["sent"] = "sent"


class ReachedData(Struct, rename="camel"):
    status: Literal["delivered", "read"]
    message_id: str
    conversation_id: str
    up_to_seq: int
    user_id: str


class PushData(Struct, rename="camel"):
    sender_id: str
    sender_username: str
    recipient_id: str
    content: str
    conversation_id: str
    seq: int
    status: str


class ReadyConversation(Struct, rename="camel"):
    conversation_id: str
    last_seq: int


class ReadyData(Struct, rename="camel"):
    user_id: str
    username: str
    server_time: int
    heartbeat_seconds: int
    conversations: list[ReadyConversation]
    has_more: bool


class PresenceData(Struct, rename="camel"):
    user_id: str
    username: str
    is_online: bool
    last_seen_at: int | None


class TypingPush(Struct, rename="camel"):
    sender_id: str
    sender_username: str
    is_typing: bool


class HeartbeatData(Struct, rename="camel"):
    server_time: int


class AuthenticatedData(Struct, rename="camel"):
    expires_at: int


class ErrorData(Struct, rename="camel"):
    code: str
    message: str
    details: dict[str, int]


Data = (
    SentData
    | ReachedData
    | PushData
    | ReadyData
    | PresenceData
    | TypingPush
    | HeartbeatData
    | AuthenticatedData
    | ErrorData
)


class _Outbound(Struct):
    id: str
    type: str
    timestamp: int
    data: Data


_encode = msgspec.json.Encoder().encode
_numbers = itertools.count(1)


def encode(kind: str, data: Data, *, now: int, frame_id: str = "") -> bytes:
    """A frame of ours as JSON. One that answers nothing gets an id of the server's own."""
    return _encode(_Outbound(frame_id or f"srv-{next(_numbers)}", kind, now, data))
