"""A device of a load test stays online as the protocol asks of clients."""

from __future__ import annotations

from pathlib import Path

from loadtests.back_off import BackOff
from tests.load.conftest import EXEMPT
from tests.load.generator import run
from tests.server import UNMEASURED, running_server


def longest(low: float, high: float) -> float:
    """The chance that waits as long as it may."""
    assert low == 0
    return high


def test_the_back_off_doubles_up_to_30_seconds() -> None:
    back_off = BackOff(longest)
    assert [back_off.pause(0.0) for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_only_a_connection_that_has_held_ends_the_back_off() -> None:
    back_off = BackOff(longest)
    assert [back_off.pause(held) for held in (60.0, 4.0, 4.0, 6.0, 0.0)] == [0.5, 1, 2, 0.5, 1]


def test_the_back_off_has_full_jitter() -> None:
    pauses = sorted(BackOff().pause(0.0) for _ in range(200))
    assert 0 <= pauses[0] < 0.1
    assert 0.4 < pauses[-1] <= 0.5


def test_tokens_are_refreshed_before_they_expire(tmp_path: Path) -> None:
    tags = ("--tags", "throughput", "idle", "--users", "4", "--rate", "20", "--heartbeat-seconds", "0.5")
    with running_server(tmp_path, environ=UNMEASURED, rate_limit=EXEMPT, auth={"token_expiry_seconds": 8}) as server:
        done = run(server, tmp_path / "load", *tags, seconds=9)
    assert done.code == 0, done.output
    assert (done.report["connectionLosses"], done.report["refusals"]) == ({}, {})
    assert done.report["operations"].keys() == {"ack", "delivery", "heartbeat"}
