"""A client that follows the contract's rule for clients, over a network that drops it at any moment."""

from __future__ import annotations

from itertools import pairwise
from uuid import UUID

from tests.client import Person
from tests.device import Device, Frame
from tests.server import Server

Message = tuple[str, str, str]
"""Its id, its sender's, its content."""


class Phone:
    """Connects first, keeps what arrives, asks for what `ready` says it lacks, drops what it has.

    A message it wrote stays in its outbox, to be sent again on the next connection, until it was acknowledged.
    """

    def __init__(self, server: Server, person: Person) -> None:
        self.person = person
        self.shown: dict[str, dict[int, Message]] = {}
        """By conversation and seq: what the person sees."""
        self._server = server
        self._outbox: dict[str, tuple[Person, str]] = {}
        self._device: Device | None = None

    def connect(self) -> None:
        if self._device is not None:
            return
        self._device = Device(self._server, self.person.token)
        ready = self._device.wait(lambda frame: frame["type"] == "ready")["data"]
        self._keep_what_came(self._device)
        for conversation in ready["conversations"]:
            self._fetch(conversation["conversationId"], conversation["lastSeq"])
        for message_id, (to, content) in self._outbox.items():
            self._device.write(to, content, message_id)

    def write(self, to: Person, content: str, message_id: UUID) -> None:
        """Sent now, or when there is a connection."""
        self._outbox[str(message_id)] = to, content
        if self._device is not None:
            self._device.write(to, content, str(message_id))

    def drop(self, *, politely: bool) -> None:
        """The connection ends: by a closing handshake, or in the middle of whatever was on its way."""
        if self._device is None:
            return
        if politely:
            self._device.close()
        else:
            self._device.cut()
        self._keep_what_came(self._device)
        _check_pushes(self._device)
        self._device = None

    def settle(self) -> None:
        """Waits until all it wrote is acknowledged, and drops the connection."""
        self.connect()
        assert self._device is not None
        for message_id in self._outbox:
            self._device.ack(message_id)
        self._device.sync()
        self.drop(politely=True)
        assert self._outbox == {}

    def _keep_what_came(self, device: Device) -> None:
        for frame in device.of("message"):
            data = frame["data"]
            self._show(data["conversationId"], data["seq"], (frame["id"], data["senderId"], data["content"]))
        for frame in device.of("ack"):
            data = frame["data"]
            if data["status"] == "sent" and frame["id"] in self._outbox:
                content = self._outbox.pop(frame["id"])[1]
                self._show(data["conversationId"], data["seq"], (frame["id"], self.person.user_id, content))

    def _fetch(self, conversation_id: str, last_seq: int) -> None:
        known = self.shown.get(conversation_id, {})
        have = next(seq for seq in range(len(known) + 1) if seq + 1 not in known)
        while have < last_seq:
            path = f"/conversations/{conversation_id}/messages"
            page = self.person.client.get(path, after=have, limit=7).succeeded()["messages"]
            for one in page:
                self._show(conversation_id, one["seq"], (one["id"], one["senderId"], one["content"]))
            have = page[-1]["seq"]

    def _show(self, conversation_id: str, seq: int, message: Message) -> None:
        kept = self.shown.setdefault(conversation_id, {}).setdefault(seq, message)
        assert kept == message, f"two messages are number {seq}: {kept} and {message}"


def _check_pushes(device: Device) -> None:
    """On one connection no push comes twice, and what lies between two is the device's own, acknowledged before."""
    acknowledged: dict[str, set[int]] = {}
    pushed: dict[str, list[Frame]] = {}
    for frame in device.frames:
        data = frame["data"]
        if frame["type"] == "ack" and data["status"] == "sent":
            acknowledged.setdefault(data["conversationId"], set()).add(data["seq"])
        if frame["type"] == "message":
            pushed.setdefault(data["conversationId"], []).append(data)
            for before, after in pairwise(pushed[data["conversationId"]][-2:]):
                between = set(range(before["seq"] + 1, after["seq"]))
                assert before["seq"] < after["seq"], (before, after)
                assert between <= acknowledged.get(data["conversationId"], set()), (before, after)
