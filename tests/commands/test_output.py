"""What commands print, where it goes, and how quickly they start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chat_server.arguments import parser
from tests.commands.admin import CHAT_SERVER, Admin
from tests.server import UNMEASURED

# A byte that is not UTF-8, as Python hands it over.
NO_TEXT = b"\xff".decode(errors="surrogateescape")


def test_help_names_every_exit_code_and_needs_no_configuration(tmp_path: Path) -> None:
    done = Admin(tmp_path / "absent.toml", tmp_path / "absent.db").run("--help")
    assert done.code == 0
    assert "exit codes:" in done.output


@pytest.mark.parametrize(
    "words", [["users"], ["users", "nonsense"], ["users", "list", "--limit", "0"], ["users", "unlock", NO_TEXT]]
)
def test_a_wrong_command_line_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parser().parse_args(words)
    assert stopped.value.code == 2
    assert "usage: chat-server users" in capsys.readouterr().err


def test_a_wrong_configuration_exits_with_78(admin: Admin) -> None:
    done = admin.run("users", "list", environ={"CHAT_SERVER_SERVER__PORT": "0"})
    assert done.code == os.EX_CONFIG
    assert "CHAT_SERVER_SERVER__PORT" in done.refusal


def test_output_that_is_lost_is_an_error_but_a_reader_that_leaves_is_none(admin: Admin) -> None:
    command = f"{CHAT_SERVER} --config {admin.config} users list"
    full = subprocess.run(
        ["sh", "-c", f"{command} > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **UNMEASURED},
    )
    assert full.returncode == os.EX_IOERR
    assert full.stderr == "chat-server: standard output: No space left on device\n"
    left = subprocess.run(
        ["bash", "-c", f"{command} > >(exec true); echo $?"], capture_output=True, text=True, check=False
    )
    assert (left.stdout, left.stderr) == ("0\n", "")


def test_what_the_terminal_cannot_show_is_escaped(admin: Admin) -> None:
    admin.run("invites", "create", "--note", "Zoë")
    assert r"Zo\xeb" in admin.run("invites", "list", environ={"PYTHONIOENCODING": "ascii"}).output


@pytest.mark.parametrize("words", ["check-config", "stats", "healthcheck", "backup", "checkpoint"])
def test_a_command_that_monitors_run_imports_nothing_of_the_server(admin: Admin, words: str) -> None:
    done = admin.run(words, environ={"PYTHONPROFILEIMPORTTIME": "1", **UNMEASURED})
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.errors.splitlines()}
    assert "chat_server" in imported
    assert imported & {"gevent", "falcon", "argon2", "prometheus_client", "jwt"} == set()
