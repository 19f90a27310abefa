"""The log of a process: what reaches standard error, when, and in which form."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO

import gevent
import pytest

from chat_server.config import LogLevel
from chat_server.observability import logs
from chat_server.observability.logs import LogFormat, LogHandle

log = logging.getLogger("chat_server.tests")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """What `configure` sets in the standard library is the process's, and other tests share this one."""
    switches = {name: getattr(logging, name) for name in ("_srcfile", "logThreads", "logProcesses")}
    levels = {name: logging.getLogger(name).level for name in ("", "chat_server")}
    yield
    for name, value in switches.items():
        setattr(logging, name, value)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@contextmanager
def configured(path: Path, level: LogLevel = "info", log_format: LogFormat = "journal") -> Iterator[LogHandle]:
    with path.open("w") as stream:
        handle = logs.configure(level, log_format, stream)
        try:
            yield handle
        finally:
            handle.close()


@contextmanager
def pipe() -> Iterator[tuple[TextIO, IO[bytes]]]:
    """Both ends of a pipe that takes 64 KiB before somebody must read, as a stuck journald would."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as into, os.fdopen(reading, "rb") as out:
        yield into, out


def eventually(happened: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.002)
    return happened()


def test_an_event_and_its_fields_become_a_line(tmp_path: Path) -> None:
    with configured(tmp_path / "log"):
        log.info("failed login", {"username": "anna"})
    assert (tmp_path / "log").read_text() == "<6>tests: failed login username=anna\n"


def test_lines_keep_the_order_of_the_calls(tmp_path: Path) -> None:
    with configured(tmp_path / "log"):
        for number in range(5000):
            log.info("event", {"number": number})
    numbers = [int(line.rpartition("=")[2]) for line in (tmp_path / "log").read_text().splitlines()]
    assert numbers == list(range(5000))


def test_an_info_line_is_written_within_a_moment_without_any_other(tmp_path: Path) -> None:
    with configured(tmp_path / "log"):
        for _ in range(3):
            before = (tmp_path / "log").stat().st_size
            log.info("event")
            assert eventually(lambda: (tmp_path / "log").stat().st_size > before, seconds=2)  # noqa: B023


def test_lines_wait_for_those_that_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BATCH_SECONDS", 60)
    with configured(tmp_path / "log"):
        log.info("first")
        time.sleep(0.1)
        log.info("second")
        assert (tmp_path / "log").read_text() == ""


def test_a_warning_is_written_at_once_with_all_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BATCH_SECONDS", 60)
    with configured(tmp_path / "log"):
        log.info("before")
        log.warning("now")
        assert eventually(lambda: "now" in (tmp_path / "log").read_text(), seconds=2)
        assert (tmp_path / "log").read_text() == "<6>tests: before\n<4>tests: now\n"


@pytest.mark.parametrize("rest", ["", "raise RuntimeError", "sys.exit(3)", "handle.close()"])
def test_a_process_that_ends_by_itself_has_written_everything(rest: str) -> None:
    program = textwrap.dedent(
        """
        import logging, sys
        from chat_server.observability import logs
        handle = logs.configure("info", "journal", sys.stderr)
        for number in range(1000):
            logging.getLogger("chat_server.tests").info("event", {"number": number})
        """
    )
    ended = subprocess.run([sys.executable, "-c", program + rest], capture_output=True, text=True, check=False)
    assert ended.stderr.count("<6>tests: event number=") == 1000


def test_levels_below_the_configured_one_are_not_written(tmp_path: Path) -> None:
    said = {}
    for level in logs.LEVELS:
        with configured(tmp_path / level, level):
            for number in (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG, logs.TRACE):
                log.log(number, "event")
        said[level] = (tmp_path / level).read_text().count("event")
    assert said == {"error": 1, "warn": 2, "info": 3, "debug": 4, "trace": 5}


def test_the_level_can_change_while_it_runs(tmp_path: Path) -> None:
    with configured(tmp_path / "log", "info") as handle:
        log.debug("unheard")
        handle.set_level("debug")
        log.debug("heard")
        handle.set_level("error")
        log.warning("unheard")
    assert (tmp_path / "log").read_text() == "<7>tests: heard\n"


def test_other_libraries_are_heard_from_warnings_upwards_even_at_trace(tmp_path: Path) -> None:
    with configured(tmp_path / "log", "trace"):
        # peewee logs each statement with its parameters at debug: messages, digests, all of it.
        logging.getLogger("peewee").debug("INSERT INTO messages …", extra={})
        logging.getLogger("library").warning("worn out after %d years", 7)
    assert (tmp_path / "log").read_text() == "<4>library: worn out after 7 years\n"


def test_other_libraries_warnings_are_not_heard_at_error(tmp_path: Path) -> None:
    with configured(tmp_path / "log", "error"):
        logging.getLogger("library").warning("worn out")
        logging.getLogger("library").error("broken")
    assert (tmp_path / "log").read_text() == "<3>library: broken\n"


def test_a_terminal_is_shown_text() -> None:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal:
        handle = logs.configure("info", "auto", terminal)
        log.info("event", {"field": 1})
        handle.close()
        shown = os.read(master, 1000).decode()
    os.close(master)
    assert shown.endswith("Z INFO    tests: event field=1\r\n")


def test_the_journal_is_written_its_own_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").touch()
    status = (tmp_path / "log").stat()
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    with configured(tmp_path / "log", log_format="auto"):
        log.info("event", {"field": 1})
    assert (tmp_path / "log").read_text() == "<6>tests: event field=1\n"


def test_a_stream_led_away_from_the_journal_is_written_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    with configured(tmp_path / "log", log_format="auto"):
        log.info("event", {"field": 1})
    assert json.loads((tmp_path / "log").read_text())["event"] == "event"


@pytest.mark.parametrize(("log_format", "start"), [("text", "20"), ("journal", "<6>"), ("json", '{"time"')])
def test_a_form_that_is_asked_for_is_used(tmp_path: Path, log_format: LogFormat, start: str) -> None:
    with configured(tmp_path / "log", log_format=log_format):
        log.info("event")
    assert (tmp_path / "log").read_text().startswith(start)


def test_each_request_marks_its_own_lines_only(tmp_path: Path) -> None:
    def answer(request: str) -> None:
        logs.request_id.set(request)
        gevent.sleep(0)
        log.info("answered", {"by": request})

    with configured(tmp_path / "log"):
        gevent.joinall([gevent.spawn(answer, f"req-{number}") for number in range(3)])
        log.info("idle")
    assert (tmp_path / "log").read_text().splitlines() == [
        *(f"<6>tests: answered by=req-{number} request=req-{number}" for number in range(3)),
        "<6>tests: idle",
    ]


def test_a_log_nobody_reads_stops_no_caller_and_says_how_much_it_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_WAITING", 1000)
    with pipe() as (into, out):
        handle = logs.configure("info", "journal", into)
        for _ in range(20_000):
            log.info("event", {"filler": "x" * 100})
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(out.read()))
        reader.start()
        handle.close()
        into.close()
        reader.join()
    lines = read[0].decode().splitlines()
    written = sum("event" in line for line in lines)
    dropped = [int(line.rpartition("=")[2]) for line in lines if line.startswith("<4>log: log lines dropped count=")]
    assert 1000 <= written < 20_000
    assert written + sum(dropped) == 20_000


def test_closing_a_log_nobody_reads_takes_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "CLOSE_SECONDS", 0.1)
    with pipe() as (into, _):
        handle = logs.configure("info", "journal", into)
        for _ in range(2000):
            log.info("event", {"filler": "x" * 100})
        started = time.monotonic()
        handle.close()
        assert time.monotonic() - started < 1


def test_a_stream_that_would_rather_not_block_gets_every_line() -> None:
    with pipe() as (into, out):
        fcntl.fcntl(into, fcntl.F_SETFL, fcntl.fcntl(into, fcntl.F_GETFL) | os.O_NONBLOCK)
        handle = logs.configure("info", "journal", into)
        for _ in range(2000):
            log.info("event", {"filler": "x" * 100})
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(out.read()))
        reader.start()
        handle.close()
        into.close()
        reader.join()
    assert read[0].count(b"event") == 2000


def test_the_log_goes_on_when_its_reader_left_and_another_came(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    first = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
    with configured(tmp_path / "log"):
        os.close(first)
        log.warning("to nobody")
        time.sleep(0.1)
        second = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        log.warning("to another")
    assert os.read(second, 1000) == b"<4>tests: to another\n"
    os.close(second)


def test_a_closed_log_is_no_longer_in_the_way_of_others(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    with configured(tmp_path / "log"):
        assert logging.getLogger().handlers != before
    assert logging.getLogger().handlers == before


def test_a_value_that_cannot_be_shown_costs_its_line_and_no_other(tmp_path: Path) -> None:
    class Unshowable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    with configured(tmp_path / "log"):
        log.info("event", {"value": Unshowable()})
        log.info("next")
    assert (tmp_path / "log").read_text() == (
        "a line of chat_server.tests could not be rendered: RuntimeError\n<6>tests: next\n"
    )
