"""Commands open our database and no other, leave no traces, and wait for their turn."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from chat_server.config import DatabaseSection
from chat_server.operations.opening import reading, writing
from chat_server.storage.errors import DatabaseUnusableError
from chat_server.storage.models import User
from tests.commands.admin import Admin

Opening = Callable[[DatabaseSection], AbstractContextManager[object]]

READS = ["users", "list"]
WRITES = ["invites", "create"]


def missing(database: Path) -> None:
    database.unlink()


def a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


def empty(database: Path) -> None:
    database.write_bytes(b"")


def text(database: Path) -> None:
    database.write_text("this is no database\n" * 100)


def damaged(database: Path) -> None:
    with database.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 4000)


def another_programs(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")


def newer(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 9999")


def without_a_schema(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 0")


def impossible_to_open(database: Path) -> None:
    Path(f"{database}-wal").mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (missing, "there is no database: start the server once"),
        (a_directory, "there is no database"),
        (empty, "empty, or written by an older chat-server (schema 0, this one needs "),
        (text, "file is not a database"),
        (damaged, "malformed"),
        (another_programs, "not chat-server's database: name another in [database] path"),
        (newer, "written by a newer chat-server (schema 9999"),
        (without_a_schema, "written by an older chat-server (schema 0, this one needs "),
        (impossible_to_open, "unable to open database file: see ls -l"),
    ],
)
@pytest.mark.parametrize("opened", [reading, writing])
def test_a_database_that_cannot_be_used_is_left_alone(
    admin: Admin, spoil: Callable[[Path], None], says: str, opened: Opening
) -> None:
    spoil(admin.database)
    before = admin.database.read_bytes() if admin.database.is_file() else None
    files = sorted(admin.database.parent.iterdir())
    with pytest.raises(DatabaseUnusableError) as refused, opened(DatabaseSection(path=str(admin.database))):
        pass
    assert str(refused.value).startswith(f"{admin.database}: ")
    assert says in str(refused.value)
    assert (admin.database.read_bytes() if admin.database.is_file() else None) == before
    assert sorted(admin.database.parent.iterdir()) == files


def test_a_command_without_its_database_fails_in_one_line(admin: Admin) -> None:
    admin.database.unlink()
    for words in (READS, WRITES):
        done = admin.run(*words)
        assert done.code == os.EX_NOINPUT
        assert done.refusal == (
            f"{admin.database}: there is no database: start the server once, or name another in [database] path"
        )


def test_a_directory_that_is_closed_to_the_user_is_told_from_a_missing_database(admin: Admin) -> None:
    user = os.geteuid()
    admin.database.parent.chmod(0)
    os.seteuid(user or 65534)  # root would be let in
    try:
        with (
            pytest.raises(DatabaseUnusableError, match="run this as root or as the server's user"),
            reading(DatabaseSection(path=str(admin.database))),
        ):
            pass
    finally:
        os.seteuid(user)
        admin.database.parent.chmod(0o700)


def test_a_command_leaves_no_files_beside_the_database(admin: Admin) -> None:
    files = sorted(admin.database.parent.iterdir())
    for words in (READS, WRITES):
        assert admin.run(*words).code == 0
        assert sorted(admin.database.parent.iterdir()) == files


def test_a_crashed_servers_last_writes_are_seen_and_kept(admin: Admin) -> None:
    insert = "INSERT INTO users (id, username, created_at) VALUES ('user-1', 'ada', 1)"
    crash = "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); os._exit(0)"
    subprocess.run([sys.executable, "-c", crash, str(admin.database), insert], check=True)
    assert Path(f"{admin.database}-wal").stat().st_size > 0
    for _ in range(2):
        assert [user["username"] for user in admin.run("users", "list", "--json").json["users"]] == ["ada"]


def test_nothing_can_be_changed_while_reading(admin: Admin) -> None:
    with (
        pytest.raises(Exception, match="readonly"),
        reading(DatabaseSection(path=str(admin.database))),
    ):
        User.create(id="user-1", username="ada", created_at=1)


def test_a_command_waits_for_the_database_only_so_long(admin: Admin) -> None:
    patience = {"CHAT_SERVER_DATABASE__BUSY_TIMEOUT_SECONDS": "1"}
    with closing(sqlite3.connect(admin.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        done = admin.run(*WRITES, environ=patience)
        assert done.code == os.EX_TEMPFAIL
        assert "database is locked: try again" in done.refusal
        assert admin.run(*READS, environ=patience).code == 0


def test_a_change_holds_the_database_from_its_first_look(admin: Admin) -> None:
    with (
        closing(sqlite3.connect(admin.database, timeout=0)) as other,
        writing(DatabaseSection(path=str(admin.database))),
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for another user; run as root: make test-system")
@pytest.mark.parametrize("opened", [reading, writing])
def test_files_made_by_root_belong_to_the_databases_owner(admin: Admin, opened: Opening) -> None:
    owner, group = 12345, 23456
    os.chown(admin.database, owner, group)
    with opened(DatabaseSection(path=str(admin.database))):
        assert User.select().count() == 0
        for suffix in ("", "-wal", "-shm"):
            found = Path(f"{admin.database}{suffix}").stat()
            assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (owner, group, 0o600), suffix
