"""Drives many sockets from one thread: messages at saturation, or on a schedule, each followed to its end.

Every acknowledgement and every push is matched with the message it is for, in order, so whatever is lost, doubled
or reordered ends the measurement. What a message costs here bounds what can be measured: this loop is kept lean.
"""

from __future__ import annotations

import random
import select
import time
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from bench.latency import Latency
from bench.peer import Address, Dialect, Peer, WrongAnswerError, join_pairs

READ_SIZE = 262144
DRAIN_SECONDS = 60
SPIN_SECONDS = 0.0015
"""epoll waits whole milliseconds; what is due sooner than this is waited for awake."""
LATE_SHARE = 0.01


class GeneratorLateError(Exception):
    """The generator missed its own schedule: what it measured would flatter, or blame, the server for nothing."""


class Measured(Struct, frozen=True):
    """What came of one run, without its warm-up. `delivery` is None where nobody but the sender is told anything."""

    messages: int
    seconds: float
    cpu_seconds: float
    ack: Latency | None
    delivery: Latency | None

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        """The server's processor time a message, in microseconds."""
        return 1e6 * self.cpu_seconds / self.messages

    @property
    def cpu_share(self) -> float:
        """How busy the server's core was with it, 0 to 1."""
        return self.cpu_seconds / self.seconds


