"""Other programs write to the database too: an admin's sqlite3, the command line, a backup."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.device import online
from tests.server import Server, running_server

HELD_SECONDS = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as server:
        yield server


def test_messages_wait_while_another_program_holds_the_database(server: Server) -> None:
    ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
    with online(server, ann) as anns, online(server, bob) as bobs:
        anns.say(bob, "before")
        with closing(sqlite3.connect(server.database, isolation_level=None)) as outside:
            outside.execute("BEGIN IMMEDIATE")
            held_at = time.monotonic()
            waiting = [anns.write(bob, f"during {number}") for number in range(10)]
            while time.monotonic() < held_at + HELD_SECONDS:
                anns.sync()  # who talks to the server is answered all the while
                time.sleep(0.1)
            assert len(bobs.messages()) == 1
            outside.execute("COMMIT")
        assert [anns.ack(message_id)["seq"] for message_id in waiting] == list(range(2, 12))
        assert [message["seq"] for message in bobs.wait_for_messages(11)] == list(range(1, 12))


def test_a_session_deleted_by_another_program_loses_its_socket(server: Server) -> None:
    ann = server.client().sign_up("ann")
    with online(server, ann) as anns:
        with closing(sqlite3.connect(server.database)) as outside, outside:
            outside.execute("DELETE FROM sessions WHERE user_id = ?", (ann.user_id,))
        assert anns.wait_closed()[0] == 1000
    assert ann.client.get("/user/me").status == 401
