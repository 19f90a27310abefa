"""A person's device: a real WebSocket client, for tests of what is promised to people."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.client import Person

Frame = dict[str, Any]
Made = TypeVar("Made")

PATIENCE_SECONDS = 10


class Reachable(Protocol):
    """A server, wherever it runs."""

    @property
    def socket_url(self) -> str: ...


@contextmanager
def online(server: Reachable, person: Person, *, tls: ssl.SSLContext | None = None) -> Iterator[Device]:
    """A device of the person's, connected for the length of the block, its `ready` received."""
    device = Device(server, person.token, tls=tls)
    try:
        device.wait(lambda frame: frame["type"] == "ready")
        yield device
    finally:
        device.close()


class Device:
    """One open socket. A thread of its own receives, and answers PINGs; all that came is in `frames`.

    That thread also writes, for no two threads may use one TLS connection at a time: OpenSSL forgets what it was asked.
    """

    def __init__(
        self, server: Reachable, token: str, *, tls: ssl.SSLContext | None = None, source: str | None = None
    ) -> None:
        """`tls`: what is expected of the server's certificate, where its address is a wss:// one.

        `source`: the address of this machine to come from.
        """
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._socket = self._run(self._open(f"{server.socket_url}?token={token}", tls, source))
        except BaseException:
            self._end()
            raise
        self._received = asyncio.run_coroutine_threadsafe(self._receive(), self._loop)

    async def _open(self, url: str, tls: ssl.SSLContext | None, source: str | None) -> ClientConnection:
        came_from = (source, 0) if source else None
        return await connect(url, ssl=tls, local_addr=came_from, ping_interval=None, compression=None)

    async def _receive(self) -> None:
        try:
            async for payload in self._socket:
                with self._news:
                    self.frames.append(json.loads(payload))
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        with self._news:
            self.closed = (self._socket.close_code or 1006, self._socket.close_reason or "")
            self._news.notify_all()

    def _run(self, what: Coroutine[Any, Any, Made]) -> Made:
        """In the thread of the device's own; what it raises is raised here."""
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def _end(self) -> None:
        """Ends that thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, kind: str, data: Frame | None = None, frame_id: str = "") -> str:
        """Sends a frame; gives its id."""
        frame_id = frame_id or str(uuid.uuid4())
        frame = {"id": frame_id, "type": kind, "timestamp": int(time.time() * 1000), "data": data or {}}
        self.send_raw(json.dumps(frame))
        return frame_id

    def send_raw(self, payload: str | bytes) -> None:
        self._run(self._socket.send(payload))

    def write(self, to: Person, content: str, message_id: str = "") -> str:
        """Sends a message; gives its id without waiting."""
        return self.send("message", {"recipientId": to.user_id, "content": content}, message_id)

    def say(self, to: Person, content: str, message_id: str = "") -> Frame:
        """Sends a message and waits for its acknowledgement, whose data it gives."""
        since = len(self.frames)
        message_id = self.write(to, content, message_id)
        return self.ack(message_id, since=since)

    def ack(self, message_id: str, *, since: int = 0) -> Frame:
        """The data of the message's `sent`."""
        frame = self.answer(message_id, since=since)
        assert frame["type"] == "ack", frame
        data: Frame = frame["data"]
        return data

    def answer(self, message_id: str, *, since: int = 0) -> Frame:
        """What the sender of a message was told first: that it was sent, or why not."""
        return self.wait(
            lambda frame: (
                frame["id"] == message_id
                and (frame["type"] == "error" or (frame["type"] == "ack" and frame["data"]["status"] == "sent"))
            ),
            since=since,
        )

    def error(self, frame_id: str = "") -> Frame:
        """The data of the error that answers the frame, or of the next one."""
        frame = self.wait(lambda frame: frame["type"] == "error" and frame_id in {"", frame["id"]})
        data: Frame = frame["data"]
        return data

    def sync(self) -> None:
        """Everything the server wrote to this socket until now has come."""
        asked = self.send("heartbeat")
        self.wait(lambda frame: frame["type"] == "heartbeat" and frame["id"] == asked)

    def receipts(self, status: str) -> list[int]:
        """How far the receipts of one kind, `delivered` or `read`, have said so far, in order."""
        return [frame["data"]["upToSeq"] for frame in self.of("ack") if frame["data"]["status"] == status]

    def wait_for_receipt(self, status: str, up_to_seq: int, *, seconds: float = PATIENCE_SECONDS) -> Frame:
        """The first receipt that says this, or more."""
        return self.wait(
            lambda frame: (
                frame["type"] == "ack" and frame["data"]["status"] == status and frame["data"]["upToSeq"] >= up_to_seq
            ),
            seconds=seconds,
        )

    def sightings(self, person: Person) -> list[bool]:
        """Whether the person was said to be online, each time something was said about it."""
        return [frame["data"]["isOnline"] for frame in self.of("presence") if frame["data"]["userId"] == person.user_id]

    def wait_for_sighting(self, person: Person, times: int = 1, *, seconds: float = PATIENCE_SECONDS) -> Frame:
        """The data of the last of so many presence frames about the person."""
        with self._news:
            found = self._news.wait_for(lambda: len(self.sightings(person)) >= times, seconds)
            assert found, f"{self.sightings(person)}; closed: {self.closed}"
        about = [frame["data"] for frame in self.of("presence") if frame["data"]["userId"] == person.user_id]
        data: Frame = about[times - 1]
        return data

    def of(self, kind: str) -> list[Frame]:
        """What has come of one type, so far."""
        with self._news:
            return [frame for frame in self.frames if frame["type"] == kind]

    def messages(self) -> list[Frame]:
        """The data of every message pushed so far."""
        return [frame["data"] for frame in self.of("message")]

    def wait(self, wanted: Callable[[Frame], bool], *, since: int = 0, seconds: float = PATIENCE_SECONDS) -> Frame:
        """The first frame wanted, of those that have come or will; `since` says how many of those don't count."""
        deadline = time.monotonic() + seconds
        checked = since
        with self._news:
            while True:
                for frame in self.frames[checked:]:
                    if wanted(frame):
                        return frame
                checked = len(self.frames)
                left = deadline - time.monotonic()
                assert left > 0, f"never came: {self.frames[-20:]}"
                assert self.closed is None, f"closed: {self.closed}; {self.frames[-20:]}"
                self._news.wait(left)

    def wait_for_messages(self, count: int, *, seconds: float = PATIENCE_SECONDS) -> list[Frame]:
        """The data of the messages pushed, once there are so many."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                pushed = [frame["data"] for frame in self.frames if frame["type"] == "message"]
                left = deadline - time.monotonic()
                if len(pushed) >= count:
                    return pushed
                assert left > 0, f"{len(pushed)} of {count}"
                assert self.closed is None, f"{len(pushed)} of {count}; closed: {self.closed}"
                self._news.wait(left)

    def wait_closed(self, *, seconds: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """The close code and reason, once the server has closed."""
        deadline = time.monotonic() + seconds
        with self._news:
            while self.closed is None:
                left = deadline - time.monotonic()
                assert left > 0, f"still open; {self.frames[-5:]}"
                self._news.wait(left)
            return self.closed

    def cut(self) -> None:
        """Drops the connection, as a lost network does: no CLOSE."""
        self._socket.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        self._received.result(PATIENCE_SECONDS)

    def close(self) -> None:
        """Closes, and returns when all that came before the end is in `frames`; once more is no fault."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._socket.close())
            self._received.result(PATIENCE_SECONDS)
        finally:
            self._end()
