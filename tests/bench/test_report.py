"""`make bench` and `make bench-growth` run from beginning to end, and what they report says what it should.

Sizes are tiny here, so no figure means anything and none is looked at.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.contest import OURS, YARDSTICKS
from bench.growth import Row
from bench.latency import Latency
from tests.server import UNMEASURED

ROOT = Path(__file__).parents[2]


def make(target: str, output: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", target, f"BENCH=--quick --output {output}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **UNMEASURED},  # without MAKEFLAGS: it is no part of `make test`
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_benchmark_ends_with_its_tables_and_a_line_of_json(tmp_path: Path) -> None:
    done = make("bench", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    *tables, line = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert report["failures"] == {}
    systems = [one["system"] for one in report["contest"]]
    assert systems == [OURS, OURS, *YARDSTICKS]
    for standing in report["contest"]:
        assert standing["rounds"] or "not installed" in standing["failure"]
    for phase in ("offered", "idle", "storm", "bare_storm", "sign_ups", "history"):
        assert report[phase], phase
    assert report["slow_disk"] or report["skipped"]
    for goal in report["goals"]:
        assert any(goal["what"] in row and goal["goal"] in row and goal["measured"] in row for row in tables)
    ET.fromstring((tmp_path / "report.svg").read_text())
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.svg"}


def test_growth_is_reported_step_by_step(tmp_path: Path) -> None:
    done = make("bench-growth", tmp_path)
    assert (tmp_path / "growth.json").exists(), done.stdout + done.stderr
    series = json.loads((tmp_path / "growth.json").read_text())
    assert done.stdout.rstrip().splitlines().count(json.dumps(series, separators=(",", ":"), ensure_ascii=False)) == 1
    assert [one["what"] for one in series] == ["messages stored", "messages in one conversation", "sockets open"]
    for one in series:
        assert len(one["steps"]) == 2
        assert {len(row["values"]) for row in one["rows"]} == {2}


@pytest.mark.parametrize(
    ("values", "reason", "verdict"),
    [
        ([10, 12, 15], "", ""),
        ([10, 10, 14], "", "GROWS"),
        ([10, 100, 1000], "must: it does", "must: it does"),
        ([10, 5, 1], "", ""),
    ],
)
def test_what_grows_more_than_1_3_fold_a_step_is_named(values: list[float], reason: str, verdict: str) -> None:
    assert Row("cost", values, reason).verdict == verdict


def test_percentiles_are_values_that_were_measured() -> None:
    latency = Latency.of(number / 1000 for number in range(1000, 0, -1))
    assert (latency.count, latency.p50, latency.p99, latency.p999, latency.max) == (1000, 500, 990, 999, 1000)
    assert Latency.of([0.001 * number for number in range(1, 11)]).p99 == 10
    assert Latency.of([0.002]) == Latency(1, 2, 2, 2, 2)
    with pytest.raises(ValueError, match="nothing was measured"):
        Latency.of([])
