"""A restore puts a good backup in the database's place, or changes nothing; what was there is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.backup.contents import add, add_and_crash, damage, messages
from tests.commands.admin import Admin
from tests.server import running_server, write_config


def files(directory: Path) -> dict[str, bytes]:
    """All but the lock's."""
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def backup(admin: Admin, backups: Path) -> Path:
    """A backup that holds a message, `one`; the database has another since, `two`."""
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add(admin.database, "two")
    return backups / "latest.db"


def restore(admin: Admin, file: Path) -> Path:
    """Where it says that what it replaced is."""
    done = admin.run("restore", str(file), "--yes", "--json").json
    assert done["database"] == str(admin.database)
    return Path(done["kept"])


def test_the_database_is_what_the_backup_holds_and_the_one_before_is_kept(admin: Admin, backup: Path) -> None:
    kept = restore(admin, backup)
    assert messages(admin.database) == ["one"]
    assert messages(kept) == ["one", "two"]
    assert kept.name.startswith("chat.db.replaced-2")
    assert set(files(admin.database.parent)) == {"chat.db", kept.name}
    for file in (admin.database, kept):
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_nlink == 1
    assert messages(backup) == ["one"]


def test_what_was_kept_can_be_restored_too(admin: Admin, backup: Path) -> None:
    first = restore(admin, backup)
    second = restore(admin, first)
    assert messages(admin.database) == ["one", "two"]
    assert messages(second) == ["one"]
    assert messages(first) == ["one", "two"]


def test_what_a_crash_left_in_the_log_is_in_what_is_kept_and_not_in_what_is_restored(
    admin: Admin, backup: Path
) -> None:
    add_and_crash(admin.database, "three")
    kept = restore(admin, backup)
    assert set(files(admin.database.parent)) == {"chat.db", kept.name}
    assert messages(admin.database) == ["one"]
    assert messages(kept) == ["one", "two", "three"]


def test_a_ruined_database_is_kept_with_its_log(admin: Admin, backup: Path) -> None:
    add_and_crash(admin.database, "three")
    log = Path(f"{admin.database}-wal").read_bytes()
    admin.database.write_text("ruined")
    kept = restore(admin, backup)
    assert messages(admin.database) == ["one"]
    assert kept.read_text() == "ruined"
    assert Path(f"{kept}-wal").read_bytes() == log
    assert not Path(f"{admin.database}-wal").exists()


def test_a_lost_database_is_restored_and_its_log_does_not_get_into_it(admin: Admin, backup: Path) -> None:
    add_and_crash(admin.database, "three")
    admin.database.unlink()
    done = admin.run("restore", str(backup), "--yes", "--json").json
    assert done["kept"] is None
    assert messages(admin.database) == ["one"]


def test_a_server_starts_on_it(admin: Admin, backup: Path) -> None:
    restore(admin, backup)
    with running_server(admin.config.parent, database={"path": str(admin.database)}) as server:
        server.client().sign_up("eve")
    assert messages(admin.database) == ["one"]


def unreadable(file: Path) -> None:
    file.write_text("this is no database\n" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8192])


def sql(statement: str) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    return spoil


def inconsistent(file: Path) -> None:
    """Every page can be read, and yet an index has another text than the row."""
    add(file, "needleneedle")
    content = bytearray(file.read_bytes())
    place = content.rindex(b"needleneedle")
    content[place : place + 6] = b"NEEDLE"
    file.write_bytes(content)


def missing(file: Path) -> None:
    file.unlink()


def a_directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def still_in_use(file: Path) -> None:
    Path(f"{file}-wal").write_bytes(b"x")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (missing, "there is no such file"),
        (a_directory, "there is no such file"),
        (unreadable, "damaged, or no database: file is not a database"),
        (empty, "an empty database"),
        (cut_short, "damaged"),
        (damage, "damaged"),
        (inconsistent, "damaged: row 2 missing from index idx_messages_client_id"),
        (sql("PRAGMA application_id = 7"), "not chat-server's database"),
        (sql("PRAGMA user_version = 9999"), "written by a newer chat-server (schema 9999"),
        (sql("DROP TABLE messages"), "damaged: there is no table messages"),
        (still_in_use, "a write-ahead log lies beside it"),
    ],
)
def test_a_file_that_is_no_good_backup_is_refused_and_nothing_changes(
    admin: Admin, backup: Path, spoil: Callable[[Path], None], says: str
) -> None:
    file = admin.config.parent / "spoiled.db"
    shutil.copy(backup, file)
    spoil(file)
    before = files(admin.database.parent)
    done = admin.run("restore", str(file), "--yes")
    assert done.code == os.EX_NOINPUT
    assert done.refusal.startswith(f"{file}: ")
    assert says in done.refusal
    assert files(admin.database.parent) == before


def test_a_running_server_keeps_its_database(admin: Admin, backup: Path) -> None:
    with running_server(admin.config.parent, database={"path": str(admin.database)}) as server:
        done = admin.run("restore", str(backup), "--yes")
        assert done.code == 1
        assert f"another chat-server (process {server.process.pid}) uses this database: stop it first" in done.refusal
    assert messages(admin.database) == ["one", "two"]


def test_no_backup_is_being_made_meanwhile(admin: Admin, backup: Path) -> None:
    with (backup.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert admin.run("restore", str(backup), "--yes").code == os.EX_TEMPFAIL
    assert messages(admin.database) == ["one", "two"]


def test_a_database_that_another_program_has_open_is_not_replaced(admin: Admin, backup: Path) -> None:
    """The other would take the new database's log for its own."""
    with closing(sqlite3.connect(admin.database)) as shell:
        shell.execute("SELECT count(*) FROM users").fetchone()
        done = admin.run("restore", str(backup), "--yes")
        assert (done.code, "another program has it open" in done.refusal) == (os.EX_TEMPFAIL, True)
    assert messages(admin.database) == ["one", "two"]


def test_it_shows_what_the_file_holds_and_asks(admin: Admin, backup: Path) -> None:
    asked = admin.at_terminal("restore", str(backup), answers={"? [y/N]": "n"})
    assert "users: 2, conversations: 1, messages: 1" in asked.output
    assert asked.code == 1
    assert messages(admin.database) == ["one", "two"]
    assert admin.run("restore", str(backup)).refusal == "nobody is here to confirm it: add --yes"
    assert admin.at_terminal("restore", str(backup), answers={"? [y/N]": "y"}).code == 0
    assert messages(admin.database) == ["one"]


def test_without_a_directory_of_backups_a_file_can_be_restored(admin: Admin, backup: Path) -> None:
    file = backup.rename(admin.config.parent / "elsewhere.db")
    shutil.rmtree(backup.parent)
    restore(admin, file)
    assert messages(admin.database) == ["one"]
    assert not backup.parent.exists()


def test_where_room_is_missing_nothing_changes(admin: Admin, backup: Path) -> None:
    huge = admin.config.parent / "huge.db"
    shutil.copy(backup, huge)
    os.truncate(huge, 2**42)  # a sparse file
    config = write_config(admin.config.parent, port=1, database={"path": str(admin.database)})
    done = Admin(config, admin.database).run("restore", str(huge), "--yes")
    assert (done.code, "MiB must be free there for a restore" in done.refusal) == (os.EX_TEMPFAIL, True)
    assert messages(admin.database) == ["one", "two"]
