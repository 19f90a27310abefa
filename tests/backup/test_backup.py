"""A backup is one whole, verified file, whatever goes on around it; one that fails changes nothing."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chat_server.configuration import load
from chat_server.observability.backups import last_backup_at
from chat_server.operations.backup import backup
from tests.backup.contents import add, add_and_crash, damage, messages
from tests.commands.admin import CHAT_SERVER, Admin
from tests.faults.small_disk import small_disk
from tests.server import UNMEASURED, write_config

BOOKS = {".lock", ".last-attempt.json"}
"""Beside the backups."""


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_backup_is_one_file_that_only_its_owner_reads_under_two_names(admin: Admin, backups: Path) -> None:
    add(admin.database, "one", "two")
    before = datetime.now(UTC).replace(microsecond=0)
    done = admin.run("backup", "--json").json
    file, latest = Path(done["file"]), backups / "latest.db"
    assert before <= datetime.strptime(file.name, "chat-%Y%m%d-%H%M%S.db").replace(tzinfo=UTC) <= datetime.now(UTC)
    assert messages(file) == ["one", "two"]
    assert file.samefile(latest)
    assert names(backups) == {file.name, "latest.db", *BOOKS}
    assert backups.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in backups.iterdir()} == {0o600}
    assert done["sizeBytes"] == file.stat().st_size
    assert done["contents"]["rows"].items() >= {"users": 2, "conversations": 1, "messages": 2}.items()
    assert (done["contents"]["schemaVersion"], done["contents"]["brokenReferences"], done["removed"]) == (1, 0, [])


def test_it_says_in_one_line_what_it_made(admin: Admin, backups: Path) -> None:
    done = admin.run("backup")
    assert (done.code, done.errors, done.output.count("\n")) == (0, "", 1)
    assert done.output.startswith(f"backup made: {backups}/chat-")
    assert "users: 2, conversations: 1, messages: 0" in done.output


def test_on_a_terminal_it_shows_how_far_it_is(admin: Admin) -> None:
    add(admin.database, *(f"{number}" * 50_000 for number in range(100)))
    assert "%" in admin.at_terminal("backup", answers={}).output


def test_the_metric_and_the_figures_have_the_moment_it_holds(admin: Admin, backups: Path) -> None:
    before = time.time_ns() // 1_000_000
    admin.run("backup")
    at = last_backup_at(backups)
    assert at is not None
    assert before <= at <= time.time_ns() // 1_000_000
    assert at * 1_000_000 == (backups / "latest.db").stat().st_mtime_ns, "the file system's time, not the backup's"
    assert admin.run("stats", "--json").json["lastBackupAt"] == at


def test_what_is_written_meanwhile_neither_gets_in_nor_makes_it_begin_again(admin: Admin, backups: Path) -> None:
    add(admin.database, *(f"{number}" * 50_000 for number in range(100)))
    shares: list[float] = []

    def write_on(share: float) -> None:
        shares.append(share)
        assert len(shares) < 100, "it begins again for ever"
        add(admin.database, f"meanwhile {len(shares)}")

    backup(load(admin.config, {}), now=time.time_ns() // 1_000_000, progress=write_on)
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert len(messages(backups / "latest.db")) == 100
    assert len(messages(admin.database)) == 100 + len(shares)


def test_a_copied_backup_needs_nothing_beside_it_and_can_be_read_where_nothing_can_be_written(
    admin: Admin, backups: Path
) -> None:
    add_and_crash(admin.database, "in the log")
    admin.run("backup")
    alone = admin.config.parent / "alone"
    alone.mkdir()
    shutil.copy(backups / "latest.db", alone)
    with closing(sqlite3.connect(f"{(alone / 'latest.db').as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("SELECT content FROM messages").fetchall() == [("in the log",)]
        assert names(alone) == {"latest.db"}


def test_the_next_backup_leaves_the_one_before_as_it_was(admin: Admin, backups: Path) -> None:
    add(admin.database, "one")
    first = Path(admin.run("backup", "--json").json["file"])
    add(admin.database, "two")
    time.sleep(1.1 - time.time() % 1)  # names have seconds
    second = Path(admin.run("backup", "--json").json["file"])
    assert messages(first) == ["one"]
    assert messages(second) == ["one", "two"]
    assert second.samefile(backups / "latest.db")


def test_a_damaged_database_is_not_backed_up_and_the_last_good_backup_stays(admin: Admin, backups: Path) -> None:
    add(admin.database, *(f"{number}" * 500 for number in range(100)))
    admin.run("backup")
    kept = (backups / "latest.db").read_bytes()
    files = names(backups)
    damage(admin.database)
    done = admin.run("backup")
    assert done.code == os.EX_NOINPUT
    assert done.refusal.startswith(f"{admin.database}: ")
    assert (backups / "latest.db").read_bytes() == kept
    assert names(backups) == files


def test_a_failing_backup_removes_no_old_one(admin: Admin, backups: Path) -> None:
    admin.run("backup")
    old = {f"chat-200{year}0101-000000.db" for year in range(5)}
    for name in old:
        (backups / name).touch()
    damage(admin.database)
    assert admin.run("backup").code == os.EX_NOINPUT
    assert old <= names(backups)


def test_what_is_too_old_goes_once_there_is_a_new_one(admin: Admin, backups: Path) -> None:
    backups.mkdir()
    (backups / "chat-20200101-000000.db").touch()
    (backups / "chat-20200102-000000.db").touch()
    done = admin.run("backup", "--json").json
    assert done["removed"] == ["chat-20200101-000000.db", "chat-20200102-000000.db"]
    assert names(backups) == {Path(done["file"]).name, "latest.db", *BOOKS}


def test_rows_that_refer_to_none_are_told_and_backed_up(admin: Admin, backups: Path) -> None:
    with closing(sqlite3.connect(admin.database)) as connection, connection:
        connection.execute("DELETE FROM users WHERE id = 'user-a'")
    done = admin.run("backup")
    assert (done.code, done.errors) == (0, "rows that refer to none, here as in the database: 1\n")
    assert (backups / "latest.db").exists()


@pytest.mark.parametrize("missing", ["database", "its directory"])
def test_without_a_database_there_is_no_backup(admin: Admin, backups: Path, missing: str) -> None:
    shutil.rmtree(admin.database.parent)
    if missing == "database":
        admin.database.parent.mkdir()
    done = admin.run("backup")
    assert (done.code, "there is no database" in done.refusal) == (os.EX_NOINPUT, True)
    assert not backups.exists()


def test_an_empty_file_is_no_database_to_back_up(admin: Admin, backups: Path) -> None:
    admin.database.write_bytes(b"")
    done = admin.run("backup")
    assert (done.code, "empty: start the server once" in done.refusal) == (os.EX_NOINPUT, True)
    assert not list(backups.glob("*.db"))


def test_one_runs_at_a_time(admin: Admin, backups: Path) -> None:
    backups.mkdir()
    under_way = backups / ".unfinished-backup.db"
    under_way.write_text("another's")
    with (backups / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = admin.run("backup")
        assert (done.code, "another backup or restore is under way" in done.refusal) == (os.EX_TEMPFAIL, True)
        assert under_way.read_text() == "another's"
    assert admin.run("backup").code == 0
    assert not under_way.exists()


def test_a_file_system_without_hard_links_gets_a_copy(admin: Admin, backups: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("strace is missing: apt install strace")
    add(admin.database, "one")
    refuse = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=link,linkat:error=EPERM"]
    command = [*refuse, CHAT_SERVER, "--config", str(admin.config), "backup"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **UNMEASURED})
    latest = backups / "latest.db"
    (dated,) = backups.glob("chat-*.db")
    assert not latest.samefile(dated)
    assert messages(latest) == messages(dated) == ["one"]
    assert latest.stat().st_mode & 0o777 == 0o600
    assert last_backup_at(backups) == dated.stat().st_mtime_ns // 1_000_000


def test_where_room_is_missing_old_backups_go_first_and_then_it_says_so(tmp_path: Path, admin: Admin) -> None:
    with small_disk(tmp_path / "disk", mib=100) as disk:
        config = write_config(
            tmp_path, port=1, database={"path": str(admin.database)}, backup={"directory": str(disk.path)}
        )
        command = [*disk.enter, CHAT_SERVER, "--config", str(config), "backup"]

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

        for day in (1, 2):
            (disk.outside / f"chat-2020010{day}-000000.db").write_bytes(bytes(30 * 2**20))
        assert run().returncode == 0  # 40 MiB are free: the first makes room
        (dated,) = disk.outside.glob("chat-2*.db")
        assert not dated.name.startswith("chat-2020")
        (disk.outside / "filler").write_bytes(bytes(50 * 2**20))
        done = run()
        assert done.returncode == os.EX_TEMPFAIL
        assert "MiB are free and a backup needs 64 MiB: remove something there" in done.stderr
        assert names(disk.outside) == {dated.name, "latest.db", *BOOKS, "filler"}
