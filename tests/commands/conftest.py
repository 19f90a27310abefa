from __future__ import annotations

from pathlib import Path

import pytest

from chat_server.storage.database import prepare
from tests.commands.admin import Admin
from tests.server import free_port, write_config


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """An admin of a server that is down, with an empty database."""
    database = tmp_path / "chat.db"
    prepare(database)
    return Admin(write_config(tmp_path, port=free_port()), database)
