"""Chapter 4: who has the database, what lies beside it, and whether it is whole."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chat_server.operations.verification import examine
from chat_server.storage.database import prepare
from chat_server.storage.migrations import VERSIONS
from tests.device import online
from tests.doctor.patient import ask, ask_one
from tests.server import Server, free_port, running_server, write_config

PAGE = 4096
needs_shell = pytest.mark.skipif(shutil.which("sqlite3") is None, reason="no sqlite3 shell: apt install sqlite3")

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute(sys.argv[2])
database.execute("SELECT count(*) FROM users").fetchone()
print("holding", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(database: Path, statement: str) -> Iterator[subprocess.Popen[str]]:
    """Another program, which has the database open within a transaction."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database), statement], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With a conversation of 300 messages, in the database and not in the log alone."""
    with running_server(tmp_path, rate_limit={"enabled": False}) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns:
            for number in range(300):
                message_id = anns.write(bob, f"message {number} " + "x" * 500)
            anns.ack(message_id)
        with closing(sqlite3.connect(server.database)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield server


def overwrite(database: Path, *, pages: int) -> None:
    """Puts rubbish over pages in the middle of the file."""
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // PAGE // 2 * PAGE)
        file.write(b"\xff" * PAGE * pages)


class TestWhoHasIt:
    def test_a_server_alone_is_well(self, server: Server) -> None:
        checks = ask(server.config, "instances", "write-lock", "open-elsewhere")
        assert {check.status for check in checks.values()} <= {"ok", "skipped"}
        assert f"process {server.process.pid}, " in checks["instances"].seen

    def test_a_program_that_keeps_it_locked_is_named_with_what_ends_it(self, server: Server) -> None:
        with holder(server.database, "BEGIN IMMEDIATE") as process:
            check = ask_one(server.config, "write-lock")
        assert check.status == "failure"
        assert f"process {process.pid}, " in check.seen
        assert check.remedy == f"sudo kill {process.pid}"
        assert ask_one(server.config, "write-lock").status == "ok"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root sees who has a file open")
    def test_a_program_that_only_reads_is_named_too(self, server: Server) -> None:
        with holder(server.database, "BEGIN") as process:
            checks = ask(server.config, "write-lock", "open-elsewhere")
        assert checks["write-lock"].status == "ok"
        assert checks["open-elsewhere"].status == "warning"
        assert f"process {process.pid}, " in checks["open-elsewhere"].seen

    def test_a_stopped_server_has_nothing(self, server: Server) -> None:
        server.stop()
        assert ask_one(server.config, "instances").seen.startswith("no server runs")

    def test_a_server_of_another_database_is_not_taken_for_a_second_one(self, server: Server, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.mkdir()
        with running_server(other):
            check = ask_one(server.config, "instances")
        assert check.status == "ok"
        assert "with other databases: " in check.seen


class TestWhatLiesBeside:
    def test_a_log_in_use_is_well(self, server: Server) -> None:
        assert ask_one(server.config, "log").status == "ok"

    def test_a_log_that_a_crash_left_is_to_be_folded_in_and_not_removed(self, server: Server) -> None:
        server.client().sign_up("cas")
        server.kill()
        check = ask_one(server.config, "log")
        assert (check.status, check.chapter) == ("warning", "4.3 Files are left beside the database")
        assert "remove nothing" in check.seen
        assert check.remedy.splitlines()[0] == f"sudo chat-server --config {server.config} checkpoint"

    def test_a_log_that_is_not_the_databases_own_is_a_failure(self, server: Server) -> None:
        server.client().sign_up("cas")
        server.kill()
        server.database.unlink()
        check = ask_one(server.config, "log")
        assert (check.status, "the log of one lies there" in check.seen) == ("failure", True)

    def test_a_database_that_was_replaced_may_be_removed_in_time(self, server: Server) -> None:
        kept = server.database.with_name("chat.db.replaced-20260101-000000")
        kept.write_bytes(b"x" * 1024)
        check = ask_one(server.config, "set-aside")
        assert (check.status, kept.name in check.seen) == ("ok", True)

    def test_a_log_that_was_moved_aside_may_hold_messages(self, server: Server) -> None:
        kept = server.database.with_name("chat.db.unfolded-20260101-000000-wal")
        kept.write_bytes(b"x" * 1024)
        check = ask_one(server.config, "set-aside")
        assert (check.status, kept.name in check.seen) == ("warning", True)

    def test_what_may_hold_messages_is_kept_elsewhere_and_nothing_else_is_touched(self, server: Server) -> None:
        log = server.database.with_name("chat.db.unfolded-20260101-000000-wal")
        others = [server.database.with_name(f"chat.db.{word}") for word in ("replaced-20260101-000000", "mine")]
        for file in (log, *others):
            file.write_bytes(b"x" * 1024)
        remedy = ask_one(server.config, "set-aside").remedy.replace(f"sudo -u {_owner(server)} ", "")
        subprocess.run(["sh", "-euc", remedy], check=True)
        assert (server.database.parent / "set-aside" / log.name).read_bytes() == b"x" * 1024
        assert [file for file in others if not file.exists()] == []
        assert ask_one(server.config, "set-aside").status == "ok"


class TestWhetherItIsWhole:
    def test_a_whole_one_is_well_beside_the_server_and_without(self, server: Server) -> None:
        assert ask_one(server.config, "integrity").seen.startswith("whole: sqlite_schema, ")
        server.stop()
        assert ask_one(server.config, "integrity").status == "ok"

    def test_damage_is_found_without_a_server(self, server: Server) -> None:
        server.stop()
        overwrite(server.database, pages=4)
        check = ask_one(server.config, "integrity")
        assert (check.status, f"{server.database} is damaged" in check.seen) == ("failure", True)

    def test_damage_is_found_beside_a_server(self, server: Server) -> None:
        overwrite(server.database, pages=4)
        assert ask_one(server.config, "integrity").status == "failure"
        server.kill()

    @needs_shell
    def test_damage_is_cured_by_what_can_be_read_where_there_is_no_backup(self, server: Server) -> None:
        server.stop()
        overwrite(server.database, pages=1)
        check = ask_one(server.config, "integrity")
        assert check.chapter == "4.5 Rescue what can be read"
        stop, *rescue, restore, start = check.remedy.replace(f"sudo -u {_owner(server)} ", "").splitlines()
        subprocess.run(["sh", "-euc", "\n".join(rescue)], stderr=subprocess.DEVNULL, check=True)
        rescued = server.database.with_name("rescued.db")
        assert f"restore {rescued}" in restore
        assert (stop, start) == ("sudo systemctl stop chat-server", "sudo systemctl start chat-server")
        assert examine(rescued, called=rescued).rows["users"] == 2

    def test_damage_is_cured_by_the_newest_backup_where_there_is_one(self, server: Server) -> None:
        server.stop()
        overwrite(server.database, pages=4)
        backups = server.config.with_name("backups")
        backups.mkdir()
        (backups / "latest.db").touch()
        check = ask_one(server.config, "integrity")
        assert check.chapter == "4.4 Restore a damaged database"
        assert f"restore {backups / 'latest.db'}" in check.remedy

    def test_a_file_that_is_no_database_is_a_failure(self, server: Server) -> None:
        server.stop()
        server.database.write_bytes(b"no database" * 1000)
        checks = ask(server.config, "schema", "integrity")
        assert {check.status for check in checks.values()} == {"failure"}

    def test_a_database_of_a_newer_version_is_a_failure(self, server: Server) -> None:
        server.stop()
        with closing(sqlite3.connect(server.database)) as database:
            database.execute(f"PRAGMA user_version = {len(VERSIONS) + 1}")
        check = ask_one(server.config, "schema")
        assert (check.status, "a newer chat-server" in check.seen) == ("failure", True)

    def test_nothing_is_read_where_a_crash_left_a_log(self, server: Server) -> None:
        server.client().sign_up("cas")
        server.kill()
        log = Path(f"{server.database}-wal").read_bytes()
        check = ask_one(server.config, "integrity")
        assert (check.status, "checkpoint" in check.seen) == ("skipped", True)
        assert Path(f"{server.database}-wal").read_bytes() == log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts as another user")
def test_what_root_reads_stays_its_owners() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o711)
        data = directory / "data"
        data.mkdir(mode=0o700)
        prepare(data / "chat.db")
        for path in (data, data / "chat.db"):
            os.chown(path, 12345, 23456)
        config = write_config(directory, port=free_port(), database={"path": str(data / "chat.db")})
        before = {file.name: file.stat().st_uid for file in data.iterdir()}
        assert ask_one(config, "integrity").status == "ok"
        assert {file.name: file.stat().st_uid for file in data.iterdir()} == before


def test_a_server_that_hangs_keeps_no_doctor_waiting(server: Server) -> None:
    server.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    checks = ask(server.config, "health", "instances", "integrity", "load")
    server.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - began < 20
    assert (checks["health"].status, "no answer within" in checks["health"].seen) == ("failure", True)
    assert checks["integrity"].status == "ok"


def _owner(server: Server) -> str:
    return server.database.owner()
