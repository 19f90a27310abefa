"""The packages that hosts are given: this tree's, and what an upgrade may bring."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from rig.machine import RigError, run, say

ROOT = Path(__file__).parents[1]
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
SOURCES = ("config.example.toml", "docs", "packaging", "pyproject.toml", "requirements.lock", "service/chat_server")
GENERATED = "guide-coverage.md"
"""What a run of these tests writes makes no package old."""

LIBRARY = Path("opt/chat-server/lib/chat_server")
NEXT, BROKEN = f"{VERSION}.1", f"{VERSION}.2"


def package(suite: str) -> Path:
    """The suite's package of the version in pyproject.toml, built where dist/ has none that is new enough.

    Raises RigError where it can't be built.
    """
    found = _built(suite)
    if found is None or found.stat().st_mtime < max(file.stat().st_mtime for file in _sources()):
        say(f"building the package for {suite}")
        command = [sys.executable, str(ROOT / "packaging" / "build-deb"), "--suite", suite]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = _built(suite)
        if done.returncode or found is None:
            raise RigError(f"no package for {suite}:\n{done.stdout}{done.stderr}")
    return found


def _built(suite: str) -> Path | None:
    return next((ROOT / "dist" / suite).glob(f"chat-server_{VERSION}+*.deb"), None)


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        for file in [path, *path.rglob("*")]:
            if file.is_file() and file.suffix != ".pyc" and file.name != GENERATED:
                yield file


def next_package(package: Path, folder: Path) -> Path:
    """The package under the next version's number, in the folder."""
    return _repacked(package, folder, NEXT)


def broken_package(package: Path, folder: Path) -> Path:
    """A package of a version still newer, whose server ends as soon as it is started."""
    return _repacked(package, folder, BROKEN, spoilt=True)


def _repacked(package: Path, folder: Path, version: str, *, spoilt: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        tree = Path(work)
        run("dpkg-deb", "--raw-extract", package, tree / "package")
        tree /= "package"
        init = tree / LIBRARY / "__init__.py"
        changed = {init: re.sub(r'(?m)^__version__ = ".*"$', f'__version__ = "{version}"', init.read_text())}
        if spoilt:
            server = tree / LIBRARY / "server.py"
            changed[server] = (
                f'{server.read_text()}\nraise RuntimeError("spoilt, to see what an upgrade does about it")\n'
            )
        sums = tree / "DEBIAN/md5sums"
        for file, text in changed.items():
            file.write_text(text)
            sum_now = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
            line = f"  {file.relative_to(tree)}\n"
            sums.write_text(re.sub(rf"(?m)^\w+{re.escape(line)}", f"{sum_now}{line}", sums.read_text()))
        control = tree / "DEBIAN/control"
        control.write_text(re.sub(rf"(?m)^Version: {re.escape(VERSION)}", f"Version: {version}", control.read_text()))
        made = folder / package.name.replace(VERSION, version, 1)
        run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, made)
    return made
