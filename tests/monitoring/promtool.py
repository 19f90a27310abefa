"""Prometheus' own tool, which knows whether rules are rules and what they would do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FETCHED = Path(__file__).parents[2] / "build" / "tools" / "promtool"
PROGRAM = shutil.which("promtool") or (str(FETCHED) if FETCHED.is_file() else "")

needs_promtool = pytest.mark.skipif(
    not PROGRAM, reason="promtool is missing; scripts/install-test-tools fetches it, or: apt install prometheus"
)


def promtool(*words: str | Path) -> str:
    """Runs it; gives what it says, and fails the test where it is not content."""
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
