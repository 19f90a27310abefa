"""`python -m bench.growth`: how the cost of a message and of a page grows with what is stored and who is connected.

Processor time is the least of several rounds: what else happens on the machine can only add to it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.__main__ import OUTPUT, prepare_this_process, say
from bench.generator import Generator, GeneratorLateError, Measured
from bench.history import read_pages
from bench.peer import Peer, WrongAnswerError
from bench.people import CONTENT, Crowd, anew
from bench.process import CannotRunError, Process
from bench.result import amount
from bench.service import Service
from bench.table import columns
from bench.websocket import ChatDialect

LIMIT = 1.3
SENDERS = 200
FEW_SENDERS = 10
WINDOW = 20
LONGEST = 100_000

MEMORY = "memory of the server, MiB"
MUST_GROW = {MEMORY: "must: every socket has its buffers"}


class Scale(Struct, frozen=True):
    """The steps, and how long each thing is measured (seconds)."""

    messages: Sequence[int] = (10_000, 1_000_000, 10_000_000)
    conversation: Sequence[int] = (1_000, 10_000, LONGEST)
    sockets: Sequence[int] = (10, 1_000, 10_000)
    seconds: float = 3
    warm_up: float = 0.5
    rounds: int = 3
    rate: int = 1000
    pages: int = 1000
    late_seconds: float = 0.005


QUICK = Scale(
    (1_000, 2_000), (100, 500), (10, 40), seconds=0.3, warm_up=0.1, rounds=1, rate=100, pages=20, late_seconds=10
)


class Row(Struct, frozen=True):
    """One figure at every step. `reason`: why it must grow, where it must."""

    what: str
    values: Sequence[float]
    reason: str = ""

    @property
    def ratios(self) -> list[float]:
        return [later / earlier if earlier else 1.0 for earlier, later in pairwise(self.values)]

    @property
    def grows(self) -> bool:
        """Whether it grows as it should not."""
        return not self.reason and any(ratio > LIMIT for ratio in self.ratios)

    @property
    def verdict(self) -> str:
        return "GROWS" if self.grows else self.reason


class Series(Struct, frozen=True):
    """What was measured while one thing grew in steps."""

    what: str
    steps: Sequence[int]
    rows: Sequence[Row]

    @classmethod
    def of(cls, what: str, steps: Sequence[int], measure: Callable[[int], dict[str, float]]) -> Series:
        """Measures the same figures at each step."""
        measured = []
        for step in steps:
            say(f"{what}: {step:,}")
            measured.append(measure(step))
        rows = [Row(name, [one[name] for one in measured], MUST_GROW.get(name, "")) for name in measured[0]]
        return cls(what, steps, rows)

    def render(self) -> str:
        head = (self.what, *(f"{step:,}" for step in self.steps), "a step", "")
        lines = [
            (row.what, *map(amount, row.values), " ".join(f"{one:.2f}" for one in row.ratios), row.verdict)
            for row in self.rows
        ]
        return columns(head, lines)


class Growth:
    """Measures on databases of their own, in `directory`, which are gone afterwards; the server is on `core`."""

    def __init__(self, scale: Scale, directory: Path, *, core: int) -> None:
        self._scale = scale
        self._directory = directory
        self._core = core
        self._runs = itertools.count()

    def run(self) -> list[Series]:
        """Raises WrongAnswerError, GeneratorLateError."""
        scale = self._scale
        return [
            Series.of("messages stored", scale.messages, self._with_messages),
            Series.of("messages in one conversation", scale.conversation, self._with_conversation),
            Series.of("sockets open", scale.sockets, self._with_sockets),
        ]

    def _with_messages(self, stored: int) -> dict[str, float]:
        longest = min(LONGEST, stored // 2)
        with self._running(people=SENDERS, long_messages=longest, stored=stored) as (crowd, process):
            return self._send(crowd.peers, process) | self._read(crowd, process)

    def _with_conversation(self, messages: int) -> dict[str, float]:
        stored = 2 * max(self._scale.conversation)
        with self._running(people=0, long_messages=messages, stored=stored) as (crowd, process):
            return self._read(crowd, process) | self._send(crowd.readers, process)

    def _with_sockets(self, sockets: int) -> dict[str, float]:
        stored = 2 * max(self._scale.conversation)
        with self._running(people=sockets, long_messages=0, stored=stored) as (crowd, process):
            idle = crowd.peers[FEW_SENDERS:]
            return self._send(crowd.peers[:FEW_SENDERS], process, idle) | {MEMORY: process.memory_kib() / 1024}

    @contextmanager
    def _running(self, **filling: int) -> Iterator[tuple[Crowd, Process]]:
        with tempfile.TemporaryDirectory(dir=self._directory) as directory:
            service = Service(Path(directory), core=self._core)
            crowd = service.populate(**filling)
            process = service.start()
            try:
                yield crowd, process
            finally:
                process.stop()

    def _send(self, senders: Sequence[Peer], process: Process, idle: Sequence[Peer] = ()) -> dict[str, float]:
        busy, calm = [], []
        for _ in range(self._scale.rounds):
            dialect = ChatDialect(run=f"growth{next(self._runs)}", content=CONTENT, ours=True)
            cpu = process.cpu_seconds
            generator = Generator(dialect, anew(senders), process.address, cpu=cpu, idle=anew(idle))
            try:
                busy.append(self._saturate(generator))
                calm.append(self._offer(generator))
            except GeneratorLateError as error:
                say(f"a round without a figure: {error}")
            finally:
                generator.close()
        if not calm:
            raise GeneratorLateError("the generator missed its own schedule in every round")
        return {
            f"send, {WINDOW} under way per socket: CPU µs": min(one.cpu_us for one in busy),
            f"send, {self._scale.rate:,}/s offered: CPU µs": min(one.cpu_us for one in calm),
            f"send, {self._scale.rate:,}/s offered: ack p50, ms": min(one.ack.p50 for one in calm if one.ack),
        }

    def _saturate(self, generator: Generator) -> Measured:
        scale = self._scale
        return generator.saturate(window=WINDOW, seconds=scale.seconds, warm_up=scale.warm_up)

    def _offer(self, generator: Generator) -> Measured:
        scale = self._scale
        return generator.offer(
            rate=scale.rate, seconds=scale.seconds, warm_up=scale.warm_up, late_seconds=scale.late_seconds
        )

    def _read(self, crowd: Crowd, process: Process) -> dict[str, float]:
        cpu, waits = [], []
        for seed in range(self._scale.rounds):
            before = process.cpu_seconds()
            waits.append(read_pages(crowd, process.address, pages=self._scale.pages, seed=seed))
            cpu.append(1e6 * (process.cpu_seconds() - before) / self._scale.pages)
        return {"history page of 50: CPU µs": min(cpu), "history page of 50: p50, ms": min(one.p50 for one in waits)}


def main() -> int:
    """0 when nothing grows that should not, else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small steps, to see that it works")
    parser.add_argument("--messages", type=numbers, help="how many are stored, at each step")
    parser.add_argument("--conversation", type=numbers, help="how many are in the conversation that is read")
    parser.add_argument("--sockets", type=numbers, help="how many are open")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where growth.json is left")
    arguments = vars(parser.parse_args())
    output: Path = arguments.pop("output")
    scale = QUICK if arguments.pop("quick") else Scale()
    scale = msgspec.structs.replace(scale, **{name: steps for name, steps in arguments.items() if steps})
    output.mkdir(parents=True, exist_ok=True)
    try:
        core = prepare_this_process()
        with tempfile.TemporaryDirectory(dir=output.absolute(), prefix="growth-") as directory:
            series = Growth(scale, Path(directory), core=core).run()
    except (CannotRunError, GeneratorLateError, WrongAnswerError) as error:
        say(f"bench-growth: {error}")
        return 1
    line = msgspec.json.encode(series)
    (output / "growth.json").write_bytes(line + b"\n")
    for one in series:
        say("\n" + one.render())
    say("\n" + line.decode())
    return 1 if any(row.grows for one in series for row in one.rows) else 0


def numbers(text: str) -> list[int]:
    """Such as 10000,1000000."""
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
