"""Backups while people write: of one moment each, in reach of no kill, and the server does not mind."""

from __future__ import annotations

import random
import select
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.backup.contents import messages
from tests.commands.admin import CHAT_SERVER
from tests.faults.conftest import Report
from tests.faults.correspondent import Correspondent
from tests.server import UNMEASURED, Server, running_server

BULK_MIB = 10
KILLS = 8


def stored(database: Path) -> list[tuple[str, int]]:
    """Every message's id and seq, of a database that is whole."""
    assert messages(database)
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT client_id, seq FROM messages WHERE seq > 0 ORDER BY seq").fetchall()


def grow(database: Path) -> None:
    """So that a backup takes a while."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO users (id, username, created_at) VALUES ('user-z', 'zoe', 1)")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO auth_logs (username, address, succeeded, created_at)"
            " SELECT 'zoe', hex(randomblob(8192)), 1, i FROM n",
            (BULK_MIB * 64,),
        )


class Pair:
    """Two people who write to each other without rest."""

    def __init__(self, server: Server) -> None:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        self.people = [Correspondent(ann, bob, window=8), Correspondent(bob, ann, window=8)]
        for one in self.people:
            one.connect(server.port)

    def write_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._turn()

    def write_beside(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process ends."""
        while process.poll() is None:
            self._turn()

    def _turn(self) -> None:
        lines = {one.line: one for one in self.people if one.line}
        assert len(lines) == len(self.people), "the server cut a connection"
        for line in select.select(lines, [], [], 0.02)[0]:
            lines[line].attend(writing=True)

    @property
    def acknowledged(self) -> set[tuple[str, int]]:
        return {sent for one in self.people for sent in one.acknowledged.items()}


@pytest.mark.timeout(180)
def test_backups_of_a_busy_server_hold_one_moment_each_and_kills_spoil_none(tmp_path: Path, report: Report) -> None:
    chance = random.Random(7)
    latest = tmp_path / "backups" / "latest.db"
    with running_server(tmp_path, environ=UNMEASURED, rate_limit={"enabled": False}) as server:
        grow(server.database)
        pair = Pair(server)
        command = [CHAT_SERVER, "--config", str(server.config), "backup"]

        def begin() -> subprocess.Popen[bytes]:
            return subprocess.Popen(command, stdout=subprocess.DEVNULL)

        pair.write_for(0.5)
        before = pair.acknowledged
        began = time.monotonic()
        backup = begin()
        pair.write_beside(backup)
        seconds = time.monotonic() - began
        assert backup.returncode == 0
        meanwhile = len(pair.acknowledged - before)
        held = stored(latest)
        assert before <= set(held)
        assert [seq for _, seq in held] == list(range(1, len(held) + 1))
        assert len(held) < len(pair.acknowledged), "nobody wrote while the copy was made"

        finished = 0
        for _ in range(KILLS):
            killed = begin()
            killer = threading.Timer(chance.uniform(0, 1.2 * seconds), killed.kill)
            killer.start()
            pair.write_beside(killed)
            killer.join()
            finished += killed.returncode == 0
            now_held = stored(latest)
            assert set(held) <= set(now_held)
            held = now_held
    assert pair.acknowledged <= set(stored(server.database))
    report(
        f"a backup of {latest.stat().st_size / 2**20:.0f} MiB in {seconds:.1f} s, {meanwhile} messages acknowledged "
        f"meanwhile; {KILLS - finished} of {KILLS} further ones killed"
    )
