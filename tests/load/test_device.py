"""A device of a load test stays online as the protocol asks of clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.device import back_off
from tests.load.conftest import EXEMPT
from tests.load.generator import run
from tests.server import UNMEASURED, running_server


@pytest.mark.parametrize(("failures", "longest"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (1000, 30.0)])
def test_the_back_off_has_full_jitter_up_to_30_seconds(failures: int, longest: float) -> None:
    assert back_off(failures, lambda low, high: (high, low)[low > 0]) == longest
    assert all(0 <= back_off(failures) <= longest for _ in range(100))
    assert max(back_off(failures) for _ in range(100)) > longest / 2


def test_tokens_are_refreshed_before_they_expire(tmp_path: Path) -> None:
    tags = ("--tags", "throughput", "idle", "--users", "4", "--rate", "20", "--heartbeat-seconds", "0.5")
    with running_server(tmp_path, environ=UNMEASURED, rate_limit=EXEMPT, auth={"token_expiry_seconds": 4}) as server:
        done = run(server, tmp_path / "load", *tags, seconds=5)
    assert done.code == 0, done.output
    assert (done.report["connectionLosses"], done.report["refusals"]) == ({}, {})
    assert done.report["operations"].keys() == {"ack", "delivery", "heartbeat"}
