from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "scripts" / "write-manual"

WriteManual = Callable[..., Path]


@pytest.fixture(scope="session")
def write_manual(tmp_path_factory: pytest.TempPathFactory) -> WriteManual:
    """Runs scripts/write-manual somewhere, under an environment with these changes; gives the directory."""

    def write(**environ: str) -> Path:
        somewhere = tmp_path_factory.mktemp("manual")
        subprocess.run(
            [sys.executable, PROGRAM, "written"],
            cwd=somewhere,
            env={**os.environ, **environ},
            timeout=30,
            check=True,
        )
        return somewhere / "written"

    return write


@pytest.fixture(scope="session")
def manual(write_manual: WriteManual) -> Path:
    """The directory with the pages and the completions."""
    return write_manual()