class Generator:
    """People in pairs, signed in; one Generator makes one measurement.

    `cpu`: the server's processor time so far. `idle`: people, in pairs too, who are only connected.
    """

    def __init__(
        self,
        dialect: Dialect,
        peers: Sequence[Peer],
        address: Address,
        *,
        cpu: Callable[[], float],
        idle: Sequence[Peer] = (),
    ) -> None:
        self._dialect = dialect
        self._cpu = cpu
        self._epoll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._order = list(peers)
        self._now = time.perf_counter()
        self._ack_seconds: list[float] = []
        self._delivery_seconds: list[float] = []
        everybody = [*peers, *idle]
        join_pairs(everybody)
        for peer in everybody:
            dialect.open(peer, address)
            peer.socket.setblocking(False)
            self._peers[peer.socket.fileno()] = peer
            self._epoll.register(peer.socket.fileno(), select.EPOLLIN)

    @property
    def sent(self) -> int:
        """How many messages, in all."""
        return sum(len(peer.due) for peer in self._order)

    def close(self) -> None:
        for peer in self._peers.values():
            peer.socket.close()
        self._epoll.close()

    # What is measured

    def saturate(self, *, window: int, seconds: float, warm_up: float) -> Measured:
        """Every person always has `window` messages under way."""
        for duration in (warm_up, seconds):
            begun = self._begin()
            for peer in self._order:
                self._top_up(peer, window)
            self._saturate_until(self._now + duration, window)
            self._drain()
        return self._measured(*begun)

    def offer(self, *, rate: float, seconds: float, warm_up: float, late_seconds: float, seed: int = 1) -> Measured:
        """Messages arrive at random, `rate` a second on average, whether or not earlier ones were answered.

        Latency counts from when a message was to be sent, so a server that stalls does not slow its own test down.
        Raises GeneratorLateError when more than 1 % of the messages left over `late_seconds` after they were due.
        """
        for duration in (warm_up, seconds):
            begun = self._begin()
            lateness = self._offer_until(self._now + duration, self._arrivals(rate, seed))
            self._drain()
        late = sum(one > late_seconds for one in lateness)
        if late > LATE_SHARE * len(lateness):
            raise GeneratorLateError(
                f"the generator missed its own schedule: {late} of {len(lateness)} messages left over "
                f"{late_seconds * 1000:.0f} ms late, the worst {max(lateness) * 1000:.0f} ms"
            )
        return self._measured(*begun)

    def listen(self, seconds: float) -> None:
        """Sends nothing, but answers PINGs."""
        end = self._now + seconds
        while self._now < end:
            self._turn(0.1)

    def keep_busy(self, *, window: int) -> None:
        """One round of `saturate`, which does not wait: for measuring something else meanwhile."""
        for peer in self._order:
            self._top_up(peer, window)
        self._turn(0)

    def finish(self) -> Latency:
        """Ends what `keep_busy` began; gives how long the acknowledgements took. Raises WrongAnswerError."""
        self._drain()
        return Latency.of(self._ack_seconds)

    def _begin(self) -> tuple[float, float]:
        """From here on it counts: the time, and the server's processor time."""
        self._ack_seconds.clear()
        self._delivery_seconds.clear()
        self._now = time.perf_counter()
        return self._now, self._cpu()

    def _measured(self, began: float, cpu_began: float) -> Measured:
        done = self._ack_seconds if self._dialect.acknowledges else self._delivery_seconds
        return Measured(
            messages=len(done),
            seconds=time.perf_counter() - began,
            cpu_seconds=self._cpu() - cpu_began,
            ack=Latency.of(self._ack_seconds) if self._dialect.acknowledges else None,
            delivery=Latency.of(self._delivery_seconds) if self._dialect.pushes else None,
        )

    # The loop

    def _saturate_until(self, end: float, window: int) -> None:
        while self._now < end:
            for peer in self._turn(0.1):
                sender = peer if self._dialect.acknowledges else peer.partner
                if sender.due:  # who is only connected hears things too
                    self._top_up(sender, window)

    def _top_up(self, peer: Peer, window: int) -> None:
        done = peer.acked if self._dialect.acknowledges else peer.delivered
        first, last = len(peer.due) + 1, done + window
        if first <= last:
            peer.due += [self._now] * (last - first + 1)
            self._send(peer, b"".join([peer.message(number) for number in range(first, last + 1)]))

    def _arrivals(self, rate: float, seed: int) -> Iterator[tuple[float, Peer]]:
        """When each message is to be sent, and by whom: independent arrivals, everybody in turn."""
        gaps = random.Random(seed)  # noqa: S311  chance, not secrecy
        due = self._now
        while True:
            for peer in self._order:
                due += gaps.expovariate(rate)
                yield due, peer

    def _offer_until(self, end: float, arrivals: Iterator[tuple[float, Peer]]) -> list[float]:
        """Sends what is due before `end`; gives by how many seconds each message left late."""
        lateness = []
        for due, peer in arrivals:
            while (wait := due - time.perf_counter()) > 0:
                self._turn(int(1000 * wait - 0.5) / 1000 if wait > SPIN_SECONDS else 0)
            lateness.append(-wait)
            peer.due.append(due)
            self._send(peer, peer.message(len(peer.due)))
            if due >= end:
                return lateness
        return lateness

    def _drain(self) -> None:
        """Waits until everything sent has come to its end. Raises WrongAnswerError where it does not."""
        deadline = time.perf_counter() + DRAIN_SECONDS
        while missing := self._missing():
            if time.perf_counter() > deadline:
                raise WrongAnswerError(f"{missing} answers never came")
            self._turn(0.1)
        for peer in self._order:
            if peer.ack_seqs or peer.push_seqs:
                peer.check_seqs()

    def _missing(self) -> int:
        sent = self.sent
        acked, delivered = sum(peer.acked for peer in self._order), sum(peer.delivered for peer in self._order)
        return (sent - acked) * self._dialect.acknowledges + (sent - delivered) * self._dialect.pushes

    def _turn(self, timeout: float) -> list[Peer]:
        """Handles what the sockets have; gives those that had something."""
        heard = []
        for descriptor, events in self._epoll.poll(timeout):
            peer = self._peers[descriptor]
            if events & select.EPOLLOUT:
                self._send(peer, b"")
            if events & ~select.EPOLLOUT:
                self._hear(peer)
                heard.append(peer)
        self._now = time.perf_counter()
        return heard

    def _hear(self, peer: Peer) -> None:
        try:
            data = peer.socket.recv(READ_SIZE)
        except ConnectionError as error:
            raise WrongAnswerError(f"{peer.name}: {error}") from error
        if not data:
            raise WrongAnswerError(f"{peer.name}: the connection ended")
        self._now = time.perf_counter()
        if answer := self._dialect.read(peer, data, self):
            self._send(peer, answer)

    def _send(self, peer: Peer, data: bytes) -> None:
        """What the kernel does not take at once follows when it can."""
        waiting = peer.unsent
        if waiting:
            data = waiting + data
        try:
            taken = peer.socket.send(data)
        except BlockingIOError:
            taken = 0
        peer.unsent = data[taken:]
        if bool(peer.unsent) != bool(waiting):
            events = select.EPOLLIN | select.EPOLLOUT if peer.unsent else select.EPOLLIN
            self._epoll.modify(peer.socket.fileno(), events)

    # What the dialect hears

    def acknowledged(self, peer: Peer, number: int) -> None:
        peer.acked += 1
        if number != peer.acked:
            raise WrongAnswerError(f"{peer.name}: {number} acknowledged, expected {peer.acked}")
        self._ack_seconds.append(self._now - peer.due[number - 1])

    def pushed(self, peer: Peer, number: int) -> None:
        sender = peer.partner
        sender.delivered += 1
        if number != sender.delivered:
            raise WrongAnswerError(f"{peer.name}: got {number}, expected {sender.delivered}")
        self._delivery_seconds.append(self._now - sender.due[number - 1])
