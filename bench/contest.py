"""The same work for the service and for what it is compared with: as many messages as each can take."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from bench.generator import Generator, Measured
from bench.peer import Dialect, Peer, WrongAnswerError
from bench.people import CONTENT, Crowd
from bench.plan import Plan
from bench.process import CannotRunError, Process, free_port
from bench.websocket import ChatDialect, EchoDialect
from bench.xmpp import XmppDialect
from bench.yardsticks.prosody import Archive, Prosody

OURS = "chat-server"
FLOOR = "echo, our frames"
ECHO = "echo, gevent-websocket"
NAIVE = "FastAPI, naive"
TUNED = "FastAPI, tuned"
PROSODY_FILES = "Prosody, files"
PROSODY_SQLITE = "Prosody, SQLite"

FULL_WINDOW = 20
"""Messages under way per socket, for a system that answers thousands a second. The others are as busy with one."""


class Standing(Struct):
    """How one system did: what each round measured, or why it could not be. `window`: messages under way per socket."""

    system: str
    window: int
    rounds: list[Measured] = []
    memory_mib: float = 0.0
    failure: str = ""

    def median(self, figure: Callable[[Measured], float]) -> float:
        return statistics.median(map(figure, self.rounds))


@dataclass
class Contestant:
    """A system that runs. `dialect` makes what it is spoken to with, for the run of that name."""

    standing: Standing
    process: Process
    people: Callable[[], Sequence[Peer]]
    dialect: Callable[[str], Dialect]
    stored: Callable[[], int] | None = None
    """How many messages it has, where the answers alone do not prove that they were kept."""
    sent: int = 0

    def compete(self, run: str, plan: Plan) -> None:
        """One round. Raises WrongAnswerError."""
        generator = Generator(self.dialect(run), self.people(), self.process.address, cpu=self.process.cpu_seconds)
        try:
            measured = generator.saturate(window=self.standing.window, seconds=plan.seconds, warm_up=plan.warm_up)
        finally:
            generator.close()
        self.sent += generator.sent
        if self.stored is not None and self.stored() != self.sent:
            raise WrongAnswerError(f"{self.sent} messages were sent, {self.stored()} are stored")
        self.standing.rounds.append(measured)
        self.standing.memory_mib = self.process.memory_kib() / 1024


Starter = Callable[[Path, int, Plan], Contestant]
"""Starts a yardstick in a directory, on a core. Raises CannotRunError."""


def contest(crowd: Crowd, service: Process, directory: Path, *, core: int, plan: Plan) -> list[Standing]:
    """Everybody in turn, `plan.rounds` times. Who fails is out, and stands with the reason."""
    contestants = [_ours(crowd, service, window, plan) for window in (FULL_WINDOW, 1)]
    standings = [contestant.standing for contestant in contestants]
    try:
        for system, start in YARDSTICKS.items():
            home = directory / system.replace(", ", "-").replace(" ", "-")
            home.mkdir()
            try:
                contestants.append(start(home, core, plan))
                standings.append(contestants[-1].standing)
            except CannotRunError as error:
                standings.append(Standing(system, 0, failure=str(error)))
        for number in range(plan.rounds):
            _run_round(contestants, f"round{number}", plan)
    finally:
        for contestant in contestants:
            if contestant.process is not service:
                contestant.process.stop()
    return standings


def _run_round(contestants: Iterable[Contestant], name: str, plan: Plan) -> None:
    for contestant in contestants:
        if not contestant.standing.failure:
            try:
                contestant.compete(name, plan)
            except (WrongAnswerError, OSError) as error:
                contestant.standing.failure = str(error)


def _ours(crowd: Crowd, service: Process, window: int, plan: Plan) -> Contestant:
    return Contestant(
        Standing(OURS, window),
        service,
        lambda: crowd.some(plan.sockets),
        lambda run: ChatDialect(run=f"{run}-window{window}", content=CONTENT, ours=True),
    )


def _people(plan: Plan) -> list[Peer]:
    """Yardsticks take anybody at their word: the name is the token, or the password."""
    names = [f"person{number}" for number in range(plan.sockets)]
    return [Peer(name, name) for name in names]


def _start_echo(system: str, module: str, directory: Path, core: int, plan: Plan) -> Contestant:
    port = free_port()
    command = [sys.executable, "-m", f"bench.yardsticks.{module}", str(port)]
    return Contestant(
        Standing(system, FULL_WINDOW),
        Process(command, core=core, port=port, log=directory / "log"),
        lambda: _people(plan),
        lambda run: EchoDialect(run=run, content=CONTENT),
    )


def _start_fastapi(system: str, module: str, directory: Path, core: int, plan: Plan) -> Contestant:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"bench.yardsticks.{module}:app", "--port", str(port)]
    environ = {"CHAT_DATABASE": str(directory / "chat.db")}
    return Contestant(
        Standing(system, 1),
        Process([*command, "--log-level", "warning"], core=core, port=port, log=directory / "log", environ=environ),
        lambda: _people(plan),
        lambda run: ChatDialect(run=run, content=CONTENT, ours=False),
    )


def _start_prosody(system: str, archive: Archive, directory: Path, core: int, plan: Plan) -> Contestant:
    prosody = Prosody(archive, _people(plan), directory, core=core)
    return Contestant(
        Standing(system, 1),
        prosody.process,
        lambda: _people(plan),
        lambda run: XmppDialect(run=run, content=CONTENT),
        prosody.archived,
    )


YARDSTICKS: dict[str, Starter] = {
    FLOOR: lambda *where: _start_echo(FLOOR, "frames_echo", *where),
    ECHO: lambda *where: _start_echo(ECHO, "gevent_echo", *where),
    NAIVE: lambda *where: _start_fastapi(NAIVE, "fastapi_chat", *where),
    TUNED: lambda *where: _start_fastapi(TUNED, "fastapi_tuned", *where),
    PROSODY_FILES: lambda *where: _start_prosody(PROSODY_FILES, "files", *where),
    PROSODY_SQLITE: lambda *where: _start_prosody(PROSODY_SQLITE, "sqlite", *where),
}
