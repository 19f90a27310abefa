"""/user/me/export: all that is stored about a person, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct

from chat_server.chat.accounts import Accounts
from chat_server.chat.blocks import Blocks
from chat_server.chat.export import ExportedConversation, Exports
from chat_server.chat.sessions import Caller, Sessions
from chat_server.http.conversations import message_body
from chat_server.http.endpoint import Stream, endpoint

_CHUNK_BYTES = 32 * 1024


class ExportedAccount(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    created_at: int
    last_seen_at: int | None


class ExportedSession(Struct, frozen=True, rename="camel"):
    session_id: str
    created_at: int
    last_used_at: int
    address: str
    agent: str


class ExportedAttempt(Struct, frozen=True, rename="camel"):
    address: str
    succeeded: bool
    created_at: int


class ExportedBlock(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    blocked_at: int


class ExportedInvite(Struct, frozen=True, rename="camel"):
    invite_id: str
    used_at: int | None


class Export:
    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        blocks: Blocks,
        exports: Exports,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._blocks = blocks
        self._exports = exports
        self._clock = clock

    @endpoint()
    def on_get(self, caller: Caller) -> Stream:
        """All that is stored about oneself, as one JSON document, with the messages of every conversation."""
        return Stream(_in_chunks(self._write(caller)))

    def _write(self, caller: Caller) -> Iterator[bytes]:
        account = self._accounts.find(caller.user_id)
        yield b'{"exportedAt":' + msgspec.json.encode(self._clock())
        yield b',"account":' + msgspec.json.encode(
            ExportedAccount(account.user_id, account.username, account.created_at, account.last_seen_at)
        )
        yield b',"sessions":'
        yield from _array(
            ExportedSession(item.session_id, item.created_at, item.last_used_at, item.address, item.agent)
            for item in self._sessions.devices(caller.user_id)
        )
        yield b',"loginAttempts":'
        yield from _array(
            ExportedAttempt(attempt.address, attempt.succeeded, attempt.created_at)
            for attempt in self._exports.login_attempts(caller.username)
        )
        yield b',"invites":'
        yield from _array(
            ExportedInvite(invite.invite_id, invite.used_at) for invite in self._exports.used_invites(caller.user_id)
        )
        yield b',"blocks":'
        yield from _array(
            ExportedBlock(one.user_id, one.username, one.blocked_at) for one in self._blocks.blocked_by(caller.user_id)
        )
        yield b',"conversations":['
        separator = b""
        for conversation in self._exports.conversations(caller.user_id):
            yield separator
            yield from self._write_conversation(caller, conversation)
            separator = b","
        yield b"]}"

    def _write_conversation(self, caller: Caller, conversation: ExportedConversation) -> Iterator[bytes]:
        yield b'{"conversationId":' + msgspec.json.encode(conversation.conversation_id)
        yield b',"participantId":' + msgspec.json.encode(conversation.participant_id)
        yield b',"participantUsername":' + msgspec.json.encode(conversation.participant_username)
        yield b',"createdAt":' + msgspec.json.encode(conversation.created_at)
        yield b',"messages":'
        messages = self._exports.messages(caller.user_id, conversation.conversation_id)
        yield from _array(message_body(message) for message in messages)
        yield b"}"


def _array(items: Iterable[Struct]) -> Iterator[bytes]:
    separator = b"["
    for item in items:
        yield separator + msgspec.json.encode(item)
        separator = b","
    yield b"[]" if separator == b"[" else b"]"


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces worth a system call each."""
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)
