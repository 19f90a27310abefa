"""Delivery under any order of events: the real courier, on a network that the test plays.

One person with several devices, two conversations. The test commits and releases batches as the writer does,
lets reads return when it likes, carries what is written to the clients as far as it likes, and answers PINGs
late, twice, only the newest, or with garbage.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.protocol import Side as End

from chat_server.chat.conversations import Acquaintance
from chat_server.chat.history import HistoryMessage
from chat_server.realtime import courier
from chat_server.realtime.courier import Courier
from chat_server.realtime.parts import Parts
from chat_server.realtime.websocket import WebSocket, text_frame
from chat_server.storage.commit import Draft, Mark, Stored

ME = "user-0"
MY_SIDE = 1
PARTNERS = {"conv-1": "user-1", "conv-2": "user-2"}
DEVICES = 2

FRAME_BYTES = 232
PAGE_BYTES = 2 * FRAME_BYTES
CONGESTED_BYTES = 4 * FRAME_BYTES
MESSAGES_A_READ = 3

counts = st.integers(1, 6)
picks = st.integers(0, DEVICES - 1)
conversation_ids = st.sampled_from(sorted(PARTNERS))


@dataclass
class Conversation:
    """What is on disk. A seq is a place in `senders`, counted from 1."""

    id: str
    senders: list[str] = field(default_factory=list)
    delivered: int = 0
    told: int = 0
    """How far the partner was told of the delivery."""

    def newest_received(self, upto: int) -> int:
        """The seq of the partner's newest message up to `upto`; 0 where there is none."""
        return max((seq for seq in range(1, upto + 1) if self.senders[seq - 1] != ME), default=0)

    def message(self, seq: int) -> HistoryMessage:
        sender = self.senders[seq - 1]
        recipient = PARTNERS[self.id] if sender == ME else ME
        return HistoryMessage(f"{self.id}.{seq}", seq, sender, sender, recipient, " " * 37, 1, "sent")


class Stretches:
    """What one socket was pushed: in each conversation one stretch without a gap, from the watermark on."""

    def __init__(self, watermarks: dict[str, int]) -> None:
        self.reached = watermarks
        self._begun: set[str] = set()

    def follow(self, frame: bytes) -> None:
        """Takes a push, or an acknowledgement: in its turn that tells its seq as a push would.

        A stretch may begin below the watermark, with what was committed but not yet released when it was read.
        """
        told = json.loads(frame)
        conversation_id, seq = told["data"]["conversationId"], told["data"]["seq"]
        due = self.reached[conversation_id] + 1
        if seq == due or (seq < due and conversation_id not in self._begun and told["type"] == "message"):
            self.reached[conversation_id] = seq
            self._begun.add(conversation_id)
        else:
            assert told["type"] == "ack", f"pushed {seq} where {due} was due"


class Line:
    """The server's end of a socket. What is flushed is under way, until the test lets it arrive."""

    def __init__(self) -> None:
        self.is_open = True
        self.closed_with = 0
        self.unflushed: list[bytes] = []
        self.under_way: list[bytes] = []
        self.written = Stretches({})
        self.pinged = 0
        self.proven = 0
        self.beating = False

    @property
    def queued(self) -> int:
        return sum(map(len, (*self.unflushed, *self.under_way)))

    @property
    def messages_queued(self) -> int:
        """Bytes of pushed messages that the client has not taken yet."""
        return sum(len(frame) for frame in (*self.unflushed, *self.under_way) if b'"type":"message"' in frame)

    def write(self, frame: bytes) -> None:
        if self.is_open:
            self.written.follow(frame[frame.index(b"{") :])
            self.unflushed.append(frame)

    def write_ping(self, payload: bytes) -> None:
        if not self.is_open:
            return
        self.pinged += 1
        assert int(payload) == self.pinged
        assert self.beating or self.proven == self.pinged - 1, "two delivery pings under way"
        self.unflushed.append(Frame(Opcode.PING, payload).serialize(mask=False))

    def flush(self) -> None:
        self.under_way += self.unflushed
        self.unflushed.clear()

    def close(self, code: int, _reason: str) -> None:
        self.is_open = False
        self.closed_with = code


