"""Somebody reads the database, as an admin with the sqlite3 shell, while the server stops."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.server import running_server


def test_the_log_says_that_the_wal_had_to_stay(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.client().sign_up("ann")
        with closing(sqlite3.connect(server.database, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM users").fetchone()
            assert server.stop() == 0
            assert Path(f"{server.database}-wal").exists()
    line = server.wait_for_log("the WAL could not be folded")
    assert "WARN" in line
