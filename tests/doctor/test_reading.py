"""Reading the database for a bounded time, in a process of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from chat_server.config import Config, DatabaseSection
from chat_server.operations.doctor.reading import DamageError, Told, bounded, read, read_for
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site
from chat_server.storage.database import prepare

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    prepare(tmp_path / "chat.db")
    config = Config(database=DatabaseSection(path=str(tmp_path / "chat.db")))
    return Site(tmp_path / "config.toml", config, "", "", time.time_ns() // 1_000_000)


def test_all_that_is_told_comes_back_in_its_order() -> None:
    assert bounded(lambda: iter([1, "two", [3, None]]), seconds=5) == Told([1, "two", [3, None]], complete=True)


def test_when_the_time_is_over_what_was_told_until_then_comes_back(site: Site) -> None:
    def begin(connection: sqlite3.Connection) -> Iterator[Any]:
        yield "begun"
        yield from connection.execute(ENDLESS)

    others, began = psutil.Process().children(), time.monotonic()
    assert read_for(site, begin, seconds=1) == Told(["begun"], complete=False)
    assert time.monotonic() - began < 3
    assert psutil.Process().children() == others
    with pytest.raises(CannotLookError, match="not read within 5 s"):
        read(site, begin)


def test_a_crash_is_not_the_callers() -> None:
    def crash() -> Iterator[str]:
        yield "before"
        os.kill(os.getpid(), signal.SIGKILL)

    assert bounded(crash, seconds=5) == Told(["before"], complete=False)


def test_nothing_can_be_written(site: Site) -> None:
    def write(connection: sqlite3.Connection) -> Iterator[Any]:
        yield from connection.execute("DELETE FROM users")

    with pytest.raises(CannotLookError, match="readonly"):
        read(site, write)


def test_damage_is_told_from_what_only_keeps_from_looking(site: Site) -> None:
    site.database.write_bytes(b"no database" * 1000)
    with pytest.raises(DamageError, match="not a database"):
        read(site, lambda connection: connection.execute("SELECT * FROM users"))
    site.database.unlink()
    with pytest.raises(CannotLookError, match="No such file"):
        read(site, lambda connection: connection.execute("SELECT * FROM users"))
