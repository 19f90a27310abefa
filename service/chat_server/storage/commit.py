"""One group commit: what happens inside a single transaction of the writer.

Works on whole batches with a handful of statements, however many messages there are: every statement gives
up and takes back the interpreter's lock, and a busy hub makes each of those hand-overs cost up to a switch
interval. So conversations are loaded and saved by one statement each, and messages inserted many at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from chat_server.storage.models import Message


class Draft(Struct):
    """A message on its way to disk. `origin` is the sender's own: the writer hands it back untouched."""

    conversation_id: str
    side: int  # 1 or 2: which of the conversation's two people sent it
    client_id: str
    sender_id: str
    recipient_id: str
    content: str
    origin: object


class Stored(Struct):
    """The draft is on disk as number `seq`. `again`: it already was, from an earlier send of the same id."""

    draft: Draft
    seq: int
    created_at: int
    again: bool = False


class Conflicting(Struct):
    """The draft's id is taken in its conversation by another content or the other person. Nothing was stored."""

    draft: Draft


class Mark(Struct):
    """A watermark to raise: the person on `side` has got, or has read, everything up to `seq`.

    `received_seq` and `message_id` name the newest message of the *other* person's that it covers, as far as is
    known: that one's sender is to be told.
    """

    conversation_id: str
    side: int
    seq: int
    received_seq: int = 0
    message_id: str = ""
    origin: object = None


class Standing(Struct, array_like=True):
    """Where a conversation stands, as loaded from and saved to its row. Pairs are (user1, user2)."""

    id: str
    last_seq: int
    last_message_at: int
    delivered: list[int]
    read: list[int]
    unread: list[int]


_LOAD = """
    SELECT json_group_array(json_array(id, last_seq, last_message_at,
        json_array(user1_delivered_seq, user2_delivered_seq),
        json_array(user1_read_seq, user2_read_seq), json_array(user1_unread, user2_unread)))
    FROM conversations WHERE id IN (SELECT value FROM json_each(?))"""
_SAVE = """
    UPDATE conversations SET last_seq = j.value ->> 1, last_message_at = j.value ->> 2,
        user1_delivered_seq = j.value ->> '$[3][0]', user2_delivered_seq = j.value ->> '$[3][1]',
        user1_read_seq = j.value ->> '$[4][0]', user2_read_seq = j.value ->> '$[4][1]',
        user1_unread = j.value ->> '$[5][0]', user2_unread = j.value ->> '$[5][1]'
    FROM json_each(?) AS j WHERE conversations.id = j.value ->> 0"""
_COLUMNS = 6
_CHUNKS = (128, 32, 8, 2, 1)
_INSERT = {
    rows: f"""
        INSERT INTO messages (conversation_id, client_id, seq, sender_id, content, created_at)
        VALUES {", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)}
        ON CONFLICT (conversation_id, client_id) DO NOTHING"""  # noqa: S608  only words of this module
    for rows in _CHUNKS
}
_FIND = """
    SELECT m.conversation_id, m.client_id, m.sender_id, m.content, m.seq, m.created_at
    FROM json_each(?) AS j CROSS JOIN messages AS m
    ON m.conversation_id = j.value ->> 0 AND m.client_id = j.value ->> 1"""
_COUNT_RECEIVED = """
    SELECT count(*) FROM messages
    WHERE conversation_id = :id AND seq > :after AND seq <= :upto
      AND sender_id = (SELECT CASE :side WHEN 1 THEN user2_id ELSE user1_id END FROM conversations WHERE id = :id)"""
_ID_AT = "SELECT client_id FROM messages WHERE conversation_id = :id AND seq = :upto"

_standings = msgspec.json.Decoder(list[Standing])


class Kept(NamedTuple):
    """What is stored under an id."""

    sender_id: str
    content: str
    seq: int
    created_at: int


class TakenIdError(Exception):
    """A message of the batch has an id its conversation already knows."""


