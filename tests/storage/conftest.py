"""What the tests of storage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.store import Pair, Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "chat.db") as opened:
        yield opened


@pytest.fixture
def pair(store: Store) -> Pair:
    return store.introduce()
