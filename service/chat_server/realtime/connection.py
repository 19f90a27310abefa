"""One person's socket: reads their frames, does what they ask, tells them what they are to know."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gevent.event import Event
from websockets.frames import Opcode

from chat_server.chat.conversations import Acquaintance
from chat_server.chat.refusals import BlockedError, RateLimitedError, RefusalError
from chat_server.chat.sessions import Caller, UnauthorizedError
from chat_server.observability.logs import TRACE
from chat_server.realtime import frames
from chat_server.realtime.courier import Courier
from chat_server.realtime.frames import (
    AuthFrame,
    HeartbeatFrame,
    InboundFrame,
    InvalidFrameError,
    MessageFrame,
    ReadFrame,
    TypingFrame,
)
from chat_server.realtime.refusals import explain
from chat_server.realtime.websocket import WebSocket, text_frame
from chat_server.security.throttle import TokenBucket, Violations
from chat_server.storage.commit import Mark, Stored
from chat_server.storage.errors import StorageUnavailableError

if TYPE_CHECKING:
    from chat_server.realtime.parts import Parts

log = logging.getLogger("chat_server.realtime")

READY_CONVERSATIONS = 200


@dataclass(slots=True)
class Sending:
    """A message's way back to who sent it; `received_at` is monotonic, in seconds."""

    connection: Connection
    received_at: float


