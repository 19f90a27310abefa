"""Root's commands are done as the user who owns the database, so nothing of root's is left in the service's way."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server.storage.database import prepare
from tests.backup.contents import add, begin, messages
from tests.commands.admin import Admin, Done
from tests.server import UNMEASURED, free_port, write_config

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can act for another user; run as root: make test-system"
)

OWNER, GROUP = 12345, 23456


@pytest.fixture
def admin() -> Iterator[Admin]:
    """Root, on a host where the database belongs to somebody else, and the configuration to root."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        data, backups = home / "data", home / "backups"
        data.mkdir(mode=0o700)
        prepare(data / "chat.db")
        begin(data / "chat.db")
        backups.mkdir(mode=0o700)
        for path in (data, backups, data / "chat.db"):
            os.chown(path, OWNER, GROUP)
        yield Admin(write_config(home, port=free_port(), database={"path": str(data / "chat.db")}), data / "chat.db")


def run(admin: Admin, *words: str) -> Done:
    return admin.run(*words, environ=UNMEASURED)


def owners(directory: Path) -> set[tuple[int, int]]:
    return {(found.st_uid, found.st_gid) for path in (directory, *directory.iterdir()) for found in [path.stat()]}


def test_backups_and_their_directory_belong_to_the_owner(admin: Admin) -> None:
    backups = admin.config.parent / "backups"
    assert run(admin, "backup").code == 0
    assert owners(backups) == owners(admin.database.parent) == {(OWNER, GROUP)}
    shutil.rmtree(backups)
    assert run(admin, "backup").code == 0
    assert owners(backups) == {(OWNER, GROUP)}


def test_a_directory_of_roots_is_refused_in_words(admin: Admin) -> None:
    backups = admin.config.parent / "backups"
    os.chown(backups, 0, 0)
    done = run(admin, "backup")
    assert done.code == os.EX_NOINPUT
    assert str(backups) in done.refusal
    assert "must be there and belong to the user that owns the database" in done.refusal


def test_a_link_that_the_service_has_planted_leads_root_nowhere(admin: Admin) -> None:
    victim = admin.config.parent / "victim"
    victim.write_text("root's")
    (admin.config.parent / "backups" / ".lock").symlink_to(victim)
    Path(f"{admin.database}.lock").symlink_to(victim)
    victim.chmod(0o600)
    assert run(admin, "backup").code == os.EX_NOINPUT
    assert run(admin, "restore", str(admin.config), "--yes").code == os.EX_NOINPUT
    assert victim.read_text() == "root's"


def test_a_file_that_only_root_reads_is_restored_for_the_owner(admin: Admin) -> None:
    add(admin.database, "one")
    run(admin, "backup")
    file = admin.config.parent / "of-root.db"
    shutil.copy(admin.config.parent / "backups" / "latest.db", file)
    file.chmod(0o600)
    add(admin.database, "two")
    assert run(admin, "restore", str(file), "--yes").code == 0
    assert messages(admin.database) == ["one"]
    assert owners(admin.database.parent) == {(OWNER, GROUP)}


def test_what_a_crash_left_is_folded_in_as_the_owner(admin: Admin) -> None:
    Path(f"{admin.database}-wal").touch()
    os.chown(f"{admin.database}-wal", OWNER, GROUP)
    assert run(admin, "checkpoint").code == 0
    assert owners(admin.database.parent) == {(OWNER, GROUP)}
