"""A database of each test's own; and properties that hold however busy the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.database.store import Store, open_store

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "chat.db") as opened:
        yield opened
