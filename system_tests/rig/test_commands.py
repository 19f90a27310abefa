"""`python -m rig`, by the commands of docs/rig.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UP, LIST, DOWN, TREE = re.findall(r"^```sh\n(.*?)\n```$", (ROOT / "docs/rig.md").read_text(), re.MULTILINE | re.DOTALL)


def run(line: str) -> subprocess.CompletedProcess[str]:
    """Runs a line of shell in the project's folder, with the Python that runs the tests."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    return subprocess.run(["sh", "-c", line], cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_person_boots_a_host_logs_in_and_takes_it_down() -> None:
    up = run(UP)
    assert up.returncode == 0, up.stderr
    try:
        login = re.fullmatch(r"try-it is up at ([\d.]+): (ssh -F \S+ try-it)\n", up.stdout)
        assert login
        assert run(f"{login[2]} sudo hostname").stdout == "try-it\n"
        assert f"try-it\tbookworm\t{login[1]}\trig up\n" in run(LIST).stdout
        again = run(UP)
        assert again.returncode == 1
        assert "is up already" in again.stderr
    finally:
        down = run(DOWN)
    assert (down.returncode, down.stderr) == (0, "")
    assert "try-it" not in run(LIST).stdout


def test_the_tree_of_a_suite_is_told() -> None:
    assert run(TREE).stdout == f"{ROOT / 'build' / 'trees' / 'bookworm'}\n"


def test_there_is_no_host_to_take_down() -> None:
    down = run(DOWN)
    assert down.returncode == 1
    assert "no host try-it" in down.stderr


@pytest.mark.parametrize("command", [UP, LIST, DOWN, TREE])
def test_only_root_may(command: str) -> None:
    done = run(f"unshare --user {shlex.join(['sh', '-c', command])}")
    assert done.returncode == 1
    assert done.stderr == "rig: only root can bootstrap and boot hosts: run it as root, or with sudo\n"


def test_tests_that_need_root_say_so_and_are_not_skipped() -> None:
    done = run("unshare --user python3 -m pytest system_tests/rig")
    assert done.returncode == 4
    assert "run them as root, on Debian" in done.stdout + done.stderr
