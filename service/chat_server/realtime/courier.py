"""Pushes messages to one socket and finds out what has arrived: `chat/delivery.py`'s model put to work."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event

from chat_server.chat.conversations import Acquaintance
from chat_server.chat.delivery import Outlet, Watermark
from chat_server.chat.history import HistoryMessage, read_backlog
from chat_server.realtime import frames
from chat_server.realtime.websocket import WebSocket, text_frame
from chat_server.storage.commit import Mark, Stored

if TYPE_CHECKING:
    from chat_server.realtime.parts import Parts

log = logging.getLogger("chat_server.realtime")

PAGE_BYTES = 64 * 1024
CONGESTED_BYTES = 128 * 1024
"""A socket with more than this still to be taken by its client gets its messages from the database, in pages."""


class Courier:
    """The messages of one socket's person, to that socket."""

    __slots__ = ("_outlet", "_paging", "_parts", "_pinged_at", "_proof", "_socket", "_user_id")

    def __init__(self, parts: Parts, socket: WebSocket, user_id: str) -> None:
        self._parts = parts
        self._socket = socket
        self._user_id = user_id
        self._outlet = Outlet()
        self._paging = False
        self._proof: Event | None = None
        self._pinged_at = 0.0

    def open(self, acquaintances: Iterable[Acquaintance]) -> None:
        """Begins to push: first what the person has not got yet, then what comes."""
        self._outlet.open(Watermark(one.conversation_id, one.delivered_seq, one.last_seq) for one in acquaintances)
        self._catch_up()

    def push(self, stored: Stored, side: int, frame: bytes) -> None:
        """A message that was just stored, unless it has to wait behind others; `side` is this person's."""
        draft = stored.draft
        if self._outlet.offer(draft.conversation_id, stored.seq, congested=self._congested):
            self._socket.write(frame)
            received_id = draft.client_id if draft.side != side else ""
            self._outlet.wrote(draft.conversation_id, side, stored.seq, received_id=received_id)
        else:
            self._catch_up()

    def acknowledged(self, stored: Stored) -> None:
        """The socket's own message was acknowledged on it, which tells its seq as a push would."""
        draft = stored.draft
        if self._outlet.offer(draft.conversation_id, stored.seq):
            self._outlet.wrote(draft.conversation_id, draft.side, stored.seq, ping=False)

    def settle(self) -> None:
        """After a run of writes: one ping for all of them, and off they go."""
        if self._outlet.ping_due():
            self._pinged_at = time.monotonic()
            self._socket.write_ping(b"%d" % self._outlet.ping())
        self._socket.flush()

    def beat(self) -> None:
        """A heartbeat PING; it proves what was written before it, as any other."""
        self._socket.write_ping(b"%d" % self._outlet.ping())
        self._socket.flush()

    def pong(self, payload: bytes) -> None:
        """The client has all that was written before the PING with this number."""
        if not payload.isdigit() or len(payload) > 16:
            return  # unsolicited, as RFC 6455 section 5.5.3 allows
        for conversation_id, reach in self._outlet.pong(int(payload)).items():
            mark = Mark(conversation_id, reach.side, reach.seq, reach.received_seq, reach.message_id)
            self._parts.writer.raise_delivered(mark)
        if self._pinged_at and not self._outlet.awaiting:
            self._parts.metrics.delivery_seconds.observe(time.monotonic() - self._pinged_at)
            self._pinged_at = 0.0
        self.settle()
        self.wake()

    def wake(self) -> None:
        """Something has come, or the connection is over."""
        if self._proof is not None:
            self._proof.set()

    @property
    def _congested(self) -> bool:
        return self._socket.queued > CONGESTED_BYTES

    def _catch_up(self) -> None:
        if not self._paging and self._outlet.opened and self._outlet.next_behind() is not None:
            self._paging = True
            gevent.spawn(self._push_backlog)

    def _push_backlog(self) -> None:
        """In pages, each sent after the PONG that proves the one before, and whatever congested the socket."""
        self._proof = Event()
        page = PAGE_BYTES if self._congested else 0
        try:
            while self._socket.is_open and (behind := self._outlet.next_behind()) is not None:
                conversation_id, gap = behind
                messages = self._parts.readers.run(
                    read_backlog,
                    self._user_id,
                    conversation_id,
                    after=gap.after,
                    upto=gap.upto,
                    max_bytes=PAGE_BYTES,
                )
                if not messages:  # a gap in the table, which only damage leaves: nothing to wait for
                    self._outlet.caught_up(conversation_id, gap.upto)
                for message in messages:
                    frame = _backlog_frame(conversation_id, message)
                    if page and page + len(frame) > PAGE_BYTES:
                        self._prove()
                        page = 0
                    page += len(frame)
                    self._write(conversation_id, message, frame)
            self.settle()
        except Exception:
            log.exception("pushing a backlog failed")
            self._socket.close(1011, "the messages cannot be read")  # the client comes back, and gets them then
        finally:
            self._paging = False
            self._proof = None

    def _write(self, conversation_id: str, message: HistoryMessage, frame: bytes) -> None:
        self._socket.write(frame)
        received_id = message.id if message.sender_id != self._user_id else ""
        side = 1 if self._user_id == min(message.sender_id, message.recipient_id) else 2
        self._outlet.wrote(conversation_id, side, message.seq, received_id=received_id)
        self._outlet.caught_up(conversation_id, message.seq)

    def _prove(self) -> None:
        """Waits until the client has all that was written so far."""
        number = self._outlet.demand_proof()
        self.settle()
        while self._proof is not None and self._outlet.proven < number and self._socket.is_open:
            self._proof.clear()
            self._proof.wait()


def _backlog_frame(conversation_id: str, message: HistoryMessage) -> bytes:
    push = frames.PushData(
        sender_id=message.sender_id,
        sender_username=message.sender_username,
        recipient_id=message.recipient_id,
        content=message.content,
        conversation_id=conversation_id,
        seq=message.seq,
        status=message.status,
    )
    return text_frame(frames.encode("message", push, now=message.created_at, frame_id=message.id))
