"""Servers that break a promise on purpose are found out, by the exit code and in words; one that is killed is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.load.conftest import EXEMPT
from tests.load.generator import Finished, run, start
from tests.server import COMMAND, UNMEASURED, free_port, running_server

LOAD = ("--tags", "throughput", "--users", "3", "--rate", "60")
TIME_SECONDS = 3


def broken(fault: str) -> Sequence[str]:
    return sys.executable, "-m", "tests.faults.broken_server", fault


def says(done: Finished, kind: str, words: str) -> bool:
    """Whether the summary has an example of this kind of broken promise, in these words."""
    return any(line.startswith(f"{kind}: ") and words in line for line in done.summary.splitlines())


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("push_dropped", {"lost": "but never came to load_", "gap": "but not number", "receipt": "delivered up to"}),
        ("push_doubled", {"duplicate": "was pushed again on the same socket"}),
        ("commit_dropped", {"lost": "but is not stored", "mismatch": "but it is"}),
    ],
)
def test_a_broken_promise_fails_the_run(fault: str, found: dict[str, str], tmp_path: Path) -> None:
    with running_server(tmp_path, command=broken(fault), environ=UNMEASURED, rate_limit=EXEMPT) as server:
        done = run(server, tmp_path / "load", *LOAD, "--drain-seconds", "1")
    assert done.code == done.report["exitCode"] == 1, done.summary
    assert done.report["broken"].keys() == found.keys()
    assert all(says(done, kind, words) for kind, words in found.items()), done.summary


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
