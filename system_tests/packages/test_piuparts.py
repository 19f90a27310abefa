"""piuparts: Debian's own test of installing, upgrading, removing and purging, and of what is left behind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rig.apt_cache import apt_cache
from rig.archive import MAIN, archives, through_cache
from rig.directory_server import serve_directory
from rig.machine import environment, run
from rig.trees import SUITES, ensure_tree, in_use
from system_tests.packages.archive import Archive
from system_tests.packages.building import NEXT_VERSION, VERSION
from system_tests.packages.conftest import Packages, Report


@pytest.fixture(autouse=True, scope="module")
def piuparts() -> None:
    """The program is there."""
    if not shutil.which("piuparts", path=environment()["PATH"]):
        run("apt-get", "--quiet", "update")
        run("apt-get", "--quiet", "--yes", "install", "--no-install-recommends", "piuparts")


@pytest.fixture(scope="module")
def judged(
    packages: Packages, signing_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """What it says of each suite's packages, both at once: each keeps one processor busy for a minute."""

    def judge(suite: str) -> subprocess.CompletedProcess[str]:
        return run_piuparts(suite, packages, signing_key, folders[suite])

    folders = {suite: tmp_path_factory.mktemp(suite) for suite in SUITES}
    with ThreadPoolExecutor(len(SUITES)) as pool:
        return dict(zip(SUITES, pool.map(judge, SUITES), strict=True))


def run_piuparts(suite: str, packages: Packages, signing_key: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a fresh tree: the next version alone, and over this tree's version from the repository."""
    tree, tarball = ensure_tree(suite), folder / "tree.tar.gz"
    with in_use(tree):
        run("tar", "--create", "--use-compress-program=gzip -1", f"--file={tarball}", f"--directory={tree}", ".")
    served = folder / "served"
    served.mkdir()
    with serve_directory(served, "127.0.0.1") as url, apt_cache() as proxy:
        Archive(served / "debian", f"{url}/debian").publish({suite: [packages[suite, VERSION]]}, key_home=signing_key)
        return subprocess.run(
            [
                "piuparts",
                f"--distribution={suite}",
                f"--basetgz={tarball}",
                f"--mirror={through_cache(archives()[MAIN])} main",
                f"--extra-repo=deb [trusted=yes] {url}/debian {suite} main",
                "--no-eatmydata",
                "--ignore-regex=^/?opt/?$",  # base-files makes /opt, but owns it no more than we do
                packages[suite, NEXT_VERSION],
            ],
            env={**environment(), "http_proxy": proxy, "no_proxy": "127.0.0.1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            check=False,
        )


@pytest.mark.parametrize("suite", SUITES)
def test_it_installs_upgrades_and_goes_without_a_trace(
    suite: str, judged: Mapping[str, subprocess.CompletedProcess[str]], report: Report
) -> None:
    lines = judged[suite].stdout.splitlines()
    for line in lines:
        if "PASS:" in line or "FAIL:" in line:
            report(f"piuparts, {suite}: {line.partition(': ')[2]}")
    assert judged[suite].returncode == 0, "\n".join(lines[-60:])
    assert any("PASS: All tests" in line for line in lines)
