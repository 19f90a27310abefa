"""What a run is judged by: broken promises before a void measurement before a missed threshold."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests import options as command_line
from loadtests.accounts import Accounts
from loadtests.options import Options
from loadtests.report import describe, summarize
from loadtests.run import Run, Scenario
from loadtests.verdict import FAILED, MISSED, NOT_BEGUN, PASSED, VOID, Verdict, judge

GUIDE = (Path(__file__).parents[2] / "docs" / "load-testing.md").read_text()

TALK = Scenario("throughput", ("delivery", "ack"), people=2, rate=100)


def parser() -> ArgumentParser:
    """Locust's, as far as it matters here."""
    made = ArgumentParser(add_help=False)
    made.add_argument("--json", action="store_true")
    made.add_argument("--html", dest="html_file")
    command_line.add_to(made)
    return made


def finished_run(tmp_path: Path, *options: str, milliseconds: int = 10, count: int = 100, seconds: float = 10.0) -> Run:
    """A run in which so many messages were acknowledged and delivered, each after so long."""
    chosen = Options.of(parser().parse_args(options))
    run = Run("http://h", Accounts(tmp_path / "accounts.json", "http://h"), chosen, lambda *_: None)
    run.scenarios, run.expected, run.seconds = [TALK], 1, seconds
    run.begun.set()
    for name in TALK.operations:
        for _ in range(count):
            run.measurements.operation(name).latency.add(milliseconds / 1000)
    return run


def test_a_run_in_which_nothing_is_wrong_passes(tmp_path: Path) -> None:
    assert judge(finished_run(tmp_path), []).code == PASSED


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--check-p99-ms", "11"], PASSED),
        (["--check-p99-ms", "9"], MISSED),
        (["--check-rate", "10"], PASSED),
        (["--check-rate", "10.1"], MISSED),
    ],
)
def test_thresholds_are_met_or_missed(options: list[str], code: int, tmp_path: Path) -> None:
    verdict = judge(finished_run(tmp_path, *options), [])
    assert verdict.code == code
    assert [check.met for check in verdict.checks if check.name != "percent failed"].count(False) == len(
        verdict.reasons
    )


@pytest.mark.parametrize(("options", "code"), [([], MISSED), (["--check-loss", "1"], PASSED)])
def test_operations_that_fail_are_a_loss_that_may_be_allowed(options: list[str], code: int, tmp_path: Path) -> None:
    run = finished_run(tmp_path, *options)
    run.measurements.fail("ack", "SERVER_ERROR")
    assert judge(run, []).code == code


def test_a_broken_promise_is_forgiven_by_no_threshold(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "--check-loss", "100")
    run.findings.add("lost", "conv: a message")
    verdict = judge(run, [])
    assert verdict.code == FAILED
    assert verdict.reasons[0].startswith("lost, 1 time: ")


@pytest.mark.parametrize("code", ["RATE_LIMITED", "RATE_LIMIT_EXCEEDED"])
def test_a_limit_of_rate_makes_the_run_void(code: str, tmp_path: Path) -> None:
    run = finished_run(tmp_path, "--check-p99-ms", "1")
    run.measurements.refuse(code)
    verdict = judge(run, [])
    assert verdict.code == VOID
    assert "exempt_networks" in verdict.reasons[0]
    assert "p99" in verdict.reasons[-1]


