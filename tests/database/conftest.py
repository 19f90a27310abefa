from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database.store import Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "chat.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened
