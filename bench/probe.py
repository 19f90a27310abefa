"""One socket that only asks whether somebody is there: how long PINGs take while the server does something else."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import time

from bench.generator import Generator
from bench.latency import Latency
from bench.peer import Address, WrongAnswerError, join_pairs
from bench.people import CONTENT, Crowd, anew
from bench.process import CannotRunError
from bench.service import PROGRAM, Service
from bench.websocket import PING, PONG, ChatDialect, masked, next_frame, receive

PAUSE_SECONDS = 0.001
SLOW_FSYNC_SECONDS = 0.1
SLOW_DISK_SOCKETS = 20


class Probe:
    """A person whose client sends PINGs, one after the other."""

    def __init__(self, crowd: Crowd, address: Address) -> None:
        pair = anew(crowd.peers[-2:])
        join_pairs(pair)
        self._peer = pair[0]
        self._seconds: list[float] = []
        ChatDialect(run="probe", content="", ours=True).open(self._peer, address)

    def ping(self) -> None:
        """One PING, and everything that comes until it is answered; then a pause."""
        began = time.perf_counter()
        self._peer.socket.sendall(masked(PING, b"?"))
        while not self._answered():
            self._peer.unread += receive(self._peer)
        self._seconds.append(time.perf_counter() - began)
        time.sleep(PAUSE_SECONDS)

    def _answered(self) -> bool:
        while (frame := next_frame(self._peer.unread, 0)) is not None:
            opcode, start, stop = frame
            payload, self._peer.unread = self._peer.unread[start:stop], self._peer.unread[stop:]
            if opcode == PONG:
                return True
            if opcode == PING:
                self._peer.socket.sendall(masked(PONG, payload))
        return False

    def close(self) -> Latency:
        """How long the answers took."""
        self._peer.socket.close()
        return Latency.of(self._seconds)


def sign_up_storm(crowd: Crowd, address: Address, *, people: int) -> Latency:
    """PINGs while so many people sign up at once, from as many addresses, at argon2's real cost.

    Raises WrongAnswerError when one is refused.
    """
    probe = Probe(crowd, address)
    waiting = [_ask_to_sign_up(address, number) for number in range(people)]
    answers = []
    while waiting:
        probe.ping()
        answers += [_answer(one) for one in waiting if _has_answer(one)]
        waiting = [one for one in waiting if one.fileno() >= 0]
    if set(answers) != {201}:
        raise WrongAnswerError(f"sign-ups were answered with {sorted(set(answers))}")
    return probe.close()


def _ask_to_sign_up(address: Address, number: int) -> socket.socket:
    body = json.dumps({"username": f"newcomer{number}", "password": "Correct-Horse-7"}).encode()
    asking = socket.create_connection(address)
    asking.sendall(
        b"POST /auth/signup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"X-Forwarded-For: 10.0.%d.1\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body), body)
    )
    return asking


def _has_answer(asking: socket.socket) -> bool:
    asking.setblocking(False)
    try:
        asking.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def _answer(asking: socket.socket) -> int:
    asking.setblocking(True)
    with asking, http.client.HTTPResponse(asking) as response:
        response.begin()
        response.read()
        return response.status


def slow_disk(service: Service, crowd: Crowd, *, seconds: float) -> tuple[Latency, Latency]:
    """Acknowledgements, and PINGs, while each sync of the disk takes 100 ms longer. Starts the service and stops it.

    Raises CannotRunError where strace, which holds the syncs up, is missing or may not trace.
    """
    if shutil.which("strace") is None:
        raise CannotRunError("strace is not installed: apt install strace")
    delay = f"inject=fdatasync,fsync:delay_exit={SLOW_FSYNC_SECONDS * 1e6:.0f}"
    strace = ("strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", delay)
    process = service.start(program=(*strace, *PROGRAM))
    try:
        probe = Probe(crowd, process.address)
        dialect = ChatDialect(run="slow-disk", content=CONTENT, ours=True)
        generator = Generator(dialect, crowd.some(SLOW_DISK_SOCKETS), process.address, cpu=process.cpu_seconds)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            generator.keep_busy(window=1)
            probe.ping()
        acks = generator.finish()
        generator.close()
        return acks, probe.close()
    finally:
        process.stop()
