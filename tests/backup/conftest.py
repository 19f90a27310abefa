from __future__ import annotations

from pathlib import Path

import pytest

from chat_server.storage.database import prepare
from tests.backup.contents import begin
from tests.commands.admin import Admin
from tests.server import free_port, write_config


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    """An admin of a server that is down; two people have a conversation without messages."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    database = data / "chat.db"
    prepare(database)
    begin(database)
    config = write_config(tmp_path, port=free_port(), database={"path": str(database)})
    return Admin(config, database)


@pytest.fixture
def backups(admin: Admin) -> Path:
    """The directory of backups, which isn't there yet."""
    return admin.config.parent / "backups"
