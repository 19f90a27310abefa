"""After a crash: what was acknowledged is in chat.db alone, or moved aside with words; nothing is ever lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.backup.contents import add, add_and_crash, messages
from tests.commands.admin import CHAT_SERVER, Admin
from tests.faults.small_disk import small_disk
from tests.server import running_server, write_config


def beside(database: Path) -> set[str]:
    """What lies beside the database, but for the server's lock."""
    return {path.name for path in database.parent.iterdir()} - {database.name, f"{database.name}.lock"}


def set_aside(database: Path) -> dict[str, Path]:
    """The files that were moved, by their ending."""
    return {f"-{path.name.rpartition('-')[2]}": path for path in database.parent.glob("chat.db.unfolded-*")}


def test_what_a_crash_left_is_folded_in(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    done = admin.run("checkpoint")
    assert (done.code, done.errors) == (0, "")
    assert done.output.startswith("write-ahead log folded into the database: ")
    assert beside(admin.database) == set()
    alone = admin.config.parent / "alone.db"
    shutil.copy(admin.database, alone)
    assert messages(alone) == ["acknowledged"]


def test_a_secret_that_was_spoilt_does_not_keep_it_from_its_work(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    lines = admin.config.read_text().splitlines()
    admin.config.write_text("\n".join('jwt_secret = "short"' if "jwt_secret" in line else line for line in lines))
    assert admin.run("check-config").code == 78
    assert admin.run("checkpoint").code == 0
    assert beside(admin.database) == set()
    assert admin.run("backup").code == 0
    assert admin.run("restore", "--yes", str(admin.database.parent / "absent.db")).code == 66


@pytest.mark.parametrize("left", ["nothing", "no database", "no directory"])
def test_where_nothing_is_left_it_is_silent(admin: Admin, left: str) -> None:
    if left != "nothing":
        admin.database.unlink()
    if left == "no directory":
        admin.database.parent.rmdir()
    done = admin.run("checkpoint")
    assert (done.code, done.output, done.errors) == (0, "", "")
    assert admin.run("checkpoint", "--json").json == {"foldedBytes": 0, "running": False}


def test_an_empty_log_and_an_index_go_silently(admin: Admin) -> None:
    for leftovers in (("-wal", "-shm"), ("-shm",)):
        for suffix in leftovers:
            Path(f"{admin.database}{suffix}").touch(mode=0o600)
        done = admin.run("checkpoint")
        assert (done.code, done.output, done.errors, beside(admin.database)) == (0, "", "", set())


def test_a_half_done_transaction_without_a_log_is_undone(admin: Admin) -> None:
    """A database just restored has no log until the server starts: what is under way is in a rollback journal."""
    add(admin.database, "one")
    crash = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA journal_mode = delete');"
        "c.execute('PRAGMA cache_size = 1'); c.execute('UPDATE messages SET content = zeroblob(3000000)'); os._exit(0)"
    )
    subprocess.run(["python3", "-c", crash, str(admin.database)], check=True)
    assert Path(f"{admin.database}-journal").exists()
    assert admin.run("checkpoint").code == 0
    assert beside(admin.database) == set()
    assert messages(admin.database) == ["one"]


def test_a_running_server_is_left_alone(admin: Admin) -> None:
    with running_server(admin.config.parent, database={"path": str(admin.database)}):
        before = {path: path.stat().st_mtime_ns for path in admin.database.parent.iterdir()}
        done = admin.run("checkpoint")
        assert (done.code, done.output) == (0, "a server uses the database: nothing to do\n")
        assert admin.run("checkpoint", "--json").json == {"foldedBytes": 0, "running": True}
        assert {path: path.stat().st_mtime_ns for path in admin.database.parent.iterdir()} == before


def test_a_killed_servers_log_is_folded_in(admin: Admin) -> None:
    with running_server(admin.config.parent, database={"path": str(admin.database)}) as server:
        server.client().sign_up("eve")
        server.kill()
    assert beside(admin.database) == {"chat.db-wal", "chat.db-shm"}
    assert admin.run("checkpoint").code == 0
    assert beside(admin.database) == set()
    names = [user["username"] for user in admin.run("users", "list", "--json").json["users"]]
    assert names == ["ann", "bob", "eve"]


def test_a_log_that_another_program_has_open_stays(admin: Admin) -> None:
    with closing(sqlite3.connect(admin.database)) as shell:
        shell.execute("SELECT count(*) FROM users").fetchone()
        done = admin.run("checkpoint")
        assert (done.code, "another program has it open: see fuser" in done.refusal) == (os.EX_TEMPFAIL, True)
        assert not set_aside(admin.database)
    assert beside(admin.database) == set()


@pytest.mark.parametrize("ruin", [b"", b"this is no database\n" * 1000, None], ids=["empty", "text", "missing"])
def test_a_log_whose_database_is_ruined_is_moved_aside_untouched(admin: Admin, ruin: bytes | None) -> None:
    add_and_crash(admin.database, "acknowledged")
    log = Path(f"{admin.database}-wal").read_bytes()
    if ruin is None:
        admin.database.unlink()
    else:
        admin.database.write_bytes(ruin)
    done = admin.run("checkpoint")
    aside = set_aside(admin.database)
    assert set(aside) == {"-wal", "-shm"}
    assert aside["-wal"].read_bytes() == log
    assert done.code == os.EX_NOINPUT
    assert f"was moved to {aside['-wal']}" in done.refusal
    assert (admin.database.read_bytes() if admin.database.exists() else None) == ruin
    assert admin.run("checkpoint").output == ""


def test_a_database_whose_schema_is_damaged_gets_what_its_log_holds(admin: Admin) -> None:
    """SQLite can't read it, and yet .recover finds more in it with the log's pages than without."""
    add_and_crash(admin.database, "acknowledged")
    with admin.database.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)
    admin.run("checkpoint")
    assert not Path(f"{admin.database}-wal").exists()
    found = [admin.database, *set_aside(admin.database).values()]
    assert any(b"acknowledged" in file.read_bytes() for file in found)


