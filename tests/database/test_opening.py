"""Opening a database: a new one is made for the service alone, and a file that is not ours stays as it is."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chat_server.storage.database import connect, prepare
from chat_server.storage.errors import DatabaseUnusableError
from chat_server.storage.migrations import VERSIONS
from chat_server.storage.models import User
from tests.database.store import file_size_limit

NOBODY = 65534


def pragma(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def test_a_new_database_is_marked_as_ours_and_closed_to_others(path: Path) -> None:
    old = os.umask(0)
    try:
        assert prepare(path) == 0
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[68:72] == b"chat"  # application_id (SQLite, "Database File Format", 1.3)
    assert pragma(path, "user_version") == len(VERSIONS)
    assert list(path.parent.iterdir()) == [path]


def test_its_other_files_are_closed_to_others_too(path: Path) -> None:
    prepare(path)
    database = connect(path)
    with closing(database):
        User.create(id="user-ann", username="ann", created_at=1)
        for suffix in ("-wal", "-shm"):
            assert Path(f"{path}{suffix}").stat().st_mode & 0o777 == 0o600


def test_opening_it_again_changes_nothing(path: Path) -> None:
    prepare(path)
    before, changed_at = path.read_bytes(), path.stat().st_mtime_ns
    assert prepare(path) == len(VERSIONS)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, changed_at)


@pytest.mark.parametrize("name", ["a b.db", "what?mode=ro", "#1%20.db", "ü.db"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert prepare(path) == 0
    with closing(connect(path)):
        assert User.select().count() == 0
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch(mode=0o600)
    assert prepare(path) == 0
    assert pragma(path, "user_version") == len(VERSIONS)


def test_every_connection_makes_commits_durable_and_checks_references(path: Path) -> None:
    prepare(path)
    with closing(connect(path)) as database:
        found = {name: database.pragma(name) for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def text(path: Path) -> None:
    path.write_text("Dear Ann, this is not a database.\n" * 200)


def truncated(path: Path) -> None:
    prepare(path)
    os.truncate(path, path.stat().st_size // 2)


def cut_within_its_header(path: Path) -> None:
    prepare(path)
    os.truncate(path, 60)


def another_programs(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE users (name TEXT)")


def another_programs_in_wal_mode(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE users (name TEXT)")


def another_programs_without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")


def newer(path: Path) -> None:
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(VERSIONS) + 1}")


def a_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (text, "file is not a database"),
        (truncated, "restore a backup if it is damaged"),
        (cut_within_its_header, "restore a backup if it is damaged"),
        (another_programs, "not chat-server's database: name another"),
        (another_programs_in_wal_mode, "not chat-server's database: name another"),
        (another_programs_without_tables, "not chat-server's database: name another"),
        (
            newer,
            f"written by a newer chat-server (schema {len(VERSIONS) + 1}, this one knows {len(VERSIONS)})",
        ),
        (a_directory, "Is a directory: check"),
    ],
)
def test_what_is_no_database_of_ours_is_named_and_left_alone(
    path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(DatabaseUnusableError) as refused:
        prepare(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_directory_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusableError, match=r"gone: no such directory: create it"):
        prepare(tmp_path / "gone" / "chat.db")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def a_users_directory() -> Iterator[Path]:
    """One that belongs to whoever `without_root` is."""
    with tempfile.TemporaryDirectory() as directory:
        if os.geteuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
        yield Path(directory)


@contextmanager
def without_root() -> Iterator[None]:
    user = os.geteuid()
    os.seteuid(user or NOBODY)  # root would be let in
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("mode", [0o000, 0o400])
def test_a_file_the_service_may_not_read_or_write_is_refused(mode: int) -> None:
    with a_users_directory() as directory, without_root():
        path = directory / "chat.db"
        prepare(path)
        path.chmod(mode)
        with pytest.raises(DatabaseUnusableError, match=r"chat\.db: Permission denied: check that it"):
            prepare(path)
        assert path.stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_a_directory_the_service_may_not_enter_or_change_is_refused(mode: int) -> None:
    with a_users_directory() as directory, without_root():
        directory.chmod(mode)
        try:
            with pytest.raises(DatabaseUnusableError, match=r"Permission denied: check that it, and the directory"):
                prepare(directory / "chat.db")
        finally:
            directory.chmod(0o700)
        assert list(directory.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1000, 5000, 50_000])
def test_a_full_disk_at_the_first_start_is_named_and_the_next_start_goes_on(path: Path, size: int) -> None:
    with file_size_limit(size), pytest.raises(DatabaseUnusableError) as refused:
        prepare(path)
    assert str(refused.value).startswith(f"{path}: disk I/O error: check ")
    assert prepare(path) == 0
    with closing(connect(path)):
        assert User.select().count() == 0
