"""Chapter 1: what is made of what systemd says. The facts and lines here were recorded on a Debian 12 host."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from chat_server.config import Config
from chat_server.observability.lines import journal_line, json_line, text_line
from chat_server.operations.doctor.chapters import HEADINGS
from chat_server.operations.doctor.report import Check, Question, answer
from chat_server.operations.doctor.resources import memory
from chat_server.operations.doctor.service import EXITS, RESULTS, service
from chat_server.operations.doctor.site import Site

MEMORY = Question("memory", ("1.5",), memory)
GIB = 2**30
HOUR_MS = 3_600_000
STARTED_AT = 1_795_571_368
NOW = STARTED_AT * 1000 + HOUR_MS
RUNNING = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "NRestarts": "0",
    "ExecMainCode": "0",
    "ExecMainStatus": "0",
    "UnitFileState": "enabled",
    "ActiveEnterTimestamp": f"@{STARTED_AT}",
    "StateChangeTimestamp": f"@{STARTED_AT}",
}
FAILED = RUNNING | {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainCode": "1"}
STARTING = "Starting chat-server.service - chat-server, a private chat for two people at a time..."
AGAIN = "chat-server.service: Scheduled restart job, restart counter is at 1."
KILLED = "chat-server.service: Main process exited, code=killed, status=9/KILL"
OUT_OF_MEMORY = "chat-server.service: Failed with result 'oom-kill'."


def site(unit: Mapping[str, str], journal: Sequence[str] = (), *, now: int = NOW) -> Site:
    """A host of which this is known; what is not asked of systemd is as it is here."""
    known = Site(Path("/opt/chat-server/config.toml"), Config(), "", "", now)
    known.__dict__.update(unit=dict(unit), journal=list(journal))
    return known


def ask(unit: Mapping[str, str], journal: Sequence[str] = (), *, now: int = NOW) -> Check:
    return answer(Question("service", ("1.7",), service), site(unit, journal, now=now))


def test_a_running_service_is_well() -> None:
    check = ask(RUNNING)
    assert (check.status, "runs since " in check.seen) == ("ok", True)


def test_a_service_that_does_not_start_with_the_host_is_warned() -> None:
    check = ask(RUNNING | {"UnitFileState": "disabled"})
    assert (check.status, check.remedy) == ("warning", "sudo systemctl enable chat-server")


def test_without_systemd_nothing_is_said() -> None:
    assert ask({}).status == "skipped"


def test_one_restart_is_a_warning_and_several_are_a_failure() -> None:
    once, often = (ask(RUNNING | {"NRestarts": count}, [STARTING, KILLED, STARTING]) for count in ("1", "3"))
    assert (once.status, often.status) == ("warning", "failure")
    assert "systemd had to start it again once: chat-server.service: Main process exited" in once.seen
    assert "again 3 times" in often.seen


def test_a_restart_long_ago_is_over() -> None:
    assert ask(RUNNING | {"NRestarts": "1"}, now=NOW + 24 * HOUR_MS).status == "ok"


def test_a_service_that_is_stopped_is_warned_and_one_that_ends_by_itself_is_a_failure() -> None:
    """Either is "deactivating" while the log is folded into the database."""
    ending = RUNNING | {"ActiveState": "deactivating", "SubState": "stop-post"}
    stopped, ended = ask(ending), ask(ending | {"Result": "exit-code"}, [STARTING, KILLED])
    assert (stopped.status, ended.status) == ("warning", "failure")
    assert "ended by itself" in ended.seen
    assert KILLED in ended.seen


def test_a_service_that_was_stopped_by_hand_needs_only_a_start() -> None:
    check = ask(RUNNING | {"ActiveState": "inactive", "SubState": "dead"})
    assert (check.status, check.remedy) == ("failure", "sudo systemctl start chat-server")


@pytest.mark.parametrize("code", EXITS)
def test_an_exit_code_is_said_in_words_with_its_entry(code: str) -> None:
    meaning, entry = EXITS[code]
    check = ask(FAILED | {"ExecMainStatus": code})
    assert check.status == "failure"
    assert meaning in check.seen
    assert check.chapter == f"{entry} {HEADINGS[entry]}"
    assert "sudo systemctl reset-failed chat-server" in check.remedy.splitlines()


def test_between_two_tries_of_systemds_its_count_is_forgotten_before_it_is_started_by_hand() -> None:
    """Else that start may be the one too many, and be refused."""
    check = ask(FAILED | {"ActiveState": "activating", "SubState": "auto-restart"})
    assert check.remedy.splitlines()[-2:] == [
        "sudo systemctl reset-failed chat-server",
        "sudo systemctl restart chat-server",
    ]


@pytest.mark.parametrize("result", RESULTS)
def test_what_systemd_did_is_said_in_words(result: str) -> None:
    assert RESULTS[result][0] in ask(FAILED | {"Result": result, "ExecMainCode": "2", "ExecMainStatus": "9"}).seen


def test_the_servers_own_last_words_are_shown() -> None:
    cause = "cannot start cause=\"[server] host = '0.0.0.0', port = 8080: another process listens there\""
    exited = "chat-server.service: Main process exited, code=exited, status=69/UNAVAILABLE"
    looping = FAILED | {"ActiveState": "activating", "SubState": "auto-restart", "ExecMainStatus": "69"}
    check = ask(looping, [STARTING, f"chat_server: {cause}", exited])
    assert "keeps ending and starting again" in check.seen
    assert cause in check.seen
    assert check.chapter == "1.1 The port is taken"


def test_memory_that_ran_out_is_a_failure_until_somebody_has_restarted_the_service() -> None:
    restarted_by_systemd = site(RUNNING | {"NRestarts": "1"}, [STARTING, OUT_OF_MEMORY, AGAIN, STARTING])
    restarted_by_hand = site(RUNNING, [STARTING, OUT_OF_MEMORY, STARTING])
    ended_since = site(RUNNING | {"NRestarts": "1"}, [STARTING, OUT_OF_MEMORY, STARTING, KILLED, AGAIN, STARTING])
    assert answer(MEMORY, restarted_by_systemd).status == "failure"
    assert "oom-kill" in answer(MEMORY, restarted_by_systemd).seen
    assert "oom-kill" not in answer(MEMORY, restarted_by_hand).seen
    assert "oom-kill" not in answer(MEMORY, ended_since).seen


def host_with(monkeypatch: pytest.MonkeyPatch, *, total: int, available: int, swap: int = 0) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=total, available=available))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=swap, used=0))


def remedy_for_memory(unit: Mapping[str, str], journal: Sequence[str] = ()) -> list[str]:
    """Without what is said behind a command."""
    lines = answer(MEMORY, site(unit, journal)).remedy.splitlines()
    return [line.partition("   #")[0] for line in lines]


def test_more_memory_is_a_command_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, total=8 * GIB, available=4 * GIB)
    remedy = remedy_for_memory(RUNNING | {"MemoryMax": str(GIB)}, [OUT_OF_MEMORY])
    assert remedy[0] == "sudo systemctl set-property chat-server MemoryMax=2048M"


def test_the_server_is_allowed_no_more_memory_than_the_host_has(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, total=3 * GIB // 2, available=GIB)
    assert remedy_for_memory(RUNNING | {"MemoryMax": str(GIB)}, [OUT_OF_MEMORY])[0].endswith("MemoryMax=1536M")
    raised = remedy_for_memory(RUNNING | {"MemoryMax": str(2 * GIB)}, [OUT_OF_MEMORY])
    assert "MemoryMax" not in "".join(raised)


def test_a_host_that_is_short_of_memory_lets_the_server_take_no_more_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    host_with(monkeypatch, total=8 * GIB, available=GIB // 8)
    short = RUNNING | {"MemoryMax": str(GIB)}
    assert "MemoryMax" not in "".join(remedy_for_memory(short))
    assert "sudo swapon /swapfile" in remedy_for_memory(short)
    host_with(monkeypatch, total=8 * GIB, available=GIB // 8, swap=GIB)
    assert remedy_for_memory(short) == ["ps -eo rss,pid,user,comm --sort=-rss | head"]


def logged(message: str, fields: dict[str, object], *, error: BaseException | None = None) -> dict[str, list[str]]:
    """As each format of the log has it, line by line; journald takes the priority off."""
    caught = (type(error), error, None) if error else None
    record = logging.LogRecord("chat_server.http", logging.ERROR, "app.py", 1, message, (fields,), caught)
    return {
        "text": text_line(record).splitlines(),
        "journal": [journal_line(record).removeprefix("<3>")],
        "json": [json_line(record)],
    }


@pytest.mark.parametrize("log_format", ["text", "journal", "json"])
@pytest.mark.parametrize(
    "name",
    [
        "MemoryError",
        "cannot start",
        "oom-kill",
        "chat-server.service: Failed with result 'oom-kill'.",
        "http: cannot start cause=out of memory",
        'x traceback="Traceback (most recent call last):\nMemoryError"',
        'x traceback="Traceback (most recent call last):\\nMemoryError"',
        'x", "traceback": "Traceback (most recent call last):\\nMemoryError',
    ],
)
def test_a_stranger_can_not_make_doctor_believe_that_memory_ran_out(
    name: str, log_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_with(monkeypatch, total=8 * GIB, available=4 * GIB)
    lines = logged("failed login", {"username": name, "address": "203.0.113.9"})[log_format]
    assert answer(MEMORY, site(RUNNING, lines)).status == "ok"


@pytest.mark.parametrize("log_format", ["text", "journal", "json"])
@pytest.mark.parametrize("error", [MemoryError(), MemoryError("a thread"), OSError(12, "Cannot allocate memory")])
def test_an_error_for_want_of_memory_is_seen_however_the_log_is_written(error: Exception, log_format: str) -> None:
    lines = logged("request failed", {"path": "/auth/login"}, error=raised(error))[log_format]
    check = answer(MEMORY, site(RUNNING, lines))
    assert (check.status, "memory ran out for the server" in check.seen) == ("failure", True)


def raised(error: Exception) -> Exception:
    """With the traceback that an error has which was raised."""
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.mark.parametrize(
    "line",
    [
        'chat_server: cannot start cause="out of memory: can\'t start new thread"',
        "chat-server.service: A process of this unit has been killed by the OOM killer.",
        "chat-server.service: Failed to fork: Cannot allocate memory",
        "MemoryError",
        'storage.writer: database cannot be written cause="out of memory"',
    ],
)
def test_what_systemd_and_the_server_say_of_memory_is_believed(line: str) -> None:
    assert answer(MEMORY, site(RUNNING, [line])).status == "failure"


@pytest.mark.parametrize("log_format", ["text", "journal", "json"])
def test_a_stranger_can_not_choose_the_servers_last_words(log_format: str) -> None:
    faked = logged("failed login", {"username": "cannot start: another chat-server"})[log_format]
    check = ask(FAILED | {"ExecMainStatus": "69"}, [STARTING, *faked, KILLED])
    assert "failed login" not in check.seen
    assert check.chapter == "1.1 The port is taken"
