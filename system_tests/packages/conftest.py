"""What the packages' tests share: the packages, built once, and for each module a host that has installed them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.host import Host
from rig.trees import SUITES
from system_tests.packages.archive import Archive, key_home
from system_tests.packages.building import NEXT_VERSION, VERSION, build
from system_tests.packages.documents import commands
from system_tests.packages.service import Service
from tests.faults.conftest import Report, pytest_terminal_summary, report

__all__ = ["NEXT_VERSION", "VERSION", "Packages", "Report", "pytest_terminal_summary", "report"]

Packages = Mapping[tuple[str, str], Path]
"""Package files by suite and version."""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """This tree's version, in dist/ as `make deb` leaves it, and the next one, of the same source; for each suite."""
    aside = tmp_path_factory.mktemp("packages")

    def both(suite: str) -> dict[tuple[str, str], Path]:
        following = Path(shutil.copy(build(suite, NEXT_VERSION), aside))
        return {(suite, NEXT_VERSION): following, (suite, VERSION): build(suite, VERSION)}

    with ThreadPoolExecutor(len(SUITES)) as pool:
        return {key: package for built in pool.map(both, SUITES) for key, package in built.items()}


@pytest.fixture(scope="session")
def signing_key() -> Iterator[Path]:
    """The home of the key that signs the tests' repositories."""
    with key_home("chat-server test archive") as home:
        yield home


@pytest.fixture(scope="module")
def archive(debian_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """A repository that the host reaches; nothing is published in it yet."""
    served = tmp_path_factory.mktemp("served")
    return Archive(served / "debian", url=f"{debian_host.serve_directory(served)}/debian")


@pytest.fixture(scope="module")
def service(debian_host: Host, archive: Archive, packages: Packages, signing_key: Path) -> Service:
    """The service, installed on a fresh host as docs/apt-repository.md tells an admin to."""
    suite = debian_host.suite
    archive.publish({suite: [packages[suite, VERSION]]}, key_home=signing_key)
    install_as_documented(debian_host, archive)
    return Service(debian_host)


def install_as_documented(host: Host, archive: Archive) -> str:
    """Types what the document says; gives what was printed."""
    [block] = commands("apt-repository.md", "Install from it")
    return host.run(f"set -e\n{block.replace('https://apt.example.org', archive.url)}", user="deploy").out