class Connection:
    """A socket whose person is known. `run` lasts as long as it does."""

    __slots__ = (
        "_bucket",
        "_held",
        "_parts",
        "_room",
        "_unacknowledged",
        "_violations",
        "address",
        "courier",
        "expires_at",
        "limited",
        "session_id",
        "socket",
        "user_id",
        "username",
    )

    def __init__(self, parts: Parts, socket: WebSocket, caller: Caller, *, address: str, limited: bool) -> None:
        self._parts = parts
        self.socket = socket
        self.courier = Courier(parts, socket, caller.user_id)
        self.user_id = caller.user_id
        self.username = caller.username
        self.session_id = caller.session_id
        self.expires_at = caller.expires_at
        """When its token expires, in milliseconds."""
        self.address = address
        self.limited = limited
        """Whether limits of rate apply to it."""
        self._held: list[bytes] | None = []  # what is told before `ready`, which must come first
        self._unacknowledged = 0
        self._room: Event | None = None
        self._bucket: TokenBucket | None = None
        self._violations: Violations | None = None

    def run(self, acquaintances: list[Acquaintance], early: bytes) -> None:
        """From `ready` to the end of the connection. `early`: bytes that came right behind the upgrade."""
        self._welcome(acquaintances)
        self.courier.open(acquaintances)
        for opcode, payload in self.socket.receive(early):
            if opcode is Opcode.TEXT:
                self._take(payload)
            elif opcode is Opcode.PONG:
                self.courier.pong(payload)
            elif self._take_token():
                self._stop_flood("too many pings")

    def _welcome(self, acquaintances: list[Acquaintance]) -> None:
        now = self._parts.clock()
        newest = acquaintances[:READY_CONVERSATIONS]
        ready = frames.ReadyData(
            user_id=self.user_id,
            username=self.username,
            server_time=now,
            heartbeat_seconds=self._parts.config.websocket.heartbeat_seconds,
            conversations=[frames.ReadyConversation(one.conversation_id, one.last_seq) for one in newest],
            has_more=len(acquaintances) > READY_CONVERSATIONS,
        )
        self.socket.write(text_frame(frames.encode("ready", ready, now=now)))
        held, self._held = self._held or [], None
        self.tell(held)

    def close(self, code: int, reason: str) -> None:
        """Begins the closing handshake; `run` returns when it is done."""
        self.socket.close(code, reason)
        self.released()

    def released(self) -> None:
        """Whoever waits for this socket goes on: there is news, or it is over."""
        if self._room is not None:
            self._room.set()
        self.courier.wake()

    # What it tells

    def tell(self, told: Iterable[bytes]) -> None:
        """Writes serialized frames, at once or right after `ready`."""
        for frame in told:
            self.tell_later(frame)
        self.socket.flush()

    def tell_later(self, frame: bytes) -> None:
        """Queues a serialized frame until the next flush."""
        if self._held is None:
            self.socket.write(frame)
        elif len(self._held) < 1000:
            self._held.append(frame)

    def _answer(self, kind: str, data: frames.Data, frame_id: str) -> None:
        self.tell_later(text_frame(frames.encode(kind, data, now=self._parts.clock(), frame_id=frame_id)))

    def refuse(self, frame_id: str, code: str, message: str, details: dict[str, int] | None = None) -> None:
        """An error frame; the connection stays."""
        self._parts.metrics.errors.labels(code).inc()
        self._answer("error", frames.ErrorData(code, message, details or {}), frame_id)

    def acknowledge(self, stored: Stored) -> None:
        """The sender's `sent`; the caller flushes."""
        draft = stored.draft
        data = frames.SentData(draft.client_id, draft.conversation_id, stored.seq, stored.created_at)
        self._answer("ack", data, draft.client_id)

    def settled(self) -> None:
        """One message less is on its way to disk."""
        self._unacknowledged -= 1
        if self._room is not None:
            self._room.set()

    # What it reads

    def _take(self, payload: bytes) -> None:
        frame_id = ""
        try:
            frame = frames.parse(payload)
            frame_id = frame.id
            if log.isEnabledFor(TRACE):
                log.log(TRACE, "frame received", {"user": self.user_id, "type": type(frame).__name__, "id": frame_id})
            self._obey(frame)
        except InvalidFrameError as error:
            self.refuse(error.frame_id, error.code, str(error))
            if self._take_token():
                self._stop_flood("too many bad frames")
        except RefusalError as refusal:
            self.refuse(frame_id, *explain(refusal))
            if isinstance(refusal, RateLimitedError):
                self._count_violation(refusal.retry_after_ms)
        except StorageUnavailableError:
            self.refuse(frame_id, "SERVER_ERROR", "This could not be stored: send it again later.")
        except Exception:
            log.exception("a frame could not be handled", {"user": self.user_id})
            self.refuse(frame_id, "SERVER_ERROR", "Something went wrong here: send it again later.")

    def _obey(self, frame: InboundFrame) -> None:
        if isinstance(frame, MessageFrame):
            self._send(frame)
            return
        if wait_ms := self._take_token():
            raise RateLimitedError(wait_ms)
        match frame:
            case ReadFrame():
                self._read(frame)
            case TypingFrame():
                self._type(frame)
            case HeartbeatFrame():
                self._answer("heartbeat", frames.HeartbeatData(self._parts.clock()), frame.id)
            case AuthFrame():
                self._sign_in_again(frame)

    def _send(self, frame: MessageFrame) -> None:
        while self._unacknowledged >= self._parts.config.limits.unacknowledged_messages and self.socket.is_open:
            self._wait_for_room()
        if not self.socket.is_open:
            return  # closed meanwhile, perhaps because the person was signed out; nothing was acknowledged
        known = self._parts.messages.send(
            sender_id=self.user_id,
            recipient_id=frame.data.recipient_id,
            client_id=frame.id,
            content=frame.data.content,
            limited=self.limited,
            now=self._parts.clock(),
            origin=Sending(self, time.monotonic()),
        )
        if known is None:
            self._unacknowledged += 1
        else:
            self.acknowledge(known)

    def _wait_for_room(self) -> None:
        """A client that sends faster than the disk takes is read no further until messages are acknowledged."""
        self._room = Event()
        self.socket.flush()
        self._room.wait()
        self._room = None

    def _read(self, frame: ReadFrame) -> None:
        side = self._parts.conversations.side(frame.data.conversation_id, self.user_id)
        self._parts.writer.raise_read(Mark(frame.data.conversation_id, side, frame.data.up_to_seq, origin=self))

    def _type(self, frame: TypingFrame) -> None:
        route = self._parts.conversations.route(self.user_id, frame.data.recipient_id)
        if route.blocked:
            raise BlockedError
        if route.conversation_id and not route.sender_blocks:  # it would show that one is online
            push = frames.TypingPush(self.user_id, self.username, frame.data.is_typing)
            told = text_frame(frames.encode("typing", push, now=self._parts.clock()))
            for connection in self._parts.hub.sockets(frame.data.recipient_id):
                connection.tell([told])

    def _sign_in_again(self, frame: AuthFrame) -> None:
        caller = self._parts.sessions.verify(frame.data.token)
        if caller.user_id != self.user_id:
            raise UnauthorizedError
        self.session_id, self.expires_at = caller.session_id, caller.expires_at
        self._answer("auth", frames.AuthenticatedData(caller.expires_at), frame.id)

    # How fast it may go

    def _take_token(self) -> int:
        """From the bucket of frames that are no messages; 0, or the milliseconds to wait for one."""
        if not self.limited:
            return 0
        now = self._parts.clock()
        if self._bucket is None:
            self._bucket = TokenBucket(self._parts.frame_rate, now)
        return self._bucket.take(now)

    def _count_violation(self, retry_after_ms: int) -> None:
        self._parts.metrics.rate_limited.labels("frame").inc()
        if self._violations is None:
            self._violations = Violations()
        if self._violations.refused(self._parts.clock(), retry_after_ms=retry_after_ms):
            self._stop_flood("rate limit")

    def _stop_flood(self, reason: str) -> None:
        log.info("flood stopped", {"user": self.user_id, "address": self.address, "reason": reason})
        self.close(1008, reason)
