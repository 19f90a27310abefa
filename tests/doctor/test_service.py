"""Chapter 1: what is made of what systemd says. The facts and lines here were recorded on a Debian 12 host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from chat_server.config import Config
from chat_server.operations.doctor.chapters import HEADINGS
from chat_server.operations.doctor.report import Check, Question, answer
from chat_server.operations.doctor.resources import memory
from chat_server.operations.doctor.service import EXITS, RESULTS, service
from chat_server.operations.doctor.site import Site

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
    question = Question("memory", ("1.5",), memory)
    restarted_by_systemd = site(RUNNING | {"NRestarts": "1"}, [STARTING, OUT_OF_MEMORY, AGAIN, STARTING])
    restarted_by_hand = site(RUNNING, [STARTING, OUT_OF_MEMORY, STARTING])
    ended_since = site(RUNNING | {"NRestarts": "1"}, [STARTING, OUT_OF_MEMORY, STARTING, KILLED, AGAIN, STARTING])
    assert answer(question, restarted_by_systemd).status == "failure"
    assert "oom-kill" in answer(question, restarted_by_systemd).seen
    assert "oom-kill" not in answer(question, restarted_by_hand).seen
    assert "oom-kill" not in answer(question, ended_since).seen


def test_more_memory_is_a_command_to_type() -> None:
    limited = site(RUNNING | {"NRestarts": "1", "MemoryMax": str(2**30)}, [OUT_OF_MEMORY])
    remedy = answer(Question("memory", ("1.5",), memory), limited).remedy
    assert "sudo systemctl set-property chat-server MemoryMax=2048M" in remedy.splitlines()
