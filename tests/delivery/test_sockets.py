"""Delivery with all its real parts: SQLite, the writer, the hub, sockets. Only the clients are the test's.

They take few bytes at a time, answer PINGs late, wrongly or only the newest, vanish at any byte, and send again
what was not acknowledged; and the server restarts beneath them.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol
from websockets.protocol import Side as End

from chat_server.chat.conversations import Conversations
from chat_server.chat.messages import Messages
from chat_server.chat.presence import Presence
from chat_server.chat.sessions import Caller, Sessions
from chat_server.config import Config
from chat_server.observability.metrics import Metrics
from chat_server.realtime import courier
from chat_server.realtime.announcer import Announcer
from chat_server.realtime.gateway import Admission, Gateway
from chat_server.realtime.hub import Hub
from chat_server.realtime.liveness import Liveness
from chat_server.realtime.parts import Parts
from chat_server.realtime.release import Release
from chat_server.realtime.tally import MessageTally
from chat_server.security.throttle import Rate
from chat_server.security.tokens import Tokens
from chat_server.storage.database import connect, prepare
from chat_server.storage.models import Conversation, Message, User
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

PEOPLE = ("user-anna", "user-ben", "user-carl")
MAX_DEVICES = 4
PATIENCE_SECONDS = 20

Text = dict[str, Any]


def now() -> int:
    return time.time_ns() // 1_000_000


class Service:
    """The server's parts on the database at `path`, without HTTP."""

    def __init__(self, path: Path) -> None:
        prepare(path)
        database = connect(path)
        self.readers = readers = Readers(database, threads=2, slow_query_ms=10_000)
        self.writer = writer = Writer(database, clock=now)
        self.hub = hub = Hub()
        rate = Rate(per_minute=1, burst=1)  # of which nobody's connection is limited
        conversations = Conversations(readers, writer, clock=now)
        metrics = Metrics(version="0")
        tokens = Tokens("only-for-tests-" * 4, expiry_seconds=60)
        parts = Parts(
            config=Config(),
            clock=now,
            hub=hub,
            presence=Presence(),
            sessions=Sessions(
                readers, writer, tokens, idle_seconds=60, metrics=metrics, clock=now, ended=hub.close_sessions
            ),
            conversations=conversations,
            messages=Messages(conversations, writer, rate=rate),
            readers=readers,
            writer=writer,
            metrics=metrics,
            tally=MessageTally(),
            frame_rate=rate,
        )
        self.gateway = Gateway(parts, Liveness(parts), Announcer(parts))
        writer.start(Release(parts))

    def stop(self) -> None:
        for connection in self.hub:
            connection.socket.abort()
        self.hub.wait_until_empty(PATIENCE_SECONDS)
        self.readers.close()
        self.writer.stop()


class Device:
    """A client on a socket of its own. It does nothing by itself."""

    def __init__(self, service: Service, user_id: str) -> None:
        self.user_id = user_id
        self.pings: list[int] = []
        self.newest_ping = 0
        self.pushed: dict[str, int] = {}
        """The newest of each conversation."""
        self.acknowledged: dict[str, set[int]] = defaultdict(set)
        self.texts: list[Text] = []
        self._frames = Protocol(End.CLIENT, state=OPEN, max_size=None)
        self._socket, served = socket.socketpair()
        served.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        caller = Caller(user_id, user_id, f"session-of-{user_id}", now() + 3_600_000)
        admission = Admission(caller, None, "127.0.0.1", limited=False)
        self._served = gevent.spawn(service.gateway.serve, served, admission, b"")

    def send(self, text: Text) -> None:
        self._write(Opcode.TEXT, json.dumps(text).encode())

    def pong(self, payload: bytes) -> None:
        self._write(Opcode.PONG, payload)

    def _write(self, opcode: Opcode, payload: bytes) -> None:
        with suppress(OSError):  # the server is gone, which `vanish` will notice
            self._socket.sendall(Frame(opcode, payload).serialize(mask=True))

    def take(self, count: int) -> int:
        """Reads so many bytes, or what there is of them; gives how many there were."""
        try:
            data = os.read(self._socket.fileno(), count)
        except OSError:
            return 0
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.PING:
                self.newest_ping = int(frame.data)
                self.pings.append(self.newest_ping)
            elif frame.opcode is Opcode.TEXT:
                self._got(json.loads(bytes(frame.data)))
        return len(data)

    def _got(self, text: Text) -> None:
        assert text["type"] != "error", text
        self.texts.append(text)
        data = text["data"]
        if "seq" not in data:
            return
        conversation_id, seq = data["conversationId"], data["seq"]
        acknowledged = self.acknowledged[conversation_id]
        if text["type"] == "ack":
            acknowledged.add(seq)
        else:
            pushed = self.pushed.get(conversation_id, seq - 1)
            assert pushed < seq, f"pushed {seq} after {pushed}"
            assert acknowledged >= set(range(pushed + 1, seq)), f"pushed {seq} after {pushed}"
            self.pushed[conversation_id] = seq

    def has(self, conversation_id: str, seq: int) -> bool:
        """Whether it was pushed, or acknowledged."""
        return seq <= self.pushed.get(conversation_id, 0) or seq in self.acknowledged[conversation_id]

    def told_delivered(self) -> list[Text]:
        return [text["data"] for text in self.texts if text["type"] == "ack" and text["data"]["status"] == "delivered"]

    def vanish(self) -> None:
        self._socket.close()
        self._served.join(PATIENCE_SECONDS)
        assert self._served.ready()


