"""The figures, while the server is down."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest

from chat_server.configuration import load
from chat_server.operations.opening import writing
from chat_server.operations.stats import DAY_MS, HOUR_MS, stats
from chat_server.storage.models import Conversation, Message, Session, User
from tests.commands.admin import Admin

MINUTE_MS = 60_000


def add_messages(admin: Admin, *, ages_ms: list[int]) -> None:
    """Two people with one conversation, the oldest message first; a third person is deleted."""
    now = time.time_ns() // 1_000_000
    with writing(load(admin.config, {}).database):
        for name in ("a", "b", "c"):
            User.create(id=name, username=name, created_at=now, deleted_at=now if name == "c" else None)
        Conversation.create(
            id="conv-1", user1_id="a", user2_id="b", created_at=now, last_seq=len(ages_ms), last_message_at=now
        )
        for seq, age in enumerate(ages_ms, start=1):
            created_at = now - age
            Message.create(
                conversation_id="conv-1", seq=seq, client_id=f"{seq}", sender_id="a", content="x", created_at=created_at
            )


def test_messages_are_counted_in_all_and_by_age(admin: Admin) -> None:
    add_messages(admin, ages_ms=[3 * DAY_MS, 2 * DAY_MS, DAY_MS - MINUTE_MS, 2 * HOUR_MS, HOUR_MS - MINUTE_MS, 0])
    figures = admin.run("stats", "--json").json
    assert {name: count for name, count in figures.items() if name.startswith(("messages", "conv"))} == {
        "conversations": 1,
        "messages": 6,
        "messagesLastHour": 2,
        "messagesLastDay": 4,
    }
    assert (figures["users"], figures["deletedUsers"], figures["server"]) == (2, 1, None)


def test_the_messages_need_not_be_read(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    add_messages(admin, ages_ms=[HOUR_MS] * 1000)
    config = load(admin.config, {})
    with caplog.at_level(logging.DEBUG, logger="peewee"):
        assert stats(config, now=time.time_ns() // 1_000_000).messages == 1000
    queries: list[Any] = [record.msg for record in caplog.records if record.name == "peewee"]
    on_messages = [query for query in queries if '"messages"' in query[0]]
    assert 10 < len(on_messages) < 40
    with closing(sqlite3.connect(admin.database)) as connection:
        plans = [row[3] for sql, bound in on_messages for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bound)]
    assert [plan for plan in plans if not plan.startswith("SEARCH")] == []


def test_only_sessions_that_have_not_idled_out_count(admin: Admin) -> None:
    now = time.time_ns() // 1_000_000
    with writing(load(admin.config, {}).database):
        User.create(id="a", username="a", created_at=now)
        for used_at in (now, now - 29 * DAY_MS, now - 31 * DAY_MS):
            Session.create(
                id=f"sess-{used_at}",
                user_id="a",
                token_id="",
                rotated_at=0,
                created_at=0,
                last_used_at=used_at,
                address="",
                agent="",
            )
    assert admin.run("stats", "--json").json["sessions"] == 2


def test_the_files_and_the_last_backup_are_looked_at(admin: Admin) -> None:
    backup = admin.config.parent / "backups" / "latest.db"
    assert admin.run("stats", "--json").json["lastBackupAt"] is None
    backup.parent.mkdir()
    backup.write_bytes(b"")
    os.utime(backup, (1_760_000_000, 1_760_000_000))
    figures = admin.run("stats", "--json").json
    assert figures["lastBackupAt"] == 1_760_000_000_000
    assert figures["databaseBytes"] == admin.database.stat().st_size
    assert (figures["databasePath"], figures["walBytes"], figures["schemaVersion"]) == (str(admin.database), 0, 1)


def test_a_person_reads_a_line_per_figure(admin: Admin) -> None:
    done = admin.run("stats")
    lines = dict(line.split("  ", 1) for line in done.output.splitlines())
    assert lines["last backup"].strip() == "-"
    assert lines["database"].strip() == "0.1 MiB"
    assert done.errors.startswith("no server answers at http://127.0.0.1:")
