"""A new version changes the schema of an old database: forward, all or nothing, and on a copy first."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chat_server.storage.database import prepare
from chat_server.storage.errors import DatabaseUnusableError
from tests.database.store import file_size_limit

FIRST = (
    "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT, age INTEGER NOT NULL DEFAULT 1 CHECK (age > 0))",
    "CREATE TABLE pets (name TEXT, owner_id INTEGER NOT NULL REFERENCES owners (id))",
    "INSERT INTO owners (id, name) VALUES (7, 'ann')",
    "INSERT INTO pets VALUES ('cat', 7)",
)
SECOND = ("UPDATE owners SET name = name || ' two'", "UPDATE owners SET name = name || ' three'")
THIRD = ("UPDATE owners SET name = name || ' four'",)

UNKNOWN_TABLE = ("UPDATE owners SET name = 'lost'", "UPDATE horses SET name = 'lost'")
NO_SQL = ("DELETE FROM pets", "this is no SQL")
DANGLING = ("DELETE FROM owners",)
CHECK_BROKEN = (
    "PRAGMA ignore_check_constraints = ON",
    "UPDATE owners SET age = -1",
    "PRAGMA ignore_check_constraints = OFF",
)
# Fails on the copy only, which a file name gives away.
NOT_ON_THE_COPY = (
    """INSERT INTO pets SELECT 'dog', CASE WHEN file LIKE '%.rehearsal' THEN NULL ELSE 7 END
       FROM pragma_database_list WHERE name = 'main'""",
)

Statements = tuple[str, ...]


@pytest.fixture
def old(path: Path) -> Path:
    """A database of the first version."""
    assert prepare(path, versions=(FIRST,)) == 0
    return path


def ask(path: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(question).fetchall()


def test_versions_are_applied_once_and_in_order(old: Path) -> None:
    assert prepare(old, versions=(FIRST, SECOND, THIRD)) == 1
    assert prepare(old, versions=(FIRST, SECOND, THIRD)) == 3
    assert ask(old, "SELECT name FROM owners") == [("ann two three four",)]
    assert ask(old, "PRAGMA user_version") == [(3,)]


def test_a_new_database_gets_all_versions_at_once(path: Path) -> None:
    assert prepare(path, versions=(FIRST, SECOND, THIRD)) == 0
    assert ask(path, "SELECT name FROM owners") == [("ann two three four",)]
    assert ask(path, "PRAGMA user_version") == [(3,)]


def test_one_version_after_another_comes_to_the_same(old: Path) -> None:
    assert prepare(old, versions=(FIRST, SECOND)) == 1
    assert prepare(old, versions=(FIRST, SECOND, THIRD)) == 2
    assert ask(old, "SELECT name FROM owners") == [("ann two three four",)]


def test_nothing_is_left_beside_the_database(old: Path) -> None:
    prepare(old, versions=(FIRST, SECOND))
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (UNKNOWN_TABLE, "no such table: horses"),
        (NO_SQL, "syntax error"),
        (DANGLING, "the upgrade of its copy left it inconsistent: report this; nothing was changed"),
        (CHECK_BROKEN, "the upgrade of its copy left it inconsistent: report this; nothing was changed"),
        (NOT_ON_THE_COPY, "NOT NULL constraint failed: pets.owner_id"),
    ],
)
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_migration_that_fails_leaves_the_file_as_it_was(
    old: Path, broken: Statements, says: str, journal_mode: str
) -> None:
    ask(old, f"PRAGMA journal_mode = {journal_mode}")
    before = old.read_bytes()
    with pytest.raises(DatabaseUnusableError) as refused:
        prepare(old, versions=(FIRST, SECOND, broken))
    assert str(refused.value).startswith(f"{old}: ")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert old.read_bytes() == before
    assert list(old.parent.iterdir()) == [old]


def test_a_migration_that_fails_after_its_rehearsal_is_undone(old: Path) -> None:
    not_on_the_original = (
        "UPDATE owners SET name = 'lost'",
        """INSERT INTO pets SELECT 'dog', CASE WHEN file LIKE '%.rehearsal' THEN 7 ELSE NULL END
           FROM pragma_database_list WHERE name = 'main'""",
    )
    with pytest.raises(DatabaseUnusableError, match="NOT NULL constraint failed"):
        prepare(old, versions=(FIRST, SECOND, not_on_the_original))
    assert ask(old, "SELECT name FROM owners") == [("ann",)]
    assert ask(old, "PRAGMA user_version") == [(1,)]


def test_a_version_that_failed_is_tried_again_by_a_better_one(old: Path) -> None:
    with pytest.raises(DatabaseUnusableError):
        prepare(old, versions=(FIRST, UNKNOWN_TABLE))
    assert prepare(old, versions=(FIRST, SECOND)) == 1
    assert ask(old, "SELECT name FROM owners") == [("ann two three",)]


def test_a_table_that_others_refer_to_can_be_made_anew(old: Path) -> None:
    rebuilt = (
        "CREATE TABLE new_owners (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "INSERT INTO new_owners SELECT id, name FROM owners",
        "DROP TABLE owners",
        "ALTER TABLE new_owners RENAME TO owners",
    )
    assert prepare(old, versions=(FIRST, rebuilt)) == 1
    assert ask(old, "SELECT owners.name, pets.name FROM pets JOIN owners ON owners.id = owner_id") == [("ann", "cat")]
    assert ask(old, "PRAGMA foreign_key_check") == []


def test_a_database_of_a_newer_version_is_not_taken_back(old: Path) -> None:
    prepare(old, versions=(FIRST, SECOND))
    before = old.read_bytes()
    with pytest.raises(DatabaseUnusableError, match=r"newer chat-server \(schema 2, this one knows 1\)"):
        prepare(old, versions=(FIRST,))
    assert old.read_bytes() == before


def test_what_a_crash_left_of_a_rehearsal_is_no_obstacle(old: Path) -> None:
    for suffix in (".rehearsal", ".rehearsal-journal"):
        Path(f"{old}{suffix}").write_bytes(b"left over" * 1000)
    assert prepare(old, versions=(FIRST, SECOND)) == 1
    assert ask(old, "SELECT name FROM owners") == [("ann two three",)]
    assert not Path(f"{old}.rehearsal").exists()


def test_a_disk_without_room_for_the_copy_is_named_and_the_copy_removed(path: Path) -> None:
    large = (*FIRST, "CREATE TABLE ballast (content BLOB)", "INSERT INTO ballast VALUES (randomblob(300000))")
    prepare(path, versions=(large,))
    before = path.read_bytes()
    with file_size_limit(100_000), pytest.raises(DatabaseUnusableError) as refused:
        prepare(path, versions=(large, SECOND))
    assert str(refused.value).startswith(f"{path}: disk I/O error: ")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert prepare(path, versions=(large, SECOND)) == 1


def test_what_a_crashed_server_committed_is_upgraded_too(old: Path) -> None:
    with closing(sqlite3.connect(old)) as crashed:
        crashed.execute("UPDATE owners SET name = 'bea'")
        crashed.commit()
        crash = {suffix: Path(f"{old}{suffix}").read_bytes() for suffix in ("", "-wal")}
    for suffix, content in crash.items():
        Path(f"{old}{suffix}").write_bytes(content)
    assert prepare(old, versions=(FIRST, SECOND)) == 1
    assert ask(old, "SELECT name FROM owners") == [("bea two three",)]
