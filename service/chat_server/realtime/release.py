"""What happens on the hub once a batch is on disk, and not before: acknowledgements, pushes, receipts."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Literal, cast

from chat_server.chat.refusals import IdConflictError
from chat_server.realtime import frames
from chat_server.realtime.connection import Connection, Sending
from chat_server.realtime.refusals import explain
from chat_server.realtime.websocket import text_frame
from chat_server.storage.commit import Conflicting, Draft, Mark, Stored
from chat_server.storage.writer import Batch

if TYPE_CHECKING:
    from chat_server.realtime.parts import Parts

log = logging.getLogger("chat_server.messages")


class Release:
    """Tells everybody concerned what came of a batch, then flushes each socket once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._touched: set[Connection] = set()

    def __call__(self, batch: Batch) -> None:
        if batch.failure is None:
            for outcome in batch.outcomes:
                self._release(outcome)
            for mark in batch.delivered:
                if mark.received_seq:
                    self._receipt("delivered", mark, mark.received_seq)
            for mark in batch.read:
                self._receipt("read", mark, mark.seq)
        else:
            for draft in batch.drafts:
                self._fail(draft)
        touched, self._touched = self._touched, set()
        for connection in touched:
            connection.courier.settle()
        self._measure(batch)

    def _release(self, outcome: Stored | Conflicting) -> None:
        sender = _sending(outcome.draft).connection
        sender.settled()
        self._touched.add(sender)
        if isinstance(outcome, Conflicting):
            sender.refuse(outcome.draft.client_id, *explain(IdConflictError()))
            return
        sender.acknowledge(outcome)
        if outcome.again:
            return
        sender.courier.acknowledged(outcome)
        self._push(outcome, sender)
        self._parts.tally.add(sender.username)

    def _push(self, stored: Stored, sender: Connection) -> None:
        draft = stored.draft
        push = frames.PushData(
            sender_id=draft.sender_id,
            sender_username=sender.username,
            recipient_id=draft.recipient_id,
            content=draft.content,
            conversation_id=draft.conversation_id,
            seq=stored.seq,
            status="sent",
        )
        frame = text_frame(frames.encode("message", push, now=stored.created_at, frame_id=draft.client_id))
        hub = self._parts.hub
        for connection in hub.sockets(draft.recipient_id):
            connection.courier.push(stored, 3 - draft.side, frame)
            self._touched.add(connection)
        for connection in hub.sockets(draft.sender_id):
            if connection is not sender:
                connection.courier.push(stored, draft.side, frame)
                self._touched.add(connection)
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "message sent",
                {"conversation": draft.conversation_id, "seq": stored.seq, "id": draft.client_id},
            )

    def _receipt(self, status: Literal["delivered", "read"], mark: Mark, upto: int) -> None:
        """Tells the other person, and of a reading the reader's own other sockets too."""
        people = self._parts.conversations.people(mark.conversation_id)
        data = frames.ReachedData(status, mark.message_id, mark.conversation_id, upto, user_id=people[mark.side - 1])
        frame = text_frame(frames.encode("ack", data, now=self._parts.clock(), frame_id=mark.message_id))
        told = list(self._parts.hub.sockets(people[2 - mark.side]))
        if status == "read":
            own = self._parts.hub.sockets(people[mark.side - 1])
            told += [connection for connection in own if connection is not mark.origin]
        for connection in told:
            connection.tell_later(frame)
            self._touched.add(connection)

    def _fail(self, draft: Draft) -> None:
        sender = _sending(draft).connection
        sender.settled()
        sender.refuse(draft.client_id, "SERVER_ERROR", "The message could not be stored: send it again later.")
        self._touched.add(sender)

    def _measure(self, batch: Batch) -> None:
        metrics, now = self._parts.metrics, time.monotonic()
        metrics.committed(batch.seconds, len(batch.drafts), durable=batch.failure is None)
        for outcome in batch.outcomes:
            metrics.ack_seconds.observe(now - _sending(outcome.draft).received_at)
        for result, count in Counter(map(_result, batch.outcomes)).items():
            metrics.messages.labels(result).inc(count)
        if batch.failure is not None:
            metrics.messages.labels("failed").inc(len(batch.drafts))


def _result(outcome: Stored | Conflicting) -> str:
    if isinstance(outcome, Conflicting):
        return "conflicting"
    return "repeated" if outcome.again else "stored"


def _sending(draft: Draft) -> Sending:
    return cast(Sending, draft.origin)