def test_a_backup_copied_beside_a_stale_log_is_not_ruined_by_it(admin: Admin, backups: Path) -> None:
    """What the guide does after a crash: `cp latest.db chat.db`."""
    add(admin.database, "one")
    admin.run("backup")
    for number in range(40):
        add(admin.database, "x" * 1000 + f"{number}")
    add_and_crash(admin.database, "acknowledged")
    log = Path(f"{admin.database}-wal").read_bytes()
    shutil.copy(backups / "latest.db", admin.database)
    done = admin.run("checkpoint")
    assert done.code == os.EX_NOINPUT
    assert "put there while the log of another database lay beside it" in done.refusal
    assert set_aside(admin.database)["-wal"].read_bytes() == log
    assert messages(admin.database) == ["one"]


def test_on_a_full_disk_all_stays_in_its_place(tmp_path: Path, admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged" + "x" * 200_000)
    with small_disk(tmp_path / "disk", mib=4) as disk:
        for name in ("chat.db", "chat.db-wal"):
            shutil.copy(admin.database.with_name(name), disk.outside)
        (disk.outside / "chat.db.lock").write_text("1\n")
        config = write_config(tmp_path, port=1, database={"path": str(disk.path / "chat.db")})

        def run() -> subprocess.CompletedProcess[str]:
            command = [*disk.enter, CHAT_SERVER, "--config", str(config), "checkpoint"]
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

        disk.fill()
        done = run()
        assert (done.returncode, "full" in done.stderr) == (os.EX_TEMPFAIL, True), done.stderr
        assert (disk.outside / "chat.db-wal").read_bytes() == Path(f"{admin.database}-wal").read_bytes()
        assert not list(disk.outside.glob("chat.db.unfolded-*"))
        disk.free()
        assert run().returncode == 0
        whole = tmp_path / "whole.db"
        shutil.copy(disk.outside / "chat.db", whole)
    (kept,) = messages(whole)
    assert kept.startswith("acknowledged")


def test_a_wrong_configuration_is_one_line(admin: Admin) -> None:
    done = admin.run("checkpoint", environ={"CHAT_SERVER_SERVER__PORT": "0"})
    assert (done.code, done.output) == (os.EX_CONFIG, "")
    assert "CHAT_SERVER_SERVER__PORT" in done.refusal


@pytest.mark.parametrize("words", [["serve"], ["users", "list"], ["backup"]])
def test_nobody_else_opens_a_database_beside_anothers_log(admin: Admin, backups: Path, words: list[str]) -> None:
    """Without systemd nobody runs checkpoint after a crash, and SQLite would replay the log into the backup."""
    admin.run("backup")
    add_and_crash(admin.database, "acknowledged")
    shutil.copy(backups / "latest.db", admin.database)
    before = {path.name: path.read_bytes() for path in admin.database.parent.glob("chat.db-*")}
    done = admin.run(*words)
    assert done.code == os.EX_NOINPUT
    assert "run chat-server checkpoint, which moves the log aside" in done.errors
    assert {path.name: path.read_bytes() for path in admin.database.parent.glob("chat.db-*")} == before
    assert admin.run("checkpoint").code == os.EX_NOINPUT
    assert admin.run("users", "list").code == 0
