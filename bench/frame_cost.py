"""What receiving a message and sending it back costs the server: `python -m bench.frame_cost`, by hand.

Prints processor time per text message of 100 bytes, in microseconds: of the whole server process, the kernel's
part of its loopback connections included, and of the frame layer alone. Another frame layer is compared by running
this at its commit.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

from gevent import socket
from websockets.frames import Opcode

from chat_server.realtime.message_reader import MessageReader
from chat_server.realtime.websocket import serialize
from tests.websocket.echo_server import EchoServer, join, running_echo_server
from tests.websocket.raw import TEXT, frame

CONNECTIONS = 50
MESSAGES = 40_000
ROUNDS = 7

MESSAGE = frame(TEXT, b"x" * 100)
ECHO_BYTES = len(serialize(Opcode.TEXT, b"x" * 100))


def exchange(connections: list[socket.socket], burst: int) -> None:
    """A burst of messages from each connection, and their echoes."""
    for connection in connections:
        connection.sendall(MESSAGE * burst)
    for connection in connections:
        left = ECHO_BYTES * burst
        while left:
            left -= len(connection.recv(left))


def whole_server(server: EchoServer, burst: int) -> float:
    """Microseconds a message, of the best round."""
    best = float("inf")
    with ExitStack() as stack:
        connections = [stack.enter_context(join(server.port)) for _ in range(CONNECTIONS)]
        exchanges = MESSAGES // (CONNECTIONS * burst)
        for _ in range(ROUNDS):
            before = server.processor_seconds()
            for _ in range(exchanges):
                exchange(connections, burst)
            best = min(best, server.processor_seconds() - before)
    return best / (exchanges * CONNECTIONS * burst) * 1e6


def frame_layer() -> float:
    """Microseconds to take one message from bytes, and to make its echo's."""
    best = float("inf")
    reader = MessageReader(max_message=65536)
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(MESSAGES):
            for opcode, payload in reader.read(MESSAGE):
                serialize(opcode, payload)
        best = min(best, time.process_time() - before)
    return best / MESSAGES * 1e6


def main() -> None:
    with running_echo_server() as server:
        report = {
            "server, one message at a time": whole_server(server, burst=1),
            "server, in bursts of 32": whole_server(server, burst=32),
            "frame layer alone": frame_layer(),
        }
    for name, cost in report.items():
        sys.stdout.write(f"{name:32} {cost:6.2f} µs\n")


if __name__ == "__main__":
    main()
