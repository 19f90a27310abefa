"""One run of the benchmark: its phases, in turn."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.contest import OURS, contest
from bench.generator import Generator, GeneratorLateError, Measured
from bench.history import read_pages
from bench.peer import WrongAnswerError
from bench.people import CONTENT, Crowd
from bench.plan import Plan
from bench.probe import sign_up_storm, slow_disk
from bench.process import CannotRunError, Process
from bench.result import Idle, Result, SlowDisk
from bench.service import Service
from bench.storm import ReconnectStorm, Storm
from bench.websocket import ChatDialect

T = TypeVar("T")

WARMING_SOCKETS = 20


class Bench:
    """Everything happens in `directory`, the server on `core`. `say` tells a person how far it is."""

    def __init__(self, plan: Plan, directory: Path, *, core: int, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._core = core
        self._say = say
        self._result = Result(plan)
        self._service = Service(directory, core=core)

    def run(self) -> Result:
        """Raises CannotRunError when the service itself does not start."""
        began = time.monotonic()
        plan, result = self._plan, self._result
        self._say(f"filling a database with {plan.stored:,} messages")
        crowd = self._service.populate(
            people=max(plan.idle_sockets, plan.sockets), long_messages=plan.long_messages, stored=plan.stored
        )
        with self._running() as process:
            self._compete(crowd, process)
            for rate in plan.rates:
                measured = self._phase(f"{rate:,} messages/s offered", partial(self._offer, crowd, process, rate))
                if measured is not None:
                    result.offered[rate] = measured
            result.sign_ups = self._phase(
                f"{plan.sign_ups} sign-ups at once",
                lambda: sign_up_storm(crowd, process.address, people=plan.sign_ups),
            )
            result.history = self._phase(
                f"{plan.pages:,} pages of history", lambda: read_pages(crowd, process.address, pages=plan.pages)
            )
        with self._running() as process:
            result.idle = self._phase(f"{plan.idle_sockets:,} idle sockets", lambda: self._idle(crowd, process))
        result.storm = self._phase("a restart under all of them", lambda: self._activated_storm(crowd))
        result.bare_storm = self._phase("a restart that closes the port", lambda: self._storm(crowd, "bare"))
        result.slow_disk = self._phase(
            "a slow disk", lambda: SlowDisk(*slow_disk(self._service, crowd, seconds=plan.slow_disk_seconds))
        )
        result.seconds = time.monotonic() - began
        return result

    def _phase(self, name: str, measure: Callable[[], T]) -> T | None:
        """None where it failed, or can't be measured here, with the reason in the result."""
        self._say(name)
        try:
            return measure()
        except CannotRunError as reason:
            self._result.skipped[name] = str(reason)
        except (GeneratorLateError, WrongAnswerError, OSError) as reason:
            self._result.failures[name] = str(reason)
        return None

    @contextmanager
    def _running(self) -> Iterator[Process]:
        process = self._service.start()
        try:
            yield process
        finally:
            process.stop()

    def _compete(self, crowd: Crowd, process: Process) -> None:
        self._say(f"{self._plan.rounds} rounds of saturation, each of every system")
        self._result.contest = contest(crowd, process, self._directory, core=self._core, plan=self._plan)
        for standing in self._result.contest:
            if standing.system == OURS and standing.failure:
                self._result.failures[f"saturation, window {standing.window}"] = standing.failure

    def _offer(self, crowd: Crowd, process: Process, rate: int) -> Measured:
        generator = self._generator(f"offer{rate}", crowd, process, sockets=self._plan.sockets)
        try:
            return generator.offer(
                rate=rate,
                seconds=self._plan.rate_seconds,
                warm_up=self._plan.warm_up,
                late_seconds=self._plan.late_seconds,
            )
        finally:
            generator.close()

    def _generator(self, run: str, crowd: Crowd, process: Process, *, sockets: int) -> Generator:
        dialect = ChatDialect(run=run, content=CONTENT, ours=True)
        return Generator(dialect, crowd.some(sockets), process.address, cpu=process.cpu_seconds)

    def _idle(self, crowd: Crowd, process: Process) -> Idle:
        """On a server that has just started: memory that others have left free would hide what sockets take."""
        warming = self._generator("warming", crowd, process, sockets=WARMING_SOCKETS)
        warming.listen(1)
        warming.close()
        memory_before = process.memory_kib()
        sockets = self._plan.idle_sockets
        generator = self._generator("idle", crowd, process, sockets=sockets)
        try:
            generator.listen(1)  # everybody hears who else has come
            kib_each = (process.memory_kib() - memory_before) / sockets
            cpu_before = process.cpu_seconds()
            generator.listen(self._plan.idle_seconds)
            cpu_us = 1e6 * (process.cpu_seconds() - cpu_before)
        finally:
            generator.close()
        return Idle(sockets, kib_each, cpu_us / self._plan.idle_seconds / sockets)

    def _storm(self, crowd: Crowd, name: str, listener: socket.socket | None = None) -> Storm:
        process = self._service.start(listener=listener)

        def restart() -> None:
            nonlocal process
            process.stop()
            process = self._service.start(listener=listener)

        try:
            return ReconnectStorm(name, crowd.some(self._plan.idle_sockets), process.address).run(restart)
        finally:
            process.stop()

    def _activated_storm(self, crowd: Crowd) -> Storm:
        with self._service.listen() as listener:
            return self._storm(crowd, "activated", listener)
