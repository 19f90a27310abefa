"""Everybody's connection ends at once, and everybody comes back: the server restarts under all its sockets.

Clients behave as ours do: after a lost connection they wait a random time between nothing and 0.5 s, twice as long
after each attempt that failed, 30 s at most, and send again, with the same id, what was not acknowledged.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import json
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from bench.peer import Address, Peer, WrongAnswerError, join_pairs
from bench.people import CONTENT
from bench.websocket import CLOSE, PING, PONG, TEXT, ChatDialect, masked, next_frame, upgrade_request

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 30.0
PATIENCE_SECONDS = 120
READ_SIZE = 65536


class Storm(Struct, frozen=True):
    """What came of it. `seconds`: from the order to stop until the last socket was welcome again."""

    sockets: int
    seconds: float
    away_seconds: float
    """Until the first one was."""
    attempts: int
    refused: int
    """How many upgrades were answered with an error; who was refused came again."""


class Client:
    """A person with an outbox of one message, and what they have got."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.welcome = False
        self.upgraded = False
        self.failures = 0
        self.unacknowledged = b""
        self.got: set[tuple[int, str]] = set()
        """The partner's messages, by seq and id. One that is pushed again is the same."""

    def lose(self) -> None:
        """The connection, if there is any left."""
        self.peer.socket.close()
        self.peer.unread = b""
        self.welcome = self.upgraded = False


class ReconnectStorm:
    """Connects people, one after the other; then `run`. The ids of its messages begin with its own `run` name."""

    def __init__(self, run: str, peers: Sequence[Peer], address: Address) -> None:
        join_pairs(peers)
        self._run = run
        self._address = address
        self._chance = random.Random(1)  # noqa: S311  chance, not secrecy
        self._epoll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._waiting: list[tuple[float, int, Client]] = []
        self._attempts = self._refused = 0
        self._away = self._lost = 0
        self._first_back_at = 0.0
        self._numbers = itertools.count()
        dialect = ChatDialect(run=run, content=CONTENT, ours=True)
        self._all = [Client(peer) for peer in peers]
        for client in self._all:
            dialect.open(client.peer, address)
            client.upgraded = client.welcome = True
            self._watch(client, select.EPOLLIN)

    def run(self, restart: Callable[[], None]) -> Storm:
        """Every second person writes a message, and the server goes and comes back.

        Raises WrongAnswerError when somebody does not come back, or a message is lost or doubled.
        """
        senders = self._all[::2]
        for client in senders:
            client.unacknowledged = client.peer.message(1)
            client.peer.socket.send(client.unacknowledged)
        restarter = threading.Thread(target=restart)
        began = time.perf_counter()
        restarter.start()
        try:
            back_at = self._weather(began, senders)
        finally:
            restarter.join()
        self._check_deliveries()
        for client in self._all:
            client.lose()
        return Storm(len(self._all), back_at - began, self._first_back_at - began, self._attempts, self._refused)

    def _weather(self, began: float, senders: Sequence[Client]) -> float:
        """Until everybody is back, and all that was written is acknowledged; gives when the last one came."""
        back_at = began
        while self._lost < len(self._all) or self._away or any(client.unacknowledged for client in senders):
            self._turn()
            if self._away:
                back_at = time.perf_counter()
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise WrongAnswerError(f"{self._away} people did not come back")
        return back_at

    def _check_deliveries(self) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        receivers = self._all[1::2]
        while any(not client.got for client in receivers) and time.perf_counter() < deadline:
            self._turn()
        for client in receivers:
            if len(client.got) != 1:
                raise WrongAnswerError(f"{client.peer.name} has {len(client.got)} messages instead of 1")

    def _turn(self) -> None:
        """Everything that is due: attempts to return, then what the sockets have."""
        while self._waiting and self._waiting[0][0] <= time.perf_counter():
            self._connect(heapq.heappop(self._waiting)[2])
        for descriptor, events in self._epoll.poll(0.01):
            client = self._clients[descriptor]
            if events & select.EPOLLOUT:
                self._connected(client)
            else:
                self._hear(client)

    # Coming back

    def _back_off(self, client: Client) -> None:
        """Full jitter: anything between nothing and the longest wait, so that the crowd comes spread."""
        descriptor = client.peer.socket.fileno()
        if self._clients.pop(descriptor, None):
            # Closing is not enough while the server that is being started has, for a moment, inherited the descriptor.
            self._epoll.unregister(descriptor)
        client.lose()
        longest = min(FIRST_BACK_OFF_SECONDS * 2**client.failures, LONGEST_BACK_OFF_SECONDS)
        client.failures += 1
        due = time.perf_counter() + self._chance.uniform(0, longest)
        heapq.heappush(self._waiting, (due, next(self._numbers), client))

    def _connect(self, client: Client) -> None:
        self._attempts += 1
        client.peer.socket = socket.socket()
        client.peer.socket.setblocking(False)
        code = client.peer.socket.connect_ex(self._address)
        if code in {0, errno.EINPROGRESS}:
            self._watch(client, select.EPOLLOUT)
        else:
            self._back_off(client)

    def _connected(self, client: Client) -> None:
        if client.peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._back_off(client)
            return
        self._epoll.modify(client.peer.socket.fileno(), select.EPOLLIN)
        client.peer.socket.send(upgrade_request(ChatDialect.path, client.peer.token))

    def _watch(self, client: Client, events: int) -> None:
        client.peer.socket.setblocking(False)
        descriptor = client.peer.socket.fileno()
        self._clients[descriptor] = client
        self._epoll.register(descriptor, events)

    def _hear(self, client: Client) -> None:
        try:
            data = client.peer.socket.recv(READ_SIZE)
        except ConnectionError:
            data = b""
        if not data:
            self._lose(client)
            return
        client.peer.unread += data
        if not client.upgraded:
            head, separator, rest = client.peer.unread.partition(b"\r\n\r\n")
            if not separator:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self._refused += 1
                self._back_off(client)
                return
            client.upgraded = True
            client.peer.unread = rest
        self._read_frames(client)

    def _lose(self, client: Client) -> None:
        if client.welcome:
            self._lost += 1
            self._away += 1
        self._back_off(client)

    def _read_frames(self, client: Client) -> None:
        peer = client.peer
        while (frame := next_frame(peer.unread, 0)) is not None:
            opcode, start, stop = frame
            payload, peer.unread = peer.unread[start:stop], peer.unread[stop:]
            if opcode == PING:
                peer.socket.send(masked(PONG, payload))
            elif opcode == CLOSE:
                peer.socket.send(masked(CLOSE, payload[:2]))
                self._lose(client)
            elif opcode == TEXT:
                self._take(client, payload)

    def _take(self, client: Client, payload: bytes) -> None:
        told = json.loads(payload)
        if told["type"] == "ready":
            self._away -= not client.welcome
            self._first_back_at = self._first_back_at or time.perf_counter()
            client.welcome = True
            if client.unacknowledged:
                client.peer.socket.send(client.unacknowledged)
        elif told["type"] == "ack" and told["data"]["status"] == "sent":
            client.unacknowledged = b""
        elif told["type"] == "message" and told["id"].startswith(f"{self._run}-"):
            client.got.add((told["data"]["seq"], told["id"]))
