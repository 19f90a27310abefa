"""A device of a load test stays online as the protocol asks of clients."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from loadtests.device import back_off
from tests.load.conftest import EXEMPT
from tests.load.generator import run, start
from tests.server import UNMEASURED, Server, running_server


@pytest.mark.parametrize(("failures", "longest"), [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (1000, 30.0)])
def test_the_back_off_has_full_jitter_up_to_30_seconds(failures: int, longest: float) -> None:
    assert back_off(failures, lambda low, high: (high, low)[low > 0]) == longest
    assert all(0 <= back_off(failures) <= longest for _ in range(100))
    assert max(back_off(failures) for _ in range(100)) > longest / 2


def test_tokens_are_refreshed_before_they_expire(tmp_path: Path) -> None:
    with running_server(tmp_path, environ=UNMEASURED, rate_limit=EXEMPT, auth={"token_expiry_seconds": 4}) as server:
        done = run(server, tmp_path / "load", "--tags", "throughput", "--users", "2", "--rate", "20", seconds=6)
    assert done.code == 0, done.output
    assert (done.report["connectionLosses"], done.report["refusals"]) == ({}, {})


def test_a_run_that_is_interrupted_is_judged_all_the_same(exempting_server: Server, tmp_path: Path) -> None:
    generator = start(exempting_server, tmp_path, "--tags", "soak", "--users", "2", "--rate", "40", seconds=300)
    generator.wait_until_measuring(seconds=1)
    generator.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = generator.finish()
    assert time.monotonic() - began < 10
    assert done.code == 0, done.output
    assert done.report["messages"]["written"] == done.report["messages"]["acknowledged"] > 20
    assert done.summary.endswith("PASSED (exit code 0)\n")
