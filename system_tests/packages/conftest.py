"""What the packages' tests share: the packages, built once, installed once, and for each module a host of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.host import Host
from rig.trees import SUITES
from system_tests.conftest import fresh_host
from system_tests.packages.archive import ROOT, Archive, key_home
from system_tests.packages.building import NEXT_VERSION, VERSION, build
from system_tests.packages.documents import commands
from system_tests.packages.service import Service
from tests.faults.conftest import Report, pytest_terminal_summary, report

__all__ = ["NEXT_VERSION", "VERSION", "Packages", "Report", "pytest_terminal_summary", "report"]

Packages = Mapping[tuple[str, str], Path]
"""Package files by suite and version."""
Installed = Mapping[str, Path]
"""Trees by suite: hosts on them have this tree's version, installed from a repository that is gone."""
SOURCES = "/etc/apt/sources.list.d/chat-server.sources"


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


@pytest.fixture(scope="session")
def installed(packages: Packages, signing_key: Path) -> Iterator[Installed]:
    """Where the service was installed as docs/apt-repository.md tells an admin to, once for each suite."""
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="installed-") as name:

        def install(suite: str) -> Path:
            tree = Path(name, suite)
            with fresh_host(suite) as host:
                install_as_documented(host, serve(host, Path(name, "served", suite), packages, signing_key))
                host.leave_as_tree(tree)
            return tree

        with ThreadPoolExecutor(len(SUITES)) as pool:
            yield dict(zip(SUITES, pool.map(install, SUITES), strict=True))


@pytest.fixture(scope="module", params=SUITES)
def service(request: pytest.FixtureRequest, installed: Installed) -> Iterator[Service]:
    """The service on a host of each suite in turn, booted for the module: nobody has used it yet."""
    with Host.boot(request.param, installed[request.param]) as host:
        yield Service(host)


@pytest.fixture(scope="module")
def repository(
    service: Service, packages: Packages, signing_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Archive:
    """Where the service's host gets its packages from."""
    return connect(service.host, tmp_path_factory.mktemp("served"), packages, signing_key)


def serve(host: Host, folder: Path, packages: Packages, signing_key: Path) -> Archive:
    """A repository below the folder, with this tree's version, that the host reaches."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = Archive(folder / "debian", url=f"{host.serve_directory(folder)}/debian")
    archive.publish({host.suite: [packages[host.suite, VERSION]]}, key_home=signing_key)
    return archive


def connect(host: Host, folder: Path, packages: Packages, signing_key: Path) -> Archive:
    """The same, for a host on a tree of `installed`, whose apt is told where the repository is now."""
    archive = serve(host, folder, packages, signing_key)
    host.put(archive.directory / f"{host.suite}.sources", SOURCES)
    host.run("apt-get --quiet update")
    return archive


def install_as_documented(host: Host, archive: Archive) -> str:
    """Types what the document says; gives what was printed."""
    [block] = commands("apt-repository.md", "Install from it")
    return host.run(f"set -e\n{block.replace('https://apt.example.org', archive.url)}", user="deploy").out
