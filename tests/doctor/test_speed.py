"""Chapter 5: why a server is slow."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from chat_server.operations.doctor.tables import INDEXES
from tests.device import online
from tests.doctor.patient import ask, ask_one, run_sql
from tests.server import Server, running_server

CONTRACT = {
    "idx_users_username",
    "idx_conversations_user1_id",
    "idx_conversations_user2_id",
    "idx_messages_conversation_id",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as server:
        yield server


def drop(server: Server, *names: str) -> None:
    with closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        for name in names:
            database.execute(f"DROP INDEX {name}")


def test_the_indexes_that_the_guide_expects_are_looked_for() -> None:
    assert set(INDEXES) >= CONTRACT


def test_a_server_at_rest_is_well(server: Server) -> None:
    checks = ask(server.config, "load", "connections", "slow-queries", "indexes", "histories", "size", "server-memory")
    assert {check.status for check in checks.values()} == {"ok"}
    assert "0 messages/s from 0 sockets" in checks["load"].seen


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_a_missing_index_is_named_and_its_remedy_makes_it_beside_the_server(server: Server, name: str) -> None:
    drop(server, name)
    check = ask_one(server.config, "indexes")
    assert (check.status, check.chapter) == ("failure", "5.5 An index is missing")
    assert f"missing in the database: {name}: " in check.seen
    run_sql(check.remedy)
    assert ask_one(server.config, "indexes").status == "ok"
    server.client().sign_up("ann")


def test_all_missing_indexes_are_made_at_once(server: Server) -> None:
    drop(server, *INDEXES)
    run_sql(ask_one(server.config, "indexes").remedy)
    assert ask_one(server.config, "indexes").status == "ok"


def test_an_index_that_histories_do_not_use_is_a_failure(server: Server) -> None:
    with closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        database.execute("DROP INDEX idx_messages_client_id")
        database.execute("CREATE UNIQUE INDEX idx_messages_client_id ON messages (conversation_id, client_id)")
    check = ask_one(server.config, "indexes")
    assert (check.status, "not read by idx_messages_conversation_id" in check.seen) == ("failure", True)
    run_sql(check.remedy)
    assert ask_one(server.config, "indexes").status == "ok"


def test_a_database_beyond_the_configured_size_is_large(tmp_path: Path) -> None:
    with running_server(tmp_path, database={"large_bytes": 50_000}) as server:
        check = ask_one(server.config, "size")
    assert (check.status, check.chapter) == ("warning", "5.6 The database is very large")
    assert "PostgreSQL" in check.remedy


def test_the_longest_history_is_told(server: Server) -> None:
    ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
    with online(server, ann) as anns:
        anns.say(bob, "hello")
    assert "conversations: 1, the longest has messages: 1" in ask_one(server.config, "histories").seen


def test_a_server_that_is_nearly_full_is_warned(tmp_path: Path) -> None:
    with running_server(tmp_path, limits={"max_connections": 5}) as server, ExitStack() as devices:
        ann = server.client().sign_up("ann")
        for _ in range(4):
            devices.enter_context(online(server, ann))
        check = ask_one(server.config, "connections")
    assert (check.status, "4 of 5 sockets" in check.seen) == ("warning", True)


def test_who_floods_is_seen_in_what_is_refused(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"messages_per_minute": 60, "frames_per_minute": 1_000_000}) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        done = threading.Event()

        def flood() -> None:
            """Whoever is closed for it comes again."""
            while not done.is_set():
                with suppress(ConnectionClosed), online(server, ann) as anns:
                    while not done.wait(0.005):
                        anns.write(bob, "flood")

        flooding = threading.Thread(target=flood)
        flooding.start()
        check = ask_one(server.config, "load")
        done.set()
        flooding.join()
    assert (check.status, check.chapter) == ("warning", "5.1 A flood of messages")
    assert "refused for their rate" in check.seen
    assert "sudo ufw prepend deny from ADDRESS" in check.remedy
