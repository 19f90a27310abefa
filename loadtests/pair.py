"""Two people who write to each other: their devices, and the ledger that holds the server to its promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.accounts import Account
from loadtests.api import Api, Body
from loadtests.device import Device
from loadtests.findings import Findings
from loadtests.ledger import SIDES, Ledger, Side, Stretch, other
from loadtests.line import Frame, Line
from loadtests.measurements import Measurements

PAGE = 100


@dataclass(frozen=True)
class Setting:
    """What all pairs of a run share."""

    api: Api
    measurements: Measurements
    findings: Findings
    run_id: str
    message_bytes: int


class Pair:
    """Two people, a conversation between them, and a device of each."""

    def __init__(self, people: tuple[Account, Account], setting: Setting) -> None:
        """Starts the conversation and connects. Raises RefusedError, UnreachableError."""
        self._setting = setting
        self._token = people[0]
        started = setting.api.call(
            "POST", "/conversations/start", {"otherUserId": people[1].user_id}, token=people[0].token
        )
        self.conversation_id: str = started["conversationId"]
        self.ledger = Ledger(
            setting.findings,
            name=self.conversation_id,
            people=(people[0].username, people[1].username),
            run_id=setting.run_id,
            base=self._page(limit=1)["total"],
        )
        self.under_way: dict[str, float] = {}
        """When messages that have not arrived were to be sent, by id."""
        self.correspondents = tuple(
            Correspondent(self, side, people[side - 1], people[other(side) - 1].user_id, setting) for side in SIDES
        )
        self._writes: Side = 1

    @property
    def devices(self) -> list[Device]:
        """Both people's (Party)."""
        return [one.device for one in self.correspondents]

    def write(self, intended: float) -> None:
        """One of the two, taking turns, writes a message that was to be sent at this time."""
        self.correspondents[self._writes - 1].write(intended)
        self._writes = other(self._writes)

    def read_back(self) -> None:
        """One of the two reads the newest page, as whoever opens the conversation does; it is checked.

        Raises RefusedError, UnreachableError.
        """
        for message in self._page(limit=50)["messages"]:
            self.ledger.check_stored(message["id"], message["seq"])

    @property
    def settled(self) -> bool:
        """Whether nothing is under way (Party)."""
        return self.ledger.settled

    def audit(self) -> None:
        """Compares the ledger with what the server has stored (Party). Raises RefusedError, UnreachableError."""
        self.ledger.audit((message["seq"], message["id"]) for message in self.history(self.ledger.base))
        for _ in range(self.ledger.unanswered):
            self._setting.measurements.fail("ack", "not acknowledged")

    def history(self, after: int) -> Iterator[Body]:
        """What is stored after a seq. Raises RefusedError, UnreachableError."""
        more = True
        while more:
            page = self._page(after=after, limit=PAGE)
            yield from page["messages"]
            more = page["hasMore"] and bool(page["messages"])
            after += len(page["messages"])

    def text(self, message_id: str) -> str:
        """What stands in a message, so that whoever gets it can check it."""
        return f"{message_id} ".ljust(self._setting.message_bytes, ".")

    def _page(self, **query: object) -> Body:
        path = f"/conversations/{self.conversation_id}/messages"
        return self._setting.api.call("GET", path, token=self._token.token, query=query)


class Correspondent:
    """One of the two. Connects first, keeps what arrives, asks for what `ready` says is missing, drops what it has;
    sends again what was not acknowledged. These are the rules of docs/protocol.md."""

    def __init__(self, pair: Pair, side: Side, person: Account, recipient_id: str, setting: Setting) -> None:
        self._pair = pair
        self._side: Side = side
        self._recipient_id = recipient_id
        self._measurements = setting.measurements
        self._ledger = pair.ledger
        self._outbox: dict[str, float] = {}
        """When what is not acknowledged was to be sent, by id, in the order of writing."""
        self._stretch = Stretch(self._ledger, side)
        self._line: Line | None = None
        self.device = Device(person, setting.api, setting.measurements, self)

    def write(self, intended: float) -> None:
        """Sends a message now, or when there is a connection."""
        message_id = self._ledger.write(self._side)
        self._outbox[message_id] = self._pair.under_way[message_id] = intended
        if self._line is not None:
            self._send(self._line, message_id)

    def ready(self, line: Line, data: Frame) -> None:
        """The device is connected (Attendant)."""
        self._line = None
        self._stretch = Stretch(self._ledger, self._side)
        last_seqs = {one["conversationId"]: one["lastSeq"] for one in data["conversations"]}
        self._catch_up(last_seqs.get(self._pair.conversation_id, 0))
        for message_id in self._outbox:
            self._send(line, message_id)
        self._line = line

    def take(self, frame: Frame) -> None:
        """A frame has come (Attendant)."""
        data = frame["data"]
        match frame["type"]:
            case "message" if data["conversationId"] == self._pair.conversation_id:
                self._get(frame["id"], data["seq"], data["content"], how="pushed")
                self._stretch.push(frame["id"], data["seq"])
            case "ack" if data["conversationId"] == self._pair.conversation_id:
                self._take_ack(frame["id"], data)
            case "error":
                self._measurements.refuse(data["code"])
                if self._outbox.pop(frame["id"], None) is not None:
                    self._pair.under_way.pop(frame["id"], None)
                    self._ledger.refuse(frame["id"])
                    self._measurements.fail("ack", data["code"])

    def _take_ack(self, message_id: str, data: Frame) -> None:
        if data["status"] == "sent":
            self._ledger.acknowledge(message_id, data["seq"])
            self._stretch.acknowledge(data["seq"])
            intended = self._outbox.pop(message_id, None)
            if intended is not None:
                self._measurements.record("ack", intended)
        elif data["status"] == "delivered":
            self._ledger.tell_delivered(self._side, data["upToSeq"])

    def _get(self, message_id: str, seq: int, content: str, *, how: str) -> None:
        if not self._ledger.arrive(self._side, message_id, seq, how=how):
            return
        if content != self._pair.text(message_id):
            self._ledger.find("mismatch", f"{message_id}, number {seq}, was {how} with another content than was sent")
        intended = self._pair.under_way.get(message_id)
        if intended is not None and message_id not in self._outbox:
            del self._pair.under_way[message_id]
            self._measurements.record("delivery", intended)

    def _catch_up(self, last_seq: int) -> None:
        if self._ledger.reached(self._side) < last_seq:
            for message in self._pair.history(self._ledger.reached(self._side)):
                self._get(message["id"], message["seq"], message["content"], how="read")

    def _send(self, line: Line, message_id: str) -> None:
        data = {"recipientId": self._recipient_id, "content": self._pair.text(message_id)}
        line.send("message", data, message_id)
