"""Servers that break a promise on purpose are found out, by the exit code and in words; one that is killed is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.load.conftest import EXEMPT
from tests.load.generator import Finished, Generator, start
from tests.server import COMMAND, UNMEASURED, free_port, running_server

LOAD = ("--tags", "throughput", "--users", "3", "--rate", "60")
TIME_SECONDS = 3


def broken(fault: str) -> Sequence[str]:
    return sys.executable, "-m", "tests.faults.broken_server", fault


def says(done: Finished, kind: str, words: str) -> bool:
    """Whether the summary has an example of this kind of broken promise, in these words."""
    return any(line.startswith(f"{kind}: ") and words in line for line in done.summary.splitlines())


FOUND = {
    "push_dropped": {"lost": "but never came to load_", "gap": "but not number", "receipt": "delivered up to number"},
    "push_doubled": {"duplicate": "was pushed again on the same socket"},
    "push_altered": {"mismatch": "was pushed with another content than was sent"},
    "commit_dropped": {"lost": "but is not stored", "mismatch": "but it is"},
}
"""By fault: the kinds of broken promises, and words that are said of them."""


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Generator]]:
    """One for each fault, at the same time."""
    with ExitStack() as servers:
        started = {}
        for fault in FOUND:
            directory = tmp_path_factory.mktemp(fault)
            server = running_server(directory, command=broken(fault), environ=UNMEASURED, rate_limit=EXEMPT)
            started[fault] = start(
                servers.enter_context(server), directory / "load", *LOAD, "--drain-seconds", "1", seconds=TIME_SECONDS
            )
        yield started


@pytest.mark.parametrize("fault", FOUND)
def test_a_broken_promise_fails_the_run(fault: str, generators: dict[str, Generator]) -> None:
    done = generators[fault].finish()
    assert done.code == done.report["exitCode"] == 1, done.summary
    assert done.report["broken"].keys() == FOUND[fault].keys()
    assert all(says(done, kind, words) for kind, words in FOUND[fault].items()), done.summary


def run_over_a_crash(directory: Path, command: Sequence[str], *, kill: bool) -> Finished:
    """The run's server is killed, or dies by itself, and an honest one takes its place."""
    port = free_port()
    with running_server(directory, port=port, command=command, environ=UNMEASURED, rate_limit=EXEMPT) as server:
        generator = start(server, directory / "load", *LOAD, seconds=TIME_SECONDS)
        generator.wait_until_measuring(seconds=1)
        if kill:
            server.kill()
        server.process.wait(TIME_SECONDS)
    with running_server(directory, port=port, command=COMMAND, environ=UNMEASURED, rate_limit=EXEMPT):
        return generator.finish()


def test_acknowledging_before_the_commit_is_found_when_the_server_crashes_in_between(tmp_path: Path) -> None:
    done = run_over_a_crash(tmp_path, broken("crash_between_ack_and_commit"), kill=False)
    assert done.code == 1, done.summary
    assert says(done, "lost", "but is not stored"), done.summary


def test_a_crash_that_loses_nothing_acknowledged_passes(tmp_path: Path) -> None:
    done = run_over_a_crash(tmp_path, COMMAND, kill=True)
    assert (done.code, done.report["broken"]) == (0, {}), done.summary
    assert done.report["connectionLosses"]
    messages = done.report["messages"]
    assert messages["written"] == messages["acknowledged"] == done.operation("delivery")["count"]
    assert done.operation("return")["count"] == 6