def test_other_refusals_are_no_limit(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    run.measurements.refuse("BUSY")
    assert judge(run, []).code == PASSED


def test_a_schedule_that_was_missed_makes_the_run_void(tmp_path: Path) -> None:
    run = finished_run(tmp_path, "--schedule-tolerance-ms", "20")
    for late in (0.0, 0.030):
        run.punctuality.note(late)
    verdict = judge(run, [])
    assert verdict.code == VOID
    assert "1 of 2 arrivals were more than 20 ms late, the latest by 30 ms" in verdict.reasons[0]


def test_a_broken_promise_counts_even_if_the_run_is_void(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    run.measurements.refuse("RATE_LIMITED")
    run.findings.add("gap", "conv: a number")
    verdict = judge(run, [])
    assert (verdict.code, len(verdict.reasons)) == (FAILED, 2)


def test_a_run_that_never_began_fails(tmp_path: Path) -> None:
    run = finished_run(tmp_path, count=0)
    run.begun.clear()
    run.expected = 5
    verdict = judge(run, [])
    assert (verdict.code, verdict.reasons) == (FAILED, ["only 0 of 5 users were ready when the time was up"])


def test_a_run_in_which_nothing_was_measured_fails(tmp_path: Path) -> None:
    verdict = judge(finished_run(tmp_path, count=0), [])
    assert (verdict.code, verdict.reasons) == (FAILED, ["there was not one delivery in 10 s"])


def test_what_goes_wrong_in_the_generator_itself_fails_the_run(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    nothing: dict[str, str] = {}
    crash = gevent.spawn(lambda: nothing["id"])
    crash.link_exception(run.measurements.note_crash)
    gevent.wait()
    run.unread.append("GET /conversations: timed out")
    verdict = judge(run, ["division by zero"])
    assert (verdict.code, len(verdict.reasons)) == (FAILED, 3)
    assert "the load generator itself failed: KeyError('id')" in verdict.reasons


def test_the_summary_says_the_worst_first_and_nothing_that_is_not_so(tmp_path: Path) -> None:
    run = finished_run(tmp_path)
    passed = summarize(describe(run, judge(run, [])))
    assert re.search(r"^delivery +100 +0 +10\.0 +10\.0 ", passed, re.MULTILINE)
    assert passed.endswith("PASSED (exit code 0)\n")
    run.findings.add("duplicate", "conv: a message")
    failed = summarize(describe(run, judge(run, [])))
    assert "duplicate: conv: a message" in failed
    assert "FAILED (exit code 1)\n  duplicate, 1 time: " in failed


class TestGuide:
    """docs/load-testing.md agrees with the code."""

    def test_every_exit_code_is_explained(self) -> None:
        assert [int(code) for code in re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE)] == [
            PASSED,
            FAILED,
            NOT_BEGUN,
            MISSED,
            VOID,
        ]

    def test_every_option_is_explained(self) -> None:
        ours = {word for action in parser()._actions for word in action.option_strings}
        assert set(re.findall(r"^\| `(--[a-z0-9-]+)` \|", GUIDE, re.MULTILINE)) == ours

    @pytest.mark.parametrize(
        ("option", "default"),
        [
            ("--message-bytes", 100),
            ("--storm-every-seconds", 30),
            ("--history-messages", 5000),
            ("--schedule-tolerance-ms", 50),
            ("--drain-seconds", 30),
            ("--check-loss", 0),
        ],
    )
    def test_defaults_are_told(self, option: str, default: int) -> None:
        (row,) = re.findall(rf"^\| `{option}` \|.*$", GUIDE, re.MULTILINE)
        assert f"; {default}." in row
        assert parser().get_default(option[2:].replace("-", "_")) == default


@pytest.mark.parametrize(
    "options",
    [
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--check-loss", "101"],
        ["--message-bytes", "49"],
        ["--message-bytes", "5001"],
        ["--history-messages", "10"],
    ],
)
def test_what_makes_no_sense_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(options)
    assert "give " in capsys.readouterr().err


def test_locusts_own_options_of_the_same_names_are_off() -> None:
    parsed: Any = parser().parse_args(["--json", "report.json", "--html", "report.html"])
    assert (parsed.json, parsed.html_file) == (False, None)
    assert (parsed.json_report, parsed.html_report) == ("report.json", "report.html")


def test_a_verdict_has_a_name_for_every_code() -> None:
    assert [Verdict(code, [], []).name for code in (PASSED, FAILED, MISSED, VOID)] == [
        "passed",
        "failed",
        "threshold missed",
        "void",
    ]