class World:
    """The service, who is connected, and what everybody has ever been told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.service = Service(path)
        self.service.writer.write(sign_up)
        self.devices: list[Device] = []
        self.gone: list[Device] = []
        self.sent: dict[str, Text] = {}
        self.watermarks: dict[tuple[str, str], int] = defaultdict(int)

    def device(self, pick: int) -> Device | None:
        return self.devices[pick % len(self.devices)] if self.devices else None

    def connect(self, who: int, _: int) -> None:
        if len(self.devices) < MAX_DEVICES:
            self.devices.append(Device(self.service, PEOPLE[who % len(PEOPLE)]))

    def say(self, pick: int, count: int) -> None:
        if device := self.device(pick):
            others = [person for person in PEOPLE if person != device.user_id]
            for _ in range(1 + count % 5):
                content = "x" * (1 + count * 7)
                message = {"recipientId": others[count % 2], "content": content}
                text = {"id": f"id-{len(self.sent)}", "type": "message", "data": message}
                self.sent[f"id-{len(self.sent)}"] = {"by": device.user_id, "text": text}
                device.send(text)

    def take(self, pick: int, count: int) -> None:
        if device := self.device(pick):
            device.take(1 + count * 13)

    def answer(self, pick: int, how: int) -> None:
        """The newest PING, one of those before it, or one that never was."""
        if device := self.device(pick):
            payloads = [b"%d" % max(device.newest_ping - back, 0) for back in range(4)]
            device.pong([*payloads, payloads[0], payloads[0], b"123456", b"?"][how % 8])

    def vanish(self, pick: int, luck: int) -> None:
        if luck % 4 == 0 and (device := self.device(pick)):
            self.devices.remove(device)
            self.gone.append(device)
            device.vanish()

    def repeat(self, pick: int, _: int) -> None:
        """Sends again all of the person's that no device of theirs was told to be stored."""
        if device := self.device(pick):
            stored = self.stored_as_told()
            for name, sent in self.sent.items():
                if sent["by"] == device.user_id and name not in stored:
                    device.send(sent["text"])

    def restart(self, luck: int, _: int) -> None:
        if luck % 8 == 0:
            self.service.stop()
            for device in self.devices:
                device.vanish()
            self.gone += self.devices
            self.devices = []
            self.service = Service(self.path)

    def pass_time(self, count: int, _: int) -> None:
        gevent.sleep(count / 4000)

    def stored_as_told(self) -> dict[str, Text]:
        """By id, the acknowledgements of all devices that were ever here."""
        return {
            text["id"]: text["data"]
            for device in (*self.devices, *self.gone)
            for text in device.texts
            if text["type"] == "ack" and text["data"]["status"] == "sent"
        }

    def got(self, user_id: str, conversation_id: str) -> set[int]:
        """The seqs that some device of the person's has been pushed."""
        return {
            text["data"]["seq"]
            for device in (*self.devices, *self.gone)
            for text in device.texts
            if device.user_id == user_id
            if text["type"] == "message" and text["data"]["conversationId"] == conversation_id
        }

    def check(self) -> None:
        """What holds at any time: watermarks rise, and never over what is still on its way."""
        for conversation, messages in self.service.readers.run(read_all):
            for user_id in (conversation.user1_id, conversation.user2_id):
                mine, _ = conversation.sides(user_id)
                key = conversation.id, user_id
                assert mine.delivered_seq >= self.watermarks[key]
                self.watermarks[key] = mine.delivered_seq
                due = {one.seq for one in messages if one.sender_id != user_id and one.seq <= mine.delivered_seq}
                assert due <= self.got(user_id, conversation.id)

    def everybody_comes_back(self) -> None:
        """And sends again what may have been lost."""
        for user_id in PEOPLE:
            self.devices.append(Device(self.service, user_id))
            self.repeat(-1, 0)

    def come_to_rest(self) -> None:
        """Everybody reads and answers, until each device has all there is and the senders' watermarks say so."""
        with gevent.Timeout(PATIENCE_SECONDS, AssertionError("it never comes to rest")):
            while True:
                quiet = True
                for device in self.devices:
                    while device.take(65536):
                        quiet = False
                    if device.pings:
                        device.pong(b"%d" % device.pings[-1])
                        device.pings.clear()
                        quiet = False
                if quiet and self.all_is_there():
                    return
                gevent.sleep(0.001)

    def all_is_there(self) -> bool:
        for conversation, messages in self.service.readers.run(read_all):
            for device in self.devices:
                if device.user_id not in {conversation.user1_id, conversation.user2_id}:
                    continue
                mine, _ = conversation.sides(device.user_id)
                newest = max((one.seq for one in messages if one.sender_id != device.user_id), default=0)
                if mine.delivered_seq < newest:
                    return False
                if messages and conversation.id in device.pushed and not device.has(conversation.id, len(messages)):
                    return False
        return len(self.stored_as_told()) == len(self.sent)

    def check_what_is_kept(self) -> None:
        """Seqs have no gaps, what was acknowledged is there as it was told, and nothing twice."""
        acknowledged = self.stored_as_told()
        kept: dict[str, Message] = {}
        for _, messages in self.service.readers.run(read_all):
            assert [one.seq for one in messages] == list(range(1, len(messages) + 1))
            for one in messages:
                assert one.client_id not in kept
                kept[one.client_id] = one
        for name, told in acknowledged.items():
            assert (kept[name].conversation_id, kept[name].seq) == (told["conversationId"], told["seq"])
        for device in (*self.devices, *self.gone):
            for told in device.told_delivered():
                one = kept[told["messageId"]]
                assert (one.sender_id, one.seq) == (device.user_id, told["upToSeq"])
        for name, one in kept.items():
            sent = self.sent[name]
            assert (one.sender_id, one.content) == (sent["by"], sent["text"]["data"]["content"])


