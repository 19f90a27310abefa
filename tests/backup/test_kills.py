"""kill -9 before each of the calls by which a command changes a disk: what was good stays good."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.backup.contents import add, add_and_crash, messages
from tests.commands.admin import CHAT_SERVER, Admin
from tests.server import UNMEASURED

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: apt install strace")

CHANGES = ("pwrite64", "ftruncate", "fsync", "fdatasync", "rename", "link", "unlink")


def kills(admin: Admin, *words: str, prepare: Callable[[], None] = lambda: None) -> Iterator[str]:
    """Runs the command again and again, after `prepare`; each time it is killed before another of its changes."""
    for change in CHANGES:
        # There are many writes, of which one is like the next.
        times = itertools.count(1) if change != "pwrite64" else (2**power for power in itertools.count())
        for time in times:
            prepare()
            done = subprocess.run(
                [
                    *("strace", "-f", "-qq", "-o", os.devnull, f"--trace={change}"),
                    *("-e", f"inject={change}:signal=KILL:when={time}"),
                    *(CHAT_SERVER, "--config", str(admin.config), *words),
                ],
                env={**os.environ, **UNMEASURED},
                capture_output=True,
                timeout=30,
                check=False,
            )
            assert done.returncode in {0, os.EX_NOINPUT, -signal.SIGKILL}, done.stderr
            if done.returncode != -signal.SIGKILL:
                break
            yield f"{change} {time}"


def starting_with(data: Path) -> Callable[[], None]:
    """What makes the directory again as it is now."""
    start = data.rename(data.with_name("start"))

    def prepare() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(start, data)

    return prepare


def test_a_killed_backup_leaves_only_good_backups_and_the_next_clears_up(admin: Admin, backups: Path) -> None:
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add(admin.database, "two")
    seen = []
    for kill in kills(admin, "backup"):
        seen.append(kill)
        for file in [backups / "latest.db", *backups.glob("chat-*.db")]:
            assert messages(file) in (["one"], ["one", "two"])
    assert {"pwrite64 8", "fsync 2", "rename 1", "rename 2", "link 1"} <= set(seen)
    assert messages(backups / "latest.db") == messages(admin.database) == ["one", "two"]
    assert not list(backups.glob(".unfinished*"))


def test_a_killed_restore_leaves_one_database_or_the_other_whole(admin: Admin, backups: Path) -> None:
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add(admin.database, "two")
    add_and_crash(admin.database, "three")
    data = admin.database.parent
    restored = {}
    for kill in kills(admin, "restore", str(backups / "latest.db"), "--yes", prepare=starting_with(data)):
        found = messages(admin.database)
        restored[kill] = found == ["one"]
        old = next(data.glob("chat.db.replaced-*")) if restored[kill] else admin.database
        assert messages(old) == ["one", "two", "three"]
    assert (restored["link 1"], restored["rename 1"], restored["fsync 2"]) == (False, False, True)
    assert messages(admin.database) == ["one"]


def test_a_killed_restore_of_a_ruined_database_loses_nothing_of_its_log(admin: Admin, backups: Path) -> None:
    add(admin.database, "one")
    assert admin.run("backup").code == 0
    add_and_crash(admin.database, "two")
    admin.database.write_text("ruined")
    log = Path(f"{admin.database}-wal").read_bytes()
    data = admin.database.parent
    for _ in kills(admin, "restore", str(backups / "latest.db"), "--yes", prepare=starting_with(data)):
        assert log in [file.read_bytes() for file in data.glob("chat.db*-wal")]
        assert admin.database.read_bytes() == b"ruined" or messages(admin.database) == ["one"]
    assert messages(admin.database) == ["one"]


def test_a_killed_checkpoint_loses_nothing(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    data = admin.database.parent
    seen = []
    for kill in kills(admin, "checkpoint", prepare=starting_with(data)):
        seen.append(kill)
        assert not list(data.glob("chat.db.unfolded-*"))
        assert messages(admin.database) == ["acknowledged"]
    assert {"pwrite64 1", "fdatasync 1", "unlink 1"} <= set(seen)


def test_a_killed_checkpoint_loses_no_log_that_it_moves_aside(admin: Admin) -> None:
    add_and_crash(admin.database, "acknowledged")
    data = admin.database.parent
    log = Path(f"{admin.database}-wal").read_bytes()
    admin.database.unlink()
    seen = []
    for kill in kills(admin, "checkpoint", prepare=starting_with(data)):
        seen.append(kill)
        assert [file.read_bytes() for file in data.glob("*-wal")] == [log]
    assert {"rename 1", "rename 2"} <= set(seen)
