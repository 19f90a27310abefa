"""`chat-server doctor`: what it asks, in which forms it answers, and that it changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server.operations.doctor.chapters import HEADINGS
from chat_server.operations.doctor.examination import questions
from chat_server.operations.doctor.report import Check, Report, report
from chat_server.operations.doctor.text import lines
from tests.commands.admin import Admin
from tests.doctor.patient import ask
from tests.server import Server, free_port, running_server, write_config

GUIDE_ENTRIES = 39


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    directory.chmod(0o700)
    (directory / "backups").mkdir(mode=0o700)
    with running_server(directory) as server:
        assert Admin(server.config, server.database).run("backup").code == 0
        yield server


def test_every_entry_of_the_guide_is_covered() -> None:
    covered = {entry for question in questions() for entry in question.entries}
    assert covered == set(HEADINGS)
    assert len(HEADINGS) == GUIDE_ENTRIES


def test_no_two_checks_have_the_same_name() -> None:
    names = [question.id for question in questions()]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_a_healthy_server_has_no_failure(server: Server) -> None:
    checks = ask(server.config)
    assert [check for check in checks.values() if check.status == "failure"] == []
    assert set(checks) == {question.id for question in questions()}


def test_json_is_as_the_contract_has_it(server: Server) -> None:
    document = Admin(server.config, server.database).run("doctor", "--json").json
    assert set(document) == {"status", "checks"}
    for check in document["checks"]:
        assert set(check) == {"id", "entries", "status", "seen", "remedy", "chapter"}
        assert check["status"] in {"ok", "warning", "failure", "skipped"}
        assert check["chapter"] in {f"{entry} {heading}" for entry, heading in HEADINGS.items()}
        assert check["seen"]
        assert "\n" not in check["seen"]


def test_only_the_named_checks_are_made_in_the_guides_order(server: Server) -> None:
    assert list(ask(server.config, "size", "port")) == ["port", "size"]


def test_a_check_that_does_not_exist_is_refused_with_those_that_do(server: Server) -> None:
    done = Admin(server.config, server.database).run("doctor", "--only", "ports")
    assert (done.code, "there is no check ports" in done.refusal, "port, " in done.refusal) == (1, True, True)


def test_text_has_a_line_for_each_check_and_the_count_last(server: Server) -> None:
    done = Admin(server.config, server.database).run("doctor", "--only", "port", "health")
    assert done.code == 0
    assert done.output.splitlines() == [
        f"ok       port    the server listens on 127.0.0.1, port {server.port}",
        f"ok       health  http://127.0.0.1:{server.port} answers",
        "ok: 0 failures, 0 warnings, 2 ok, 0 skipped",
    ]


def test_what_is_not_well_is_shown_with_its_remedy_and_its_chapter() -> None:
    bad = Check("disk", ["1.6"], "failure", "3 MiB free", "sudo rm a\nsudo rm b", "1.6 The disk is full")
    good = Check("port", ["1.1"], "ok", "free", "", "1.1 The port is taken")
    assert list(lines(report([bad, good]))) == [
        "FAILURE  disk  3 MiB free",
        "               sudo rm a",
        "               sudo rm b",
        '               more: docs/troubleshooting.md, "1.6 The disk is full"',
        "ok       port  free",
        "FAILURE: 1 failure, 0 warnings, 1 ok, 0 skipped",
    ]


def test_a_strangers_words_do_not_steer_the_terminal() -> None:
    evil = Check("port", ["1.1"], "failure", "taken by \x1b[2Jnc", "sudo kill 1", "1.1 The port is taken")
    assert "\x1b" not in "\n".join(lines(Report("failure", [evil])))


def test_a_terminal_sees_how_far_it_is(server: Server) -> None:
    done = Admin(server.config, server.database).at_terminal("doctor", "--only", "port", "health", answers={})
    assert done.code == 0
    assert "\r 50%" in done.output


def test_a_broken_configuration_keeps_nothing_from_being_examined(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[server\nport = ")
    checks = ask(config)
    assert checks["configuration"].status == "failure"
    assert "line 1" in checks["configuration"].seen
    assert set(checks) == {question.id for question in questions()}


def test_without_a_server_it_examines_what_there_is(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        pass
    checks = ask(server.config)
    assert checks["health"].status == "failure"
    assert checks["integrity"].status == "ok"
    assert checks["log"].status == "ok"


def test_without_a_database_it_says_so(tmp_path: Path) -> None:
    checks = ask(write_config(tmp_path, port=free_port()))
    assert (checks["schema"].status, checks["integrity"].status) == ("warning", "skipped")
    assert "no database" in checks["schema"].seen


@pytest.mark.parametrize("state", ["running", "stopped", "killed"])
def test_it_changes_nothing(tmp_path: Path, state: str) -> None:
    def traces() -> dict[str, tuple[bytes, int, int]]:
        """Of all files: what they hold, their owner, their mode. The index of a log is the server's own to change."""
        return {
            str(file): (file.read_bytes() if file.suffix != ".db-shm" else b"", file.stat().st_uid, file.stat().st_mode)
            for file in tmp_path.rglob("*")
            if file.is_file() and file.name != "server.log"
        }

    with running_server(tmp_path) as server:
        server.client().sign_up("ann")
        if state == "stopped":
            server.stop()
        elif state == "killed":
            server.kill()
        before = traces()
        assert ask(server.config)
        after = traces()
    assert set(before) == set(after)
    # A running server writes a line to its database now and then: it is asked whether it can.
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= ({f"{server.database}", f"{server.database}-wal"} if state == "running" else set())
