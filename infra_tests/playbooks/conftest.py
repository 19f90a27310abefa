"""What tests of the playbooks have: the host's inventory, and two people who write to each other meanwhile."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from infra_tests.drills.disposable import Disposable
from infra_tests.shell import Shell
from system_tests.packages.conversation import Conversation, conversation

Talking = Callable[[], AbstractContextManager[Conversation]]
"""Two people who have never met write to each other for the length of the block; at its end nothing may be lost."""


@pytest.fixture(scope="session")
def inventory(pytestconfig: pytest.Config) -> Path:
    """The inventory that the host was provisioned with."""
    file: Path | None = pytestconfig.getoption("inventory")
    if file is None:
        pytest.exit(
            "the tests of the playbooks need --inventory=FILE, with this host alone in chat_servers", returncode=4
        )
    return file


@pytest.fixture(scope="session")
def deb(inventory: Path) -> Path:
    """The package that the host was provisioned with."""
    [host] = json.loads(inventory.read_text())["chat_servers"]["hosts"].values()
    return Path(host["chat_server_deb"])


@pytest.fixture(scope="session")
def host(shell: Shell) -> Disposable:
    """The service on the host."""
    return Disposable(shell)


@pytest.fixture
def talking(host: Disposable) -> Talking:
    """Says who talks, and when."""
    number = uuid.uuid4().hex[:8]
    return lambda: conversation(host.client(), f"carl_{number}", f"dora_{number}", window=2, pause_seconds=0.1)