class GroupCommit:
    """The messages and watermarks of one transaction. Make it after BEGIN, call `save` before COMMIT."""

    def __init__(self, connection: sqlite3.Connection, conversation_ids: Iterable[str], *, now: int) -> None:
        self._connection = connection
        self._now = now
        wanted = msgspec.json.encode(list(conversation_ids)).decode()
        found = connection.execute(_LOAD, (wanted,)).fetchone()[0]
        self._standings = {standing.id: standing for standing in _standings.decode(found)}
        self._changed: set[str] = set()

    def append(self, drafts: list[Draft], *, look_up: bool) -> list[Stored | Conflicting]:
        """Gives each new draft the next seq of its conversation and inserts them all.

        With `look_up` those that were stored before are recognised first. Without, which is cheaper, an id
        that is there already raises TakenIdError, and the transaction is to be rolled back.
        """
        known = self._look_up(drafts) if look_up else {}
        outcomes: list[Stored | Conflicting] = []
        rows: list[str | int] = []
        for draft in drafts:
            key = draft.conversation_id, draft.client_id
            if key in known:
                outcomes.append(_recognise(draft, known[key]))
                continue
            stored = self._number(draft)
            known[key] = Kept(draft.sender_id, draft.content, stored.seq, stored.created_at)
            rows += (*key, stored.seq, draft.sender_id, draft.content, stored.created_at)
            outcomes.append(stored)
        if self._insert(rows) != len(rows) // _COLUMNS:
            raise TakenIdError
        return outcomes

    def _look_up(self, drafts: list[Draft]) -> dict[tuple[str, str], Kept]:
        keys = msgspec.json.encode([(draft.conversation_id, draft.client_id) for draft in drafts]).decode()
        found = self._connection.execute(_FIND, (keys,))
        return {(conversation_id, client_id): Kept(*kept) for conversation_id, client_id, *kept in found}

    def _number(self, draft: Draft) -> Stored:
        standing = self._standings[draft.conversation_id]
        own, other = draft.side - 1, 2 - draft.side
        if standing.delivered[own] == standing.last_seq:
            # Nothing before it is still on its way to the sender, who need not be sent what they wrote.
            standing.delivered[own] += 1
        standing.last_seq += 1
        standing.last_message_at = max(self._now, standing.last_message_at)
        standing.unread[other] += 1
        self._changed.add(standing.id)
        return Stored(draft, standing.last_seq, standing.last_message_at)

    def _insert(self, rows: list[str | int]) -> int:
        inserted = at = 0
        for chunk in _CHUNKS:
            width = chunk * _COLUMNS
            while len(rows) - at >= width:
                inserted += self._connection.execute(_INSERT[chunk], rows[at : at + width]).rowcount
                at += width
        return inserted

    def raise_delivered(self, marks: Iterable[Mark]) -> list[Mark]:
        """The marks that really rose; a watermark never falls, nor passes the conversation's end."""
        raised = []
        for mark in marks:
            standing = self._standings.get(mark.conversation_id)
            if standing is not None and standing.delivered[mark.side - 1] < mark.seq <= standing.last_seq:
                standing.delivered[mark.side - 1] = mark.seq
                self._changed.add(standing.id)
                raised.append(mark)
        return raised

    def raise_read(self, marks: Iterable[Mark]) -> list[Mark]:
        """The marks that really rose, cut to the conversation's end, with the id of the message they reach."""
        raised = []
        for mark in marks:
            standing = self._standings.get(mark.conversation_id)
            if standing is None:
                continue
            own = mark.side - 1
            upto = min(mark.seq, standing.last_seq)
            if upto <= standing.read[own]:
                continue
            span = {"id": standing.id, "after": standing.read[own], "upto": upto, "side": mark.side}
            if upto == standing.last_seq:  # all there is, as usual: nothing needs to be counted
                standing.unread[own] = 0
            else:
                standing.unread[own] -= self._connection.execute(_COUNT_RECEIVED, span).fetchone()[0]
            standing.read[own] = upto
            message_id = self._connection.execute(_ID_AT, span).fetchone()[0]
            self._changed.add(standing.id)
            raised.append(Mark(standing.id, mark.side, upto, upto, message_id, mark.origin))
        return raised

    def save(self) -> None:
        """Writes the conversations that changed."""
        if self._changed:
            changed = [self._standings[conversation_id] for conversation_id in self._changed]
            self._connection.execute(_SAVE, (msgspec.json.encode(changed).decode(),))


def find_stored(draft: Draft) -> Stored | Conflicting | None:
    """What the conversation knows under the draft's id: the same message, another one, or nothing."""
    row = Message.get_or_none(Message.conversation_id == draft.conversation_id, Message.client_id == draft.client_id)
    return None if row is None else _recognise(draft, Kept(row.sender_id, row.content, row.seq, row.created_at))


def _recognise(draft: Draft, kept: Kept) -> Stored | Conflicting:
    if (kept.sender_id, kept.content) != (draft.sender_id, draft.content):
        return Conflicting(draft)
    return Stored(draft, kept.seq, kept.created_at, again=True)
