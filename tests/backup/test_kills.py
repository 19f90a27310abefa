"""kill -9 before each of the calls by which a command changes a disk: what was good stays good."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.backup.contents import add, add_and_crash, messages
from tests.commands.admin import CHAT_SERVER, Admin
from tests.server import UNMEASURED

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: apt install strace")

CHANGES = "pwrite64,ftruncate,fsync,fdatasync,utimensat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir"


def killed_before(call: int, admin: Admin, *words: str) -> bool:
    """Runs the command, which is killed before that one of its changes; False where it makes fewer, and is done."""
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "--seccomp-bpf", f"--trace={CHANGES}"),
            *("-e", f"inject={CHANGES}:signal=KILL:when={call}"),
            *(CHAT_SERVER, "--config", str(admin.config), *words),
        ],
        env={**os.environ, **UNMEASURED},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in {0, os.EX_NOINPUT, -9}, done.stderr
    return done.returncode == -9


def test_a_killed_backup_leaves_only_good_backups_and_the_next_clears_up(admin: Admin, backups: Path) -> None:
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add(admin.database, "two")
    calls = 0
    for call in itertools.count(1):
        if not killed_before(call, admin, "backup"):
            break
        calls = call
        assert messages(backups / "latest.db") in (["one"], ["one", "two"])
        for file in backups.glob("chat-*.db"):
            assert messages(file) in (["one"], ["one", "two"])
    assert calls > 20
    assert messages(backups / "latest.db") == ["one", "two"]
    assert not list(backups.glob(".unfinished*"))
    assert messages(admin.database) == ["one", "two"]


@pytest.mark.parametrize("ruined", [False, True], ids=["a good database", "a ruined database"])
def test_a_killed_restore_leaves_one_database_or_the_other_whole(admin: Admin, backups: Path, ruined: bool) -> None:
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add(admin.database, "two")
    add_and_crash(admin.database, "three")
    if ruined:
        admin.database.write_text("ruined")
    log = Path(f"{admin.database}-wal").read_bytes()
    data = admin.database.parent
    start = data.rename(data.with_name("start"))
    states = set()
    for call in itertools.count(1):
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(start, data)
        killed = killed_before(call, admin, "restore", str(backups / "latest.db"), "--yes")
        if ruined:
            assert log in [file.read_bytes() for file in data.glob("chat.db*-wal")]
            restored = admin.database.read_bytes() != b"ruined"
        else:
            found = messages(admin.database)
            restored = found == ["one"]
            old = next(data.glob("chat.db.replaced-*")) if restored else admin.database
            assert messages(old) == ["one", "two", "three"]
        if restored:
            assert messages(admin.database) == ["one"]
        states.add(restored)
        if not killed:
            assert restored
            break
    assert call > 10
    assert states == {False, True}


def test_a_killed_checkpoint_loses_nothing(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    data = admin.database.parent
    start = data.rename(data.with_name("start"))
    for call in itertools.count(1):
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(start, data)
        killed = killed_before(call, admin, "checkpoint")
        assert not list(data.glob("chat.db.unfolded-*"))
        assert messages(admin.database) == ["acknowledged"]
        if not killed:
            break
    assert call > 5


def test_a_killed_checkpoint_loses_no_log_that_it_moves_aside(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    log = Path(f"{admin.database}-wal").read_bytes()
    admin.database.unlink()
    for call in itertools.count(1):
        killed = killed_before(call, admin, "checkpoint")
        assert [file.read_bytes() for file in admin.database.parent.glob("*-wal")] == [log]
        if not killed:
            break
    assert call > 2
