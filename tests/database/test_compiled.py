"""Queries whose SQL is written once find what peewee would find."""

from __future__ import annotations

from peewee import Query

from chat_server.storage.compiled import Compiled
from chat_server.storage.models import User
from tests.database.store import Store

NAMED = Compiled(lambda name, other: User.select(User.id).where((User.username == name) | (User.username == other)))


def test_each_call_has_its_own_values(store: Store) -> None:
    assert store.readers.run(NAMED.rows, "ann", "nobody") == [("user-ann",)]
    assert store.readers.run(NAMED.rows, "nobody", "bob") == [("user-bob",)]


def test_a_value_may_stand_twice_and_among_constants(store: Store) -> None:
    query = Compiled(
        lambda one: User.select(User.username, User.deleted_at).where(
            (User.id == one) | (User.username == "bob"), User.id <= one
        )
    )
    assert store.readers.run(query.rows, "user-ann") == [("ann", None)]
    assert store.readers.run(query.rows, "user-bob") == [("bob", None)]


def test_the_query_is_built_once(store: Store) -> None:
    built = []

    def build(user_id: str) -> Query:
        built.append(user_id)
        return User.select(User.id).where(User.id == user_id)

    query = Compiled(build)
    assert [store.readers.run(query.rows, name) for name in ("user-ann", "user-bob")] == [
        [("user-ann",)],
        [("user-bob",)],
    ]
    assert len(built) == 1
