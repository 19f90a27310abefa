"""A person's device: a real WebSocket client, for tests of what is promised to people."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.client import Person
from tests.server import Server

Frame = dict[str, Any]

PATIENCE_SECONDS = 10


@contextmanager
def online(server: Server, person: Person, **options: Any) -> Iterator[Device]:
    """A device of the person's, connected for the length of the block, its `ready` received."""
    device = Device(server, person.token, **options)
    try:
        device.wait(lambda frame: frame["type"] == "ready")
        yield device
    finally:
        device.close()


class Device:
    """One open socket. A thread of its own receives, and answers PINGs; all that came is in `frames`."""

    def __init__(self, server: Server, token: str, **options: Any) -> None:
        self.frames: list[Frame] = []
        self.closed: tuple[int, str] | None = None
        self._news = threading.Condition()
        self._socket: ClientConnection = connect(
            f"{server.socket_url}?token={token}", ping_interval=None, compression=None, **options
        )
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        try:
            for payload in self._socket:
                with self._news:
                    self.frames.append(json.loads(payload))
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        with self._news:
            self.closed = (self._socket.close_code or 1006, self._socket.close_reason or "")
            self._news.notify_all()

    def send(self, kind: str, data: Frame | None = None, frame_id: str = "") -> str:
        """Sends a frame; gives its id."""
        frame_id = frame_id or str(uuid.uuid4())
        frame = {"id": frame_id, "type": kind, "timestamp": int(time.time() * 1000), "data": data or {}}
        self._socket.send(json.dumps(frame))
        return frame_id

    def send_raw(self, payload: str | bytes) -> None:
        self._socket.send(payload)

    def write(self, to: Person, content: str, message_id: str = "") -> str:
        """Sends a message; gives its id without waiting."""
        return self.send("message", {"recipientId": to.user_id, "content": content}, message_id)

    def say(self, to: Person, content: str, message_id: str = "") -> Frame:
        """Sends a message and waits for its acknowledgement, whose data it gives."""
        message_id = self.write(to, content, message_id)
        return self.ack(message_id)

    def ack(self, message_id: str) -> Frame:
        """The data of the message's `sent`."""
        frame = self.wait(
            lambda frame: (
                frame["id"] == message_id
                and (frame["type"] == "error" or (frame["type"] == "ack" and frame["data"]["status"] == "sent"))
            )
        )
        assert frame["type"] == "ack", frame
        data: Frame = frame["data"]
        return data

    def error(self, frame_id: str = "") -> Frame:
        """The data of the error that answers the frame, or of the next one."""
        frame = self.wait(lambda frame: frame["type"] == "error" and frame_id in {"", frame["id"]})
        data: Frame = frame["data"]
        return data

    def of(self, kind: str) -> list[Frame]:
        """What has come of one type, so far."""
        with self._news:
            return [frame for frame in self.frames if frame["type"] == kind]

    def messages(self) -> list[Frame]:
        """The data of every message pushed so far."""
        return [frame["data"] for frame in self.of("message")]

    def wait(self, wanted: Callable[[Frame], bool], *, seconds: float = PATIENCE_SECONDS) -> Frame:
        """The first frame wanted, of those that have come or will."""
        deadline = time.monotonic() + seconds
        checked = 0
        with self._news:
            while True:
                for frame in self.frames[checked:]:
                    if wanted(frame):
                        return frame
                checked = len(self.frames)
                left = deadline - time.monotonic()
                assert left > 0 and self.closed is None, f"never came; closed: {self.closed}; {self.frames[-20:]}"
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
                assert left > 0 and self.closed is None, f"{len(pushed)} of {count}; closed: {self.closed}"
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

    def close(self) -> None:
        self._socket.close()
        self._thread.join(PATIENCE_SECONDS)