class Device:
    """A socket of the person's: its courier, its line, and the client at the other end."""

    def __init__(self, world: World) -> None:
        self.line = Line()
        self.courier = Courier(cast("Parts", world.parts(self)), cast("WebSocket", self.line), ME)
        self.watermarks: list[Acquaintance] = []
        self.opened = False
        self.reads: list[Event] = []
        self.received = Stretches({})
        self.proved: dict[str, int] = {}
        self.newest_ping = 0
        self.pings: list[int] = []
        """Those it got and has not answered."""
        self._client = Protocol(End.CLIENT, state=OPEN, max_size=None)

    def take(self, count: int) -> None:
        """The client gets the next frames."""
        for _ in range(min(count, len(self.line.under_way))):
            self._client.receive_data(self.line.under_way.pop(0))
            for frame in self._client.events_received():
                assert isinstance(frame, Frame)
                if frame.opcode is Opcode.PING:
                    self.newest_ping = int(frame.data)
                    self.pings.append(self.newest_ping)
                else:
                    self.received.follow(bytes(frame.data))

    def pong(self, payload: bytes) -> None:
        """The client's PONG arrives."""
        if payload.isdigit() and int(payload) <= self.line.pinged:
            self.line.proven = max(self.line.proven, int(payload))
        self.courier.pong(payload)

    def beat(self) -> None:
        self.line.beating = True
        self.courier.beat()
        self.line.beating = False


class World:
    """Everything around the couriers: the database, the writer's batches, the hub."""

    def __init__(self) -> None:
        self.conversations = {conversation_id: Conversation(conversation_id) for conversation_id in PARTNERS}
        self.devices: list[Device] = []
        self.drafts: list[tuple[str, str, Device | None]] = []
        self.marks: list[Mark] = []
        self.committed: list[tuple[Stored, Device | None]] | None = None

    def parts(self, device: Device) -> object:
        """What a courier asks of the server's parts."""

        def read(_query: object, _user_id: str, conversation_id: str, **span: int) -> list[HistoryMessage]:
            returned = Event()
            device.reads.append(returned)
            returned.wait()
            last = min(span["upto"], span["after"] + MESSAGES_A_READ)
            return [self.conversations[conversation_id].message(seq) for seq in range(span["after"] + 1, last + 1)]

        def raise_delivered(mark: Mark) -> None:
            assert mark.side == MY_SIDE
            assert mark.seq <= device.received.reached[mark.conversation_id], "called delivered, but never received"
            device.proved[mark.conversation_id] = mark.seq
            self.marks.append(mark)

        return SimpleNamespace(
            readers=SimpleNamespace(run=read),
            writer=SimpleNamespace(raise_delivered=raise_delivered),
            metrics=SimpleNamespace(delivery_seconds=SimpleNamespace(observe=lambda _seconds: None)),
        )

    def read_watermarks(self, device: Device) -> None:
        device.watermarks = [
            Acquaintance(one.id, MY_SIDE, PARTNERS[one.id], one.delivered, len(one.senders), shown_to=True)
            for one in self.conversations.values()
        ]
        device.proved = {one.id: one.delivered for one in self.conversations.values()}
        device.received = Stretches(dict(device.proved))
        device.line.written = Stretches(dict(device.proved))

    def open(self, device: Device) -> None:
        device.opened = True
        device.courier.open(device.watermarks)

    def commit(self) -> None:
        """One transaction: first the watermarks, then the messages."""
        marks, self.marks = self.marks, []
        for mark in marks:
            self.deliver(self.conversations[mark.conversation_id], mark)
        drafts, self.drafts = self.drafts, []
        self.committed = [(self.store(self.conversations[to], by), origin) for to, by, origin in drafts]

    def deliver(self, conversation: Conversation, mark: Mark) -> None:
        if mark.seq > conversation.delivered:
            newest = conversation.newest_received(mark.seq)
            assert mark.received_seq == newest or newest <= conversation.delivered
            assert mark.message_id == (f"{conversation.id}.{mark.received_seq}" if mark.received_seq else "")
            conversation.delivered = mark.seq
            conversation.told = max(conversation.told, mark.received_seq)

    def store(self, conversation: Conversation, by: str) -> Stored:
        if by == ME and conversation.delivered == len(conversation.senders):
            conversation.delivered += 1
        conversation.senders.append(by)
        seq = len(conversation.senders)
        side = MY_SIDE if by == ME else 3 - MY_SIDE
        return Stored(Draft(conversation.id, side, f"{conversation.id}.{seq}", by, "", "", None), seq, created_at=1)

    def at_work(self) -> bool:
        return bool(self.drafts or self.marks or self.committed)

    def release(self) -> None:
        """Acknowledges and pushes what was committed, then lets each socket concerned send."""
        batch, self.committed = self.committed or [], None
        concerned = set[Device]()
        for stored, origin in batch:
            if origin in self.devices:
                origin.line.write(frame("ack", stored))
                origin.courier.acknowledged(stored)
            for device in self.devices:
                concerned.add(device)
                if device is not origin:
                    device.courier.push(stored, MY_SIDE, frame("message", stored))
        for device in concerned:
            device.courier.settle()


