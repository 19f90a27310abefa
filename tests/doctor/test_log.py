"""Chapter 8: what the log tells, and which server writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

import chat_server
from chat_server.operations.doctor.logs import QUESTIONS
from chat_server.operations.doctor.report import answer
from tests.doctor.hosts import site
from tests.doctor.impostor import answering
from tests.doctor.patient import ask_one
from tests.server import free_port, running_server, write_config

OLDER = (
    b'{"version":"0.0.1","startedAt":0,"connections":{"activeWebsocket":0,"totalUsers":0},'
    b'"messagesPerSecond":0,"queueDepth":0}'
)


@pytest.mark.parametrize(
    ("level", "status"), [("error", "ok"), ("info", "ok"), ("debug", "warning"), ("trace", "warning")]
)
def test_a_level_that_names_everybodys_doings_is_a_warning(tmp_path: Path, level: str, status: str) -> None:
    check = ask_one(write_config(tmp_path, port=free_port(), server={"log_level": level}), "log-level")
    assert check.status == status
    assert f"log_level is {level}" in check.seen
    assert ('log_level = "info"' in check.remedy) == (status == "warning")


class TestTheVersion:
    def test_that_which_runs_is_the_installed_one(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            check = ask_one(server.config, "version")
        assert check.status == "ok"
        assert chat_server.__version__ in check.seen

    def test_another_one_was_not_restarted_since(self, tmp_path: Path) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(OLDER)}\r\n\r\n".encode()
        with answering(head + OLDER) as port:
            check = ask_one(write_config(tmp_path, port=port), "version")
        assert check.status == "warning"
        assert f"version 0.0.1 runs, {chat_server.__version__} is installed" in check.seen
        assert "restart chat-server" in check.remedy

    def test_without_a_server_the_installed_one_is_told(self, tmp_path: Path) -> None:
        check = ask_one(write_config(tmp_path, port=free_port()), "version")
        assert check.status == "skipped"
        assert chat_server.__version__ in check.seen


class TestInTheForeground:
    """On a host that has the unit, by what systemd says of it."""

    def ask(self, config: Path, state: str) -> tuple[str, str]:
        seen = site(config, journal=[])
        seen.__dict__["unit"] = {"LoadState": "loaded", "ActiveState": state, "MainPID": "0"}
        check = answer(next(one for one in QUESTIONS if one.id == "foreground"), seen)
        return check.status, f"{check.seen}\n{check.remedy}"

    def test_a_server_that_systemd_did_not_start_is_named_with_its_process(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            status, text = self.ask(server.config, "inactive")
        assert status == "warning"
        assert f"process {server.process.pid}" in text
        assert "sudo systemctl start chat-server" in text

    def test_no_server_at_all_is_another_questions_matter(self, tmp_path: Path) -> None:
        status, _ = self.ask(write_config(tmp_path, port=free_port()), "inactive")
        assert status == "ok"
