"""What one socket has been sent, and what it has proved to have: the model behind "delivered".

Pure state, no input or output. The rules (contract, section 3):

* The seqs a socket is pushed are contiguous per conversation. A conversation that is *behind* (a backlog from
  before the socket connected, or one that grew because its client reads slowly) takes its live messages from
  the database, in order, until it has caught up.
* PINGs carry a number that grows per socket, heartbeats included. The PONG with n proves all that was written
  before PING n, and so before every earlier one (RFC 6455 section 5.5.3: a client may answer only the newest).
* A ping for delivery is written only when none is under way, so a burst costs one round trip.
* Watermarks only rise over what was pushed contiguously: a `Reach` is such a stretch's end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class Reach:
    """How far a socket was written in one conversation; `side` is its person's side of it.

    `received_seq` and `message_id` are the newest message of the *other* person's in it (0 where there is none):
    that one's sender wants to hear of the delivery.
    """

    side: int
    seq: int
    received_seq: int = 0
    message_id: str = ""


@dataclass(slots=True)
class Behind:
    """A conversation whose messages after `after`, up to `upto`, are to be fetched and pushed in order."""

    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Watermark:
    """Where a conversation stands for a person who connects."""

    conversation_id: str
    delivered_seq: int
    last_seq: int


class Outlet:
    """The delivery state of one socket. Begins closed: until `open`, every live message counts as behind."""

    __slots__ = (
        "_behind",
        "_open",
        "_pinged",
        "_unproven",
        "_wants_ping",
        "_written",
        "proven",
        "sent",
    )

    def __init__(self) -> None:
        self._open = False
        self._behind: dict[str, Behind] = {}
        self._written: dict[str, int] = {}
        self._unproven: dict[str, Reach] = {}
        self._pinged: deque[tuple[int, dict[str, Reach]]] = deque()
        self._wants_ping = False
        self.sent = 0
        """The number of the last PING."""
        self.proven = 0
        """The highest number a PONG has come for."""

    def open(self, watermarks: Iterable[Watermark]) -> None:
        """Takes the person's watermarks, read after this socket began to be offered live messages."""
        for mark in watermarks:
            early = self._behind.pop(mark.conversation_id, None)
            upto = mark.last_seq if early is None else max(mark.last_seq, early.upto)
            if mark.delivered_seq < upto:
                self._behind[mark.conversation_id] = Behind(mark.delivered_seq, upto)
        self._open = True

    def offer(self, conversation_id: str, seq: int, *, congested: bool = False) -> bool:
        """Whether the live message may be written now; if not, it will come with the conversation's backlog."""
        behind = self._behind.get(conversation_id)
        if behind is not None:
            behind.upto = max(behind.upto, seq)
            return False
        if seq <= self._written.get(conversation_id, 0):
            return False
        if congested or not self._open:
            self._behind[conversation_id] = Behind(seq - 1, seq)
            return False
        return True

    def wrote(self, conversation_id: str, side: int, seq: int, *, received_id: str = "", ping: bool = True) -> None:
        """Records that message `seq` was written. `received_id` is its id where the other person sent it.

        `ping=False` is for the acknowledgement of the socket's own message: it tells the client the seq as a
        push would, but nobody waits for the proof, so the next ping that is sent anyway will do.
        """
        self._written[conversation_id] = seq
        reach = self._unproven.get(conversation_id)
        if reach is None:
            reach = self._unproven[conversation_id] = Reach(side, seq)
        reach.seq = seq
        if received_id:
            reach.received_seq, reach.message_id = seq, received_id
        self._wants_ping = self._wants_ping or ping

    def demand_proof(self) -> int:
        """Wants a ping for all that was written so far, pushes or not; gives the number of the PING to wait for."""
        self._wants_ping = True
        return self.sent + 1

    def ping_due(self) -> bool:
        """Whether a ping is wanted and none is under way."""
        return self._wants_ping and not self.awaiting

    def ping(self) -> int:
        """The number of the PING that is written now, due or as a heartbeat; it will prove all that was before it."""
        self.sent += 1
        if self._unproven:
            self._pinged.append((self.sent, self._unproven))
            self._unproven = {}
        self._wants_ping = False
        return self.sent

    def pong(self, number: int) -> dict[str, Reach]:
        """What the PONG proves beyond those before it, per conversation. One never sent, or old, proves nothing."""
        if not self.proven < number <= self.sent:
            return {}
        self.proven = number
        proved: dict[str, Reach] = {}
        while self._pinged and self._pinged[0][0] <= number:
            for conversation_id, reach in self._pinged.popleft()[1].items():
                earlier = proved.get(conversation_id)
                if earlier is not None and not reach.received_seq:
                    reach.received_seq, reach.message_id = earlier.received_seq, earlier.message_id
                proved[conversation_id] = reach
        return proved

    @property
    def opened(self) -> bool:
        """Whether live messages may be written at all."""
        return self._open

    @property
    def awaiting(self) -> bool:
        """Whether a ping is under way."""
        return self.proven < self.sent

    def next_behind(self) -> tuple[str, Behind] | None:
        """The conversation whose backlog is to be pushed next; None when all have caught up."""
        return next(iter(self._behind.items()), None)

    def caught_up(self, conversation_id: str, seq: int) -> bool:
        """Records that the backlog was written up to `seq`; True when the conversation is live from here on."""
        behind = self._behind[conversation_id]
        behind.after = seq
        if seq < behind.upto:
            return False
        del self._behind[conversation_id]
        return True
