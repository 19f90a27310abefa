"""A person's client that follows the documented rules and never rests: the one that finds lost messages."""

from __future__ import annotations

import http.client
import uuid
from dataclasses import dataclass, field

from tests.client import Client, Person
from tests.faults.line import Frame, Line, LineLostError, message


@dataclass
class Correspondent:
    """Sends to one other person, `window` messages ahead of their acknowledgements, for as long as it is told to.

    After every loss of the connection it sends again what was not acknowledged, with the same ids, catches up by
    `after=` from where it stood, and drops what it has by seq.
    """

    person: Person
    other: Person
    window: int
    address: str = ""
    """Where this person connects from, on a machine with several addresses."""
    line: Line | None = None
    sent: int = 0
    unacknowledged: dict[str, str] = field(default_factory=dict)
    """Content by id, in the order of sending."""
    acknowledged: dict[str, int] = field(default_factory=dict)
    """The seqs that were promised, by id."""
    known: dict[int, str] = field(default_factory=dict)
    """The conversation as this person has it: the message's id by seq, from whatever source."""
    repeats: int = 0
    """How often something came that was known already: allowed, for pushing is at-least-once."""
    _reached: int = 0
    _last_push: int = 0
    _arrived: bool = False

    @property
    def reached(self) -> int:
        """The last seq up to which nothing is missing."""
        while self._reached + 1 in self.known:
            self._reached += 1
        return self._reached

    def connect(self, port: int) -> None:
        """Connects; raises LineLostError or OSError where that fails."""
        self.line = Line(port, self.person.token, host=self.person.client.host, source=self.address)
        self._last_push = 0
        self._arrived = False

    def attend(self, *, writing: bool) -> None:
        """Takes what has come, and, when `writing`, keeps the window full. A connection that is lost is let go."""
        assert self.line is not None
        try:
            for frame in self.line.receive():
                self._take(frame)
            if self._arrived and writing:
                self._write_on()
        except (LineLostError, OSError, http.client.HTTPException):
            self.hang_up()

    def hang_up(self) -> None:
        if self.line is not None:
            self.line.close()
            self.line = None

    def _take(self, frame: Frame) -> None:
        data = frame["data"]
        match frame["type"]:
            case "ready":
                for conversation in data["conversations"]:
                    self._catch_up(conversation["conversationId"], conversation["lastSeq"])
                self._arrived = True
                self._send(self.unacknowledged)
            case "message":
                self._check_order(data["seq"])
                self._learn(data["seq"], frame["id"])
            case "ack" if data["status"] == "sent":
                seq = self.acknowledged.setdefault(data["messageId"], data["seq"])
                assert seq == data["seq"], f"{data['messageId']} was number {seq}, and is number {data['seq']}"
                self.unacknowledged.pop(data["messageId"], None)
                self._learn(seq, data["messageId"])
            case "error":
                raise AssertionError(frame)

    def _check_order(self, seq: int) -> None:
        """Within one connection no push leaves a gap, or comes twice. Own messages may have been told by their ack."""
        last, self._last_push = self._last_push, seq
        skipped = set(range(last + 1, seq)) - self.known.keys() if last else set()
        assert seq > last, f"pushed {seq} after {last}"
        assert not skipped, f"pushed {seq} after {last}, without {sorted(skipped)}"

    def _learn(self, seq: int, message_id: str) -> None:
        self.repeats += seq in self.known
        known = self.known.setdefault(seq, message_id)
        assert known == message_id, f"number {seq} was {known}, and is {message_id}"

    def _catch_up(self, conversation_id: str, last_seq: int) -> None:
        client: Client = self.person.client
        path = f"/conversations/{conversation_id}/messages"
        while self.reached < last_seq:
            page = client.get(path, after=self.reached, limit=100).succeeded()
            for one in page["messages"]:
                self._learn(one["seq"], one["id"])

    def _write_on(self) -> None:
        fresh: dict[str, str] = {}
        while len(self.unacknowledged) + len(fresh) < self.window:
            self.sent += 1
            fresh[str(uuid.uuid4())] = f"{self.sent} from {self.person.username}"
        self.unacknowledged |= fresh
        self._send(fresh)

    def _send(self, messages: dict[str, str]) -> None:
        assert self.line is not None
        if messages:
            frames = [message(one, self.other.user_id, content) for one, content in messages.items()]
            self.line.send(b"".join(frames))
