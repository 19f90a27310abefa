"""Our frame layer behind our upgrade, in a process of its own, sending back each message it gets.

`python -m tests.websocket.echo_server SETTINGS` prints its port, and serves until SIGTERM.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import falcon
import gevent
from gevent import socket
from websockets.frames import Opcode

from chat_server.chat.sessions import Caller
from chat_server.config import Config, RateLimitSection
from chat_server.http.cors import Cors
from chat_server.http.handler import HttpServer
from chat_server.http.limit import RequestLimit
from chat_server.http.request import Request
from chat_server.listener import listen
from chat_server.observability.metrics import Metrics
from chat_server.realtime.gateway import Admission, Gateway
from chat_server.realtime.websocket import WebSocket, serialize

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10


@dataclass(frozen=True)
class Settings:
    """What each WebSocket is made with; sizes in bytes."""

    max_message: int = 65536
    queue_limit: int = 1_048_576
    binary: bool = False


@dataclass(frozen=True)
class EchoServer:
    """One that runs."""

    port: int
    process: subprocess.Popen[str]

    def resident_bytes(self) -> int:
        """The memory it holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024

    def processor_seconds(self) -> float:
        """The time it has spent running."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def running_echo_server(settings: Settings = Settings()) -> Iterator[EchoServer]:
    """An echo server for the length of the block."""
    command = [sys.executable, "-m", "tests.websocket.echo_server", json.dumps(dataclasses.asdict(settings))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield EchoServer(int(process.stdout.readline()), process)
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()


def join(port: int, *, receive_buffer: int = 0, behind: bytes = b"") -> socket.socket:
    """A connection whose upgrade is done. `receive_buffer`: bytes the kernel keeps of what is not read.

    `behind` is sent in one piece with the upgrade's request.
    """
    connected = socket.socket()
    if receive_buffer:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connected.connect(("127.0.0.1", port))
    key = base64.b64encode(bytes(16)).decode()
    lines = ["GET /socket HTTP/1.1", "Host: here", "Upgrade: websocket", "Connection: Upgrade"]
    lines += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", ""]
    connected.sendall("\r\n".join(lines).encode() + behind)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += connected.recv(1)
    assert b" 101 " in answer
    return connected


class EchoGateway(Gateway):
    """Lets everybody in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def admit(self, environ: dict[str, Any], *, address: str, limited: bool) -> Admission:  # noqa: ARG002
        return Admission(Caller("", "", "", 0), None, address, limited)

    def serve(self, connected: socket.socket, admission: Admission, early: bytes) -> None:  # noqa: ARG002
        client = WebSocket(connected, **dataclasses.asdict(self._settings))
        for opcode, payload in client.receive(early):
            if opcode in {Opcode.TEXT, Opcode.BINARY}:
                client.write(serialize(opcode, payload))
                client.flush()
        client.abort()


def main(settings: Settings) -> None:
    listener = listen("127.0.0.1", 0)
    config = Config(rate_limit=RateLimitSection(enabled=False))
    server = HttpServer(
        listener,
        falcon.App(request_type=Request),
        EchoGateway(settings),
        limit=RequestLimit(config, Metrics(version=""), clock=_now),
        limits=config.limits,
        cors=Cors([]),
        clock=_now,
    )
    gevent.signal_handler(signal.SIGTERM, server.stop, 1)
    print(listener.getsockname()[1], flush=True)
    server.serve_forever()


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main(Settings(**json.loads(sys.argv[1])))
