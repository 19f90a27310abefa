"""The package, built from this tree as `make deb` does."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from system_tests.packages.archive import ROOT

VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
NEXT_VERSION = f"{VERSION}.1"


def build(suite: str, version: str) -> Path:
    """The package file, in dist/SUITE/, where it takes an older one's place."""
    command: list[str | Path] = [
        sys.executable,
        ROOT / "packaging" / "build-deb",
        "--suite",
        suite,
        "--version",
        version,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [package] = (ROOT / "dist" / suite).glob("chat-server_*.deb")
    return package
