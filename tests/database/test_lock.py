"""One server per database, and none after it: the lock goes with the process, however that ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chat_server.storage.errors import DatabaseInUseError, DatabaseUnusableError
from chat_server.storage.lock import ServerLock

HOLD = """
import sys
from pathlib import Path
from chat_server.storage.lock import ServerLock
lock = ServerLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.readline()
lock.release()
print("released", flush=True)
sys.stdin.readline()
"""


@contextmanager
def another_server(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock until it reads a line, and lives until it reads another."""
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def lock(path: Path) -> Iterator[ServerLock]:
    lock = ServerLock(path)
    yield lock
    lock.release()


def test_a_second_server_is_told_who_has_it(path: Path, lock: ServerLock) -> None:
    with another_server(path) as holder:
        for _ in range(2):
            with pytest.raises(DatabaseInUseError) as refused:
                lock.acquire()
            assert str(refused.value) == (
                f"{path}.lock: another chat-server (process {holder.pid}) uses this database: stop it first"
            )


def test_it_ends_with_a_process_that_is_killed(path: Path, lock: ServerLock) -> None:
    with another_server(path) as holder:
        holder.kill()
        holder.wait(10)
        lock.acquire()


def test_it_ends_when_it_is_released(path: Path, lock: ServerLock) -> None:
    with another_server(path) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "released\n"
        lock.acquire()


def test_a_new_holder_is_named_whoever_had_it_before(path: Path, lock: ServerLock) -> None:
    Path(f"{path}.lock").write_text("12345678901234567890\n")
    with another_server(path) as holder, pytest.raises(DatabaseInUseError, match=rf"\(process {holder.pid}\)"):
        lock.acquire()


def test_another_database_beside_it_is_free(path: Path, lock: ServerLock) -> None:
    with another_server(path.with_name("other.db")):
        lock.acquire()


def test_it_is_closed_to_others_and_leaves_the_database_alone(path: Path, lock: ServerLock) -> None:
    lock.acquire()
    assert lock.path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusableError, match=r"gone/chat\.db\.lock: No such file or directory: the directory"):
        ServerLock(tmp_path / "gone" / "chat.db").acquire()
