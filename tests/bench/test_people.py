"""A database that was filled for a measurement is one that the service might have filled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.people import Crowd, populate
from chat_server.storage.database import prepare

SECRET = "for-a-database-that-nobody-serves"


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "chat.db"


@pytest.fixture
def crowd(database: Path) -> Crowd:
    return populate(database, people=4, long_messages=150, stored=3500, secret=SECRET)


def test_it_holds_what_was_asked_for(database: Path, crowd: Crowd) -> None:
    assert len(crowd.some(4)) == 4
    assert rows(database, "SELECT count(*) FROM messages") == [(3500,)]
    long = "SELECT count(*), min(seq), max(seq) FROM messages WHERE conversation_id = 'conv-reader'"
    assert rows(database, long) == [(150, 1, 150)]
    with pytest.raises(ValueError, match="5 people wanted"):
        crowd.some(5)


def test_every_conversation_counts_its_messages_from_1_without_a_gap(database: Path, crowd: Crowd) -> None:
    wrong = """SELECT c.id FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
        GROUP BY c.id HAVING count(m.seq) != c.last_seq OR coalesce(max(m.seq), 0) != c.last_seq"""
    assert rows(database, wrong) == []
    assert rows(database, "SELECT sum(last_seq) FROM conversations") == [(3500,)]


def test_messages_of_one_conversation_lie_scattered_in_their_order(database: Path, crowd: Crowd) -> None:
    places = [place for (place,) in rows(database, "SELECT id FROM messages WHERE sender_id = 'reader' ORDER BY seq")]
    assert places == sorted(places, key=lambda place: int(str(place)))
    assert int(str(places[-1])) - int(str(places[0])) > 3000


def test_its_schema_is_the_services(tmp_path: Path, database: Path, crowd: Crowd) -> None:
    fresh = tmp_path / "fresh.db"
    prepare(fresh)
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name"
    assert rows(database, schema) == rows(fresh, schema)
    order = "SELECT name FROM sqlite_schema WHERE tbl_name = 'messages' AND type = 'index' ORDER BY rowid"
    assert rows(database, order) == rows(fresh, order)
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert rows(database, "PRAGMA foreign_key_check") == []
