"""The package itself, before anybody installs it: what it holds, and that anybody can build the same."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tomllib
from collections import Counter
from collections.abc import Mapping
from email import message_from_string
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rig.trees import SUITES, TREES, in_use, inside
from system_tests.packages.archive import ROOT
from system_tests.packages.building import build
from system_tests.packages.conftest import VERSION, Report

EXPOSURE_AT_MOST = 1.5
LIBRARY = "opt/chat-server/lib"
NOT_FOR_BOTH = {
    # One source serves both suites: written to the policy of the older one.
    "out-of-date-standards-version",
    # It relies on systemd. Trixie's lintian does not ask for this any more, and calls an override of it wrong.
    "package-supports-alternative-init-but-no-init.d-script",
}
"""Tags that one suite's lintian knows or minds and the other's does not, so that no override suits both."""


@pytest.fixture(scope="module", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def package(suite: str, packages: Mapping[tuple[str, str], Path]) -> Path:
    """The package file of this tree's version."""
    return packages[suite, VERSION]


@pytest.fixture(scope="module")
def entries(package: Path) -> Mapping[str, tarfile.TarInfo]:
    """All that it unpacks, by path from the root."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    with TemporaryDirectory() as folder:
        archive = Path(folder, "data.tar")
        archive.write_bytes(data)
        with tarfile.open(archive) as tar:
            return {entry.name.removeprefix("./"): entry for entry in tar}


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What it unpacks, and its maintainer scripts in DEBIAN/."""
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


def field(package: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "--field", package, name], check=True, capture_output=True, text=True
    ).stdout.strip()


def in_tree(suite: str, folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Runs a script in the suite's own Debian, with the folder as /mnt."""
    tree = TREES / f"{suite}-build"
    with in_use(tree):
        command = inside(tree, "sh", "-c", script, binds=[f"{folder}:/mnt"])
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_there_is_exactly_one_package_where_it_is_looked_for(suite: str, package: Path) -> None:
    assert list((ROOT / "dist" / suite).glob("*.deb")) == [package]


def test_its_version_tells_for_which_debian_it_is(suite: str, package: Path) -> None:
    ends = {"bookworm": "+deb12", "trixie": "+deb13"}
    assert field(package, "Version") == VERSION + ends[suite]


def test_it_needs_the_python_of_its_suite(suite: str, package: Path) -> None:
    library = {"bookworm": "libpython3.11", "trixie": "libpython3.13"}
    assert library[suite] in field(package, "Depends")


def test_the_changelog_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = (ROOT / "packaging/debian/changelog").read_text().partition("\n")[0]
    assert newest == f"chat-server ({project}) unstable; urgency=medium"


def test_everything_in_it_is_roots_and_only_root_may_write(entries: Mapping[str, tarfile.TarInfo]) -> None:
    assert {(entry.uname, entry.gname) for entry in entries.values()} == {("root", "root")}
    writable = [name for name, entry in entries.items() if entry.mode & 0o022 and not entry.issym()]
    assert writable == []
    assert [name for name, entry in entries.items() if entry.mode & 0o7000] == []


def test_one_file_in_it_is_executable(entries: Mapping[str, tarfile.TarInfo]) -> None:
    assert [name for name, entry in entries.items() if entry.isfile() and entry.mode & 0o111] == [
        "opt/chat-server/chat-server"
    ]


def test_it_holds_no_configuration_and_nothing_compiled_by_python(entries: Mapping[str, tarfile.TarInfo]) -> None:
    """A configuration holds a secret, which is made on each host; what Python compiles depends on Python's version."""
    assert "opt/chat-server/config.toml" not in entries
    assert [name for name in entries if name.endswith(".pyc") or "__pycache__" in name] == []
    assert [name for name in entries if name.startswith("var/")] == []


def test_dpkg_treats_one_file_as_configuration(unpacked: Path) -> None:
    """When backups are made is the admin's; config.toml is no file of dpkg's."""
    assert (unpacked / "DEBIAN/conffiles").read_text() == "/etc/cron.d/chat-server\n"


def test_the_example_has_no_secret(unpacked: Path) -> None:
    example = tomllib.loads((unpacked / "usr/share/chat-server/config.example.toml").read_text())
    assert (example["auth"]["jwt_secret"], example["auth"]["jwt_secret_file"]) == ("", "")


def test_it_tells_nothing_about_where_it_was_built(unpacked: Path) -> None:
    places = {str(ROOT).encode(), b"/build/chat-server"}
    told = [
        str(file.relative_to(unpacked))
        for file in unpacked.rglob("*")
        if file.is_file() and not file.is_symlink() and any(place in file.read_bytes() for place in places)
    ]
    assert told == []


def test_it_carries_what_the_lock_pins_and_nothing_else(unpacked: Path) -> None:
    pinned = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    metadata = [message_from_string(file.read_text()) for file in unpacked.glob(f"{LIBRARY}/*.dist-info/METADATA")]
    found = [(re.sub(r"[._-]+", "-", each["Name"]).lower(), each["Version"]) for each in metadata]
    assert sorted(found) == sorted(pinned)


def test_it_carries_the_whole_service_its_page_included(unpacked: Path) -> None:
    """What is taken out of the libraries, by name, is not taken out of ours."""

    def files(folder: Path) -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(folder)) for path in found}

    ours = files(ROOT / "service/chat_server")
    assert "web/index.html" in ours
    assert files(unpacked / LIBRARY / "chat_server") == ours


def test_the_copyright_of_each_dependency_is_told() -> None:
    pins = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    told = re.findall(r"\bwheels/([a-z0-9_]+)-\*", (ROOT / "packaging/debian/copyright").read_text())
    assert sorted(told) == sorted(name.replace("-", "_") for name in pins)


def test_two_builds_are_the_same_bytes(suite: str, package: Path) -> None:
    first = hashlib.sha256(package.read_bytes()).hexdigest()
    assert hashlib.sha256(build(suite, VERSION).read_bytes()).hexdigest() == first


def test_lintian_has_nothing_to_say(suite: str, package: Path, report: Report) -> None:
    """Of the sources too. What is overridden is argued for beside the override."""
    judged = in_tree(
        suite, package.parent, "lintian --display-info --pedantic --show-overrides --allow-root /mnt/*.changes"
    )
    assert judged.returncode in {0, 2}, judged.stdout + judged.stderr  # 2: it has found something, overridden or not
    found = re.findall(r"^([EWIPXO]): chat-server(?: source)?: ([\w.-]+)", judged.stdout, re.MULTILINE)
    for (level, tag), times in sorted(Counter(found).items()):
        report(f"lintian, {suite}: {level}: {tag}, {times} times")
    assert {tag for level, tag in found if level != "O"} <= NOT_FOR_BOTH, judged.stdout
    assert ("O", "dir-or-file-in-opt") in found


def test_its_exposure_is_low(suite: str, unpacked: Path, report: Report) -> None:
    (unit,) = (path for path in unpacked.rglob("chat-server.service") if path.is_file())
    judged = in_tree(suite, unit.parent, "systemd-analyze security --offline=true --no-pager /mnt/chat-server.service")
    overall = judged.stdout.strip().splitlines()[-1]
    report(f"{suite}: {overall.lstrip('→ ')}")
    assert float(re.findall(r": ([0-9.]+) ", overall)[0]) <= EXPOSURE_AT_MOST, judged.stdout