def sign_up() -> None:
    for user_id in PEOPLE:
        User.create(id=user_id, username=user_id, created_at=1)


def read_all() -> list[tuple[Conversation, list[Message]]]:
    """Every conversation with its messages."""
    by_conversation: dict[str, list[Message]] = defaultdict(list)
    for message in Message.select().order_by(Message.seq):
        by_conversation[message.conversation_id].append(message)
    return [(conversation, by_conversation[conversation.id]) for conversation in Conversation.select()]


STEPS = [
    World.connect,
    World.say,
    World.say,
    World.take,
    World.take,
    World.answer,
    World.pass_time,
    World.vanish,
    World.repeat,
    World.restart,
]
steps = st.tuples(st.sampled_from(STEPS), st.integers(0, 63), st.integers(0, 63))


@pytest.fixture(scope="module", autouse=True)
def small_pages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier, "PAGE_BYTES", 2_000)
        patch.setattr(courier, "CONGESTED_BYTES", 6_000)
        yield


@settings(max_examples=40, deadline=None)
@given(program=st.lists(steps, min_size=30, max_size=100))
def test_nothing_is_lost_doubled_or_called_delivered_too_early(program: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory) / "chat.db")
        try:
            for step, one, other in program:
                step(world, one, other)
                gevent.sleep(0)
                world.check()
            world.everybody_comes_back()
            world.come_to_rest()
            world.check()
            world.check_what_is_kept()
        finally:
            world.service.stop()