def frame(kind: str, stored: Stored) -> bytes:
    data = {"conversationId": stored.draft.conversation_id, "seq": stored.seq, "padding": " " * 152}
    return text_frame(json.dumps({"type": kind, "data": data}, separators=(",", ":")).encode())


def chosen(devices: list[Device], pick: int) -> Device:
    return devices[pick % len(devices)]


def let_greenlets_run() -> None:
    for _ in range(3):
        gevent.sleep(0)


def some(devices: Callable[[Any], list[Device]]) -> Callable[[object], bool]:
    return lambda machine: bool(devices(machine))


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    # What can happen next

    def present(self) -> list[Device]:
        return self.world.devices

    def connecting(self) -> list[Device]:
        return [device for device in self.world.devices if not device.watermarks]

    def unready(self) -> list[Device]:
        return [device for device in self.world.devices if device.watermarks and not device.opened]

    def talking(self) -> list[Device]:
        return [device for device in self.world.devices if device.opened and device.line.is_open]

    def reading(self) -> list[Device]:
        return [device for device in self.world.devices if device.reads]

    def reached(self) -> list[Device]:
        return [device for device in self.world.devices if device.line.under_way]

    def pinged(self) -> list[Device]:
        return [device for device in self.world.devices if device.pings]

    # Messages

    @rule(to=conversation_ids, count=counts, at_once=st.booleans())
    def the_partner_says(self, to: str, count: int, at_once: bool) -> None:
        self.world.drafts += [(to, PARTNERS[to], None)] * count
        if at_once:
            self.a_batch_goes_on()
            self.a_batch_goes_on()

    @rule(to=conversation_ids)
    def i_say_on_a_device_that_is_gone(self, to: str) -> None:
        self.world.drafts.append((to, ME, None))

    @precondition(some(talking))
    @rule(pick=picks, to=conversation_ids)
    def i_say(self, pick: int, to: str) -> None:
        self.world.drafts.append((to, ME, chosen(self.talking(), pick)))

    @rule()
    def a_batch_goes_on(self) -> None:
        """It is released before another is committed."""
        if self.world.committed is None:
            self.world.commit()
        else:
            self.world.release()

    # Connections

    @precondition(lambda self: len(self.world.devices) < DEVICES)
    @rule(at_once=st.booleans())
    def a_device_connects(self, at_once: bool) -> None:
        self.world.devices.append(Device(self.world))
        if at_once:
            self.its_watermarks_are_read(-1)
            self.it_is_ready(-1)

    @precondition(some(connecting))
    @rule(pick=picks)
    def its_watermarks_are_read(self, pick: int) -> None:
        self.world.read_watermarks(chosen(self.connecting(), pick))

    @precondition(some(unready))
    @rule(pick=picks)
    def it_is_ready(self, pick: int) -> None:
        self.world.open(chosen(self.unready(), pick))

    @precondition(some(reading))
    @rule(pick=picks)
    def a_read_returns(self, pick: int) -> None:
        chosen(self.reading(), pick).reads.pop(0).set()

    @precondition(some(present))
    @rule(pick=picks, luck=st.integers(0, 7))
    def a_connection_may_end(self, pick: int, luck: int) -> None:
        """Seldom, or nothing would come of it. While the server closes, what is under way still arrives."""
        device = chosen(self.world.devices, pick)
        if luck == 0:
            self.end(device)
        elif luck == 1 and device.opened:
            device.line.close(1000, "")

    def end(self, device: Device) -> None:
        self.world.devices.remove(device)
        device.line.is_open = False
        device.courier.wake()
        for read in device.reads:
            read.set()

    # What arrives

    @precondition(some(reached))
    @rule(pick=picks, count=counts)
    def the_client_takes(self, pick: int, count: int) -> None:
        chosen(self.reached(), pick).take(count)

    @precondition(some(pinged))
    @rule(pick=picks)
    def the_client_answers_the_newest_ping(self, pick: int) -> None:
        device = chosen(self.pinged(), pick)
        device.pong(b"%d" % device.pings.pop())
        device.pings.clear()

    @precondition(some(talking))
    @rule(pick=picks, back=counts)
    def the_client_answers_any_ping_it_ever_got(self, pick: int, back: int) -> None:
        device = chosen(self.talking(), pick)
        number = device.newest_ping + 1 - back
        if number > 0:
            device.pong(b"%d" % number)
            device.pings = [ping for ping in device.pings if ping > number]

    @precondition(some(talking))
    @rule(pick=picks, payload=st.sampled_from([b"", b"x", b"-1", b"1.0", b"99999", b"9" * 40, "²".encode()]))
    def the_client_sends_a_pong_for_no_ping(self, pick: int, payload: bytes) -> None:
        chosen(self.talking(), pick).pong(payload)

    @precondition(some(talking))
    @rule(pick=picks)
    def the_heart_beats(self, pick: int) -> None:
        chosen(self.talking(), pick).beat()

    @invariant()
    def nothing_fails(self) -> None:
        let_greenlets_run()
        assert all(device.line.closed_with != 1011 for device in self.world.devices)

    @invariant()
    def what_waits_for_a_slow_client_is_bounded(self) -> None:
        for device in self.world.devices:
            assert device.line.messages_queued <= CONGESTED_BYTES + PAGE_BYTES + FRAME_BYTES

    def teardown(self) -> None:
        for device in [device for device in self.world.devices if not device.line.is_open]:
            self.end(device)
        if self.world.devices:
            self.quiesce()
            self.all_has_arrived()
            for device in self.world.devices:
                device.beat()
            self.quiesce()
            for conversation in self.world.conversations.values():
                assert conversation.delivered == len(conversation.senders)
        while self.world.devices:
            self.end(self.world.devices[0])
        let_greenlets_run()

    def all_has_arrived(self) -> None:
        """On every device, each has proved it, and the partners know, though no heartbeat has helped."""
        for conversation in self.world.conversations.values():
            newest = conversation.newest_received(len(conversation.senders))
            for device in self.world.devices:
                assert device.received.reached[conversation.id] == len(conversation.senders)
                assert device.proved[conversation.id] >= newest
            assert conversation.delivered >= newest
            assert conversation.told == newest

    def quiesce(self) -> None:
        """Everybody is there and quick, until nothing moves any more."""
        while self.connecting():
            self.its_watermarks_are_read(0)
        while self.unready():
            self.it_is_ready(0)
        for _ in range(1000):
            self.a_batch_goes_on()
            let_greenlets_run()
            if not (self.reading() or self.reached() or self.pinged() or self.world.at_work()):
                return
            while self.reading():
                self.a_read_returns(0)
            while self.reached():
                self.the_client_takes(0, 1000)
            while self.pinged():
                self.the_client_answers_the_newest_ping(0)
            self.nothing_fails()
        raise AssertionError("it never comes to rest")


def test_delivery_is_honest_in_any_order_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "PAGE_BYTES", PAGE_BYTES)
    monkeypatch.setattr(courier, "CONGESTED_BYTES", CONGESTED_BYTES)
    run_state_machine_as_test(Delivery, settings=settings(max_examples=500, stateful_step_count=60, deadline=None))
