"""Steps of a long run: their logs, what is told of them, and their end."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from infra_tests.steps import InterruptedRunError, StepError, Steps


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_step_leaves_its_output_in_a_log_and_its_last_line_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "logs" / "one.log"
    said = Steps().must("bookworm", "counting", python("print('one'); print('=== two ===')"), log)
    assert said == log.read_text() == "one\n=== two ===\n"
    assert "[ 0:00] bookworm counting: two (" in capsys.readouterr().out


def test_a_step_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    code = "for number in range(100): print('line', number)\nraise SystemExit(3)"
    with pytest.raises(StepError, match=r"(?s)trixie: counting failed with 3; .*one\.log ends with:.*line 99$"):
        Steps().must("trixie", "counting", python(code), tmp_path / "one.log")


def test_an_interrupted_run_ends_its_steps_and_begins_no_other(tmp_path: Path) -> None:
    steps = Steps()
    log = tmp_path / "one.log"
    seen: list[type[BaseException]] = []

    def wait() -> None:
        try:
            steps.run("trixie", "waiting", python("import time; print('begun', flush=True); time.sleep(60)"), log)
        except InterruptedRunError as interrupted:
            seen.append(type(interrupted))

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not (log.exists() and log.read_text()):
        time.sleep(0.01)
    began = time.monotonic()
    steps.interrupt()
    waiting.join(10)
    assert time.monotonic() - began < 10
    assert seen == [InterruptedRunError]
    with pytest.raises(InterruptedRunError):
        steps.run("trixie", "another", python("import time; time.sleep(60)"), tmp_path / "two.log")
