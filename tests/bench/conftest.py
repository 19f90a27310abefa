"""A service to measure, with people in its database."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.generator import Generator
from bench.people import CONTENT, Crowd
from bench.process import Process
from bench.service import PROGRAM, Service
from bench.websocket import ChatDialect

PEOPLE = 20


@dataclass(frozen=True)
class Target:
    """A service that runs."""

    database: Path
    crowd: Crowd
    process: Process

    def generator(self, run: str, *, sockets: int = PEOPLE) -> Generator:
        dialect = ChatDialect(run=run, content=CONTENT, ours=True)
        people = self.crowd.some(sockets)
        return Generator(dialect, people, self.process.address, cpu=self.process.cpu_seconds)

    def stored(self, run: str) -> int:
        """How many messages of that run are in the database."""
        with closing(sqlite3.connect(self.database)) as connection:
            found = connection.execute("SELECT count(*) FROM messages WHERE client_id GLOB ?", (f"{run}-*",))
            return int(found.fetchone()[0])


@contextmanager
def running_target(directory: Path, *, program: Sequence[str] = PROGRAM) -> Iterator[Target]:
    """A service for the length of the block. It shares the core with the test."""
    service = Service(directory, core=min(os.sched_getaffinity(0)))
    crowd = service.populate(people=PEOPLE, long_messages=200, stored=1000)
    process = service.start(program=program)
    try:
        yield Target(service.database, crowd, process)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_target(tmp_path_factory.mktemp("target")) as running:
        yield running
