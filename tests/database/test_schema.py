"""The models say what the migrations make: same tables, columns, types, and what may be missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from peewee import Field, IntegerField, TextField

from chat_server.storage.database import prepare
from chat_server.storage.models import TABLES, Table

TYPES = {TextField: "TEXT", IntegerField: "INTEGER"}


@pytest.fixture
def schema(path: Path) -> Iterator[sqlite3.Connection]:
    prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def test_there_is_a_model_for_every_table(schema: sqlite3.Connection) -> None:
    tables = {name for (name,) in schema.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {model._meta.table_name for model in TABLES} == tables


@pytest.mark.parametrize("model", TABLES)
def test_a_model_has_its_tables_columns(schema: sqlite3.Connection, model: type[Table]) -> None:
    fields: list[Field] = model._meta.sorted_fields
    modelled = {field.column_name: (TYPES[type(field)], field.null, field.default) for field in fields}
    stored = {
        name: (declared, not (not_null or key), None if default is None else int(default))
        for _, name, declared, not_null, default, key in schema.execute(f"PRAGMA table_info({model._meta.table_name})")
    }
    assert modelled == stored


@pytest.mark.parametrize("model", TABLES)
def test_a_model_has_its_tables_key(schema: sqlite3.Connection, model: type[Table]) -> None:
    columns = schema.execute(f"PRAGMA table_info({model._meta.table_name})").fetchall()
    stored = sorted((key, name) for _, name, _, _, _, key in columns if key)
    assert [field.column_name for field in model._meta.get_primary_keys()] == [name for _, name in stored]


@pytest.mark.parametrize("model", TABLES)
def test_a_models_columns_compare_as_its_tables(schema: sqlite3.Connection, model: type[Table]) -> None:
    for field in model._meta.sorted_fields:
        # An index compares as its column does, and says how.
        schema.execute(f"CREATE INDEX probe ON {model._meta.table_name} ({field.column_name})")
        stored = schema.execute("SELECT coll FROM pragma_index_xinfo('probe') WHERE key").fetchone()[0]
        schema.execute("DROP INDEX probe")
        assert (field.collation or "BINARY") == stored, field
