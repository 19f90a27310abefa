"""What tests of packages, containers and the rig share: hosts."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from rig.host import Host
from rig.trees import SUITES, ensure_tree

# The first test on a suite may have to wait for its tree.
SECONDS = 900


def pytest_configure() -> None:
    """Nothing here is skipped quietly."""
    if os.geteuid() != 0 or platform.freedesktop_os_release()["ID"] != "debian":
        pytest.exit("system_tests boot real hosts: run them as root, on Debian (make test-system)", returncode=4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on hosts have more time than others, unless they say themselves how much."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))


def fresh_host(suite: str) -> AbstractContextManager[Host]:
    """A host of the suite that nothing was done to, for the length of the block."""
    return Host.boot(suite, ensure_tree(suite))


@pytest.fixture(scope="module", params=SUITES)
def debian_host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A fresh host per module, of each suite in turn."""
    with fresh_host(request.param) as host:
        yield host


@pytest.fixture(scope="module")
def bookworm() -> Iterator[Host]:
    """A fresh Debian 12 host per module."""
    with fresh_host("bookworm") as host:
        yield host


@pytest.fixture(scope="module")
def trixie() -> Iterator[Host]:
    """A fresh Debian 13 host per module."""
    with fresh_host("trixie") as host:
        yield host
