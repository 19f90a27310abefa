"""Queries whose SQL is written once.

peewee takes a hundred microseconds to turn a query into SQL, which SQLite then answers in five. That matters where
everybody comes back at once after a restart, and nowhere else: only what runs on every connect, route or page is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peewee import Query, Value

from chat_server.storage.models import database_proxy


class _Slot:
    """Stands in a query for the value that a call gives."""

    def __init__(self, place: int) -> None:
        self.place = place


class Compiled:
    """A query with parameters. `build` gets one expression for each, and uses each where its value is to stand."""

    def __init__(self, build: Callable[..., Query]) -> None:
        self._build = build
        self._sql = ""
        self._parameters: list[Any] = []

    def rows(self, *values: object) -> list[tuple[Any, ...]]:
        """What the query finds with these values, on the calling thread's connection."""
        if not self._sql:
            slots = [Value(_Slot(place), converter=False) for place in range(len(values))]
            sql, self._parameters = self._build(*slots).sql()
            self._sql = sql
        parameters = [values[one.place] if isinstance(one, _Slot) else one for one in self._parameters]
        rows: list[tuple[Any, ...]] = database_proxy.execute_sql(self._sql, parameters).fetchall()
        return rows
