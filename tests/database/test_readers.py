"""Reads run beside the hub, see one moment, and can change nothing."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import gevent
import pytest
from peewee import OperationalError

from chat_server.storage.models import User
from chat_server.storage.readers import Readers
from tests.database.store import PATIENCE_SECONDS, Store, let_the_hub_run, open_store


class NoSuchPersonError(Exception):
    pass


def count_users() -> int:
    return int(User.select().count())


def fail() -> None:
    raise NoSuchPersonError("user-zoe")


class Gate:
    """A query that stops half-way until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def query(self) -> tuple[int, int]:
        before = count_users()
        self.entered.set()
        assert self.opened.wait(PATIENCE_SECONDS)
        return before, count_users()

    def wait_until_entered(self) -> None:
        with gevent.Timeout(PATIENCE_SECONDS):
            while not self.entered.is_set():
                let_the_hub_run(0.001)


def start(readers: Readers, gate: Gate) -> gevent.Greenlet[..., tuple[int, int]]:
    """The gate's query, begun."""
    reading = gevent.spawn(readers.run, gate.query)
    gate.wait_until_entered()
    return reading


def test_a_query_gets_its_arguments_and_gives_its_result(store: Store) -> None:
    assert store.readers.run(User.get_by_id, "user-ann").username == "ann"
    assert store.readers.run(sorted, "bca", reverse=True) == ["c", "b", "a"]


def test_a_query_can_change_nothing(store: Store) -> None:
    for write in (User.delete().execute, User.update(username="x").execute):
        with pytest.raises(OperationalError, match="readonly database"):
            store.readers.run(write)
    with pytest.raises(OperationalError, match="readonly database"):
        store.readers.run(User.create, id="user-zoe", username="zoe", created_at=1)
    assert store.readers.run(count_users) == 3


def test_a_query_sees_one_moment_while_others_write(store: Store) -> None:
    gate = Gate()
    reading = start(store.readers, gate)
    store.sign_up("user-zoe")
    gate.opened.set()
    assert reading.get(timeout=PATIENCE_SECONDS) == (3, 3)
    assert store.readers.run(count_users) == 4


def test_reads_go_on_beside_one_another_and_the_hub(store: Store) -> None:
    gate = Gate()
    reading = start(store.readers, gate)
    assert store.readers.run(count_users) == 3
    assert not reading.ready()
    gate.opened.set()
    assert reading.get(timeout=PATIENCE_SECONDS) == (3, 3)


def test_all_that_are_waited_for_are_counted(store: Store) -> None:
    gate = Gate()
    reads = [gevent.spawn(store.readers.run, gate.query) for _ in range(20)]
    gate.wait_until_entered()
    assert store.readers.waiting == 20
    gate.opened.set()
    gevent.joinall(reads, timeout=PATIENCE_SECONDS, raise_error=True)
    assert store.readers.waiting == 0


def test_an_exception_comes_back_and_is_nobody_elses(store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(5):  # the next reads on the same threads are as good as any
        with pytest.raises(NoSuchPersonError, match="user-zoe"):
            store.readers.run(fail)
        assert store.readers.run(count_users) == 3
    assert capfd.readouterr() == ("", "")


class TestSlowQueries:
    BOUND_MS = 30

    def test_are_logged_with_their_name_and_time(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with open_store(path, slow_query_ms=self.BOUND_MS) as store, caplog.at_level(logging.WARNING):
            store.readers.run(self.dawdle)
        (record,) = caplog.records
        assert (record.levelname, record.msg) == ("WARNING", "slow query")
        assert isinstance(record.args, dict)
        assert str(record.args["query"]).endswith("TestSlowQueries.dawdle")
        assert isinstance(ms := record.args["ms"], int)
        assert self.BOUND_MS <= ms < 1000

    def test_are_logged_when_they_fail_too(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with (
            open_store(path, slow_query_ms=self.BOUND_MS) as store,
            caplog.at_level(logging.WARNING),
            pytest.raises(NoSuchPersonError),
        ):
            store.readers.run(self.dawdle_and_fail)
        assert [record.msg for record in caplog.records] == ["slow query"]

    def test_are_counted(self, store: Store) -> None:
        slow: list[int] = []
        readers = Readers(store.database, threads=1, slow_query_ms=self.BOUND_MS, slow=lambda: slow.append(1))
        readers.run(count_users)
        assert slow == []
        readers.run(self.dawdle)
        assert slow == [1]
        readers.close()

    def test_are_no_others(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            store.readers.run(self.dawdle)
        assert caplog.records == []

    def dawdle(self) -> None:
        time.sleep(self.BOUND_MS * 1.1 / 1000)

    def dawdle_and_fail(self) -> None:
        self.dawdle()
        fail()


def test_closing_waits_for_all_that_was_asked(store: Store) -> None:
    readers = Readers(store.database, threads=2, slow_query_ms=10_000)
    gate = Gate()
    reads = [gevent.spawn(readers.run, gate.query) for _ in range(20)]
    gate.wait_until_entered()
    closing = gevent.spawn(readers.close)
    let_the_hub_run(0.05)
    assert not closing.ready()
    gate.opened.set()
    time.sleep(0.1)  # the threads are done with what they had before the hub can give them more
    closing.get(timeout=PATIENCE_SECONDS)
    assert [reading.get(timeout=PATIENCE_SECONDS) for reading in reads] == [(3, 3)] * 20
