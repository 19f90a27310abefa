"""Chapters 1 and 4: whether there is a backup that helps."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.admin import Admin
from tests.doctor.patient import ask_one
from tests.server import Server, running_server

DAY_SECONDS = 86_400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as server:
        server.client().sign_up("ann")
        yield server


@pytest.fixture
def latest(server: Server) -> Path:
    """A backup that was just made."""
    assert Admin(server.config, server.database).run("backup").code == 0
    return server.config.parent / "backups" / "latest.db"


def test_a_fresh_server_without_a_backup_is_warned(server: Server) -> None:
    check = ask_one(server.config, "backup-age")
    assert (check.status, "no backup" in check.seen) == ("warning", True)
    assert check.remedy == f"sudo chat-server --config {server.config} backup"


def test_a_server_that_was_never_backed_up_in_days_is_a_failure(server: Server) -> None:
    with closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        database.execute("UPDATE users SET created_at = created_at - 3 * 86400000")
    assert ask_one(server.config, "backup-age").status == "failure"


def test_a_young_backup_is_well(server: Server, latest: Path) -> None:
    assert ask_one(server.config, "backup-age").status == "ok"
    check = ask_one(server.config, "backup-restorable")
    assert (check.status, "users: 1" in check.seen) == ("ok", True)


def test_an_old_backup_is_a_failure_with_its_age(server: Server, latest: Path) -> None:
    three_days_ago = time.time() - 3 * DAY_SECONDS
    os.utime(latest, (three_days_ago, three_days_ago))
    check = ask_one(server.config, "backup-age")
    assert (check.status, "is 72 hours old" in check.seen) == ("failure", True)
    assert check.remedy.splitlines()[0] == f"sudo chat-server --config {server.config} backup"


def test_a_backup_that_was_made_is_well_and_one_that_failed_is_a_failure_with_its_reason(
    server: Server, latest: Path
) -> None:
    assert ask_one(server.config, "backup-attempt").status == "ok"
    server.stop()
    server.database.write_bytes(b"no database" * 1000)
    assert Admin(server.config, server.database).run("backup").code != 0
    check = ask_one(server.config, "backup-attempt")
    assert (check.status, "failed: " in check.seen) == ("failure", True)
    assert "file is not a database" in check.seen


def test_a_damaged_backup_is_a_failure(server: Server, latest: Path) -> None:
    with latest.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 8 * 4096)
    check = ask_one(server.config, "backup-restorable")
    assert (check.status, "damaged" in check.seen) == ("failure", True)


def test_a_backup_that_is_no_database_is_a_failure(server: Server, latest: Path) -> None:
    latest.write_text("not found")
    assert ask_one(server.config, "backup-restorable").status == "failure"


def test_looking_at_a_backup_leaves_nothing_beside_it(server: Server, latest: Path) -> None:
    before = sorted(file.name for file in latest.parent.iterdir())
    ask_one(server.config, "backup-restorable")
    assert sorted(file.name for file in latest.parent.iterdir()) == before
