"""What `make run` and `make test` stand on: the interpreter, the development configuration, the exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat_server.configuration import load

ROOT = Path(__file__).parents[2]
GIT = shutil.which("git") or ""


def program(directory: Path, name: str, script: str) -> None:
    file = directory / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def python_that_says(version: str, *, lacks: str = "") -> str:
    """A script that answers as an interpreter of this version would, without the modules it lacks."""
    return f"""case "$*" in
    *version_info*) echo {version} ;;
    {"".join(f'*"import {module}"*) exit 1 ;; ' for module in lacks.split())}
    "-m venv"*) echo "made by {version}: $*" ;;
    esac"""


class TestMakeVenv:
    """scripts/make-venv on machines that have other programs than this one."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A PATH of its own, with git."""
        (tmp_path / "git").symlink_to(GIT)
        return tmp_path

    def run(self, path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / "make-venv", path / "venv"],
            env={"PATH": str(path), **environ},
            capture_output=True,
            text=True,
            check=False,
        )

    def refusal(self, path: Path) -> str:
        done = self.run(path)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        return done.stderr

    def test_the_newest_python_that_fits_is_taken(self, path: Path) -> None:
        program(path, "python3.12", python_that_says("3.12"))
        program(path, "python3.11", python_that_says("3.11"))
        program(path, "python3", python_that_says("3.11"))
        assert self.run(path).stdout == f"made by 3.12: -m venv --clear {path}/venv\n"

    def test_one_that_does_not_start_is_passed_over(self, path: Path) -> None:
        program(path, "python3.13", "echo 'python3.13: command not found' >&2; exit 127")
        program(path, "python3", python_that_says("3.11"))
        done = self.run(path)
        assert done.stdout.startswith("made by 3.11")
        assert done.stderr == ""

    def test_one_that_cannot_make_a_venv_is_passed_over(self, path: Path) -> None:
        program(path, "python3.13", python_that_says("3.13", lacks="ensurepip"))
        program(path, "python3", python_that_says("3.11"))
        assert self.run(path).stdout.startswith("made by 3.11")

    def test_a_named_interpreter_is_the_only_one_tried(self, path: Path) -> None:
        program(path, "python3", python_that_says("3.11"))
        program(path, "mine", python_that_says("3.12"))
        assert self.run(path, PYTHON="mine").stdout.startswith("made by 3.12")
        assert self.run(path, PYTHON="absent").returncode == 1

    def test_without_python_one_line_says_how_to_install_it(self, path: Path) -> None:
        assert self.refusal(path) == (
            "chat-server: Python 3.11, 3.12 or 3.13 is missing (no python3 on the PATH); "
            "install it: apt install python3 python3-venv\n"
        )

    @pytest.mark.parametrize("version", ["3.9", "3.10", "3.14"])
    def test_a_python_that_is_too_old_or_too_new_is_named(self, path: Path, version: str) -> None:
        program(path, "python3", python_that_says(version))
        assert f"is missing (python3 is {version}); install it: apt install python3" in self.refusal(path)

    def test_a_python_without_venv_is_named_with_the_package_that_has_it(self, path: Path) -> None:
        program(path, "python3", python_that_says("3.11", lacks="ensurepip"))
        assert self.refusal(path) == (
            "chat-server: Python's venv is missing (python3 lacks ensurepip); install it: apt install python3-venv\n"
        )

    def test_without_git_one_line_says_how_to_install_it(self, path: Path) -> None:
        (path / "git").unlink()
        assert self.refusal(path) == "chat-server: git is missing; install it: apt install git\n"


class TestDevelopmentConfiguration:
    @staticmethod
    def written(file: Path) -> Path:
        subprocess.run([ROOT / "scripts" / "write-development-config", sys.executable, file], check=True)
        return file

    def test_the_server_accepts_it_and_listens_on_localhost_only(self, tmp_path: Path) -> None:
        config = load(self.written(tmp_path / "run" / "config.toml"), {})
        assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)

    def test_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        file = self.written(tmp_path / "run" / "config.toml")
        assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)

    def test_each_has_a_secret_of_its_own(self, tmp_path: Path) -> None:
        secrets = {load(self.written(tmp_path / name), {}).auth.jwt_secret for name in ("one", "two")}
        assert len(secrets) == 2


class TestContinuousIntegration:
    """.ci/run beside a Makefile whose parts fail or not."""

    @staticmethod
    def run(directory: Path, makefile: str) -> subprocess.CompletedProcess[str]:
        shutil.copytree(ROOT / ".ci", directory / ".ci")
        (directory / "Makefile").write_text(makefile)
        # Without this run's MAKEFLAGS and MAKELEVEL: it is no part of `make test`, which runs this test.
        environ = {"PATH": os.environ["PATH"]}
        return subprocess.run(
            [directory / ".ci" / "run"], cwd="/", env=environ, capture_output=True, text=True, check=False
        )

    def test_it_runs_the_tests_and_then_the_systems_tests(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "test:\n\t@echo first\ntest-system:\n\t@echo second\n")
        assert (done.returncode, done.stdout) == (0, "first\nsecond\n")

    def test_without_a_system_part_the_tests_are_all(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "test:\n\t@echo first\n")
        assert (done.returncode, done.stdout) == (0, "first\n")

    @pytest.mark.parametrize(("test", "system"), [("false", "true"), ("true", "false")])
    def test_it_fails_when_either_fails(self, tmp_path: Path, test: str, system: str) -> None:
        assert self.run(tmp_path, f"test:\n\t@{test}\ntest-system:\n\t@{system}\n").returncode != 0
