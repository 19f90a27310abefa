"""Locust with our scenarios, as a process of its own, as an admin runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server import UNMEASURED, Server

ROOT = Path(__file__).parents[2]
LOCUST = (sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"))
START_SECONDS = 20
END_SECONDS = 60

# The machine that runs the tests has other things to do: what it is late with is no fault of the server's.
PATIENT = ("--schedule-tolerance-ms", "5000", "--drain-seconds", "10")


@dataclass(frozen=True)
class Finished:
    """A run that is over."""

    code: int
    output: str
    report: dict[str, Any]

    @property
    def summary(self) -> str:
        """From the line that names the host on, without Locust's own tables."""
        return re.split(r"\n(?=\S.* against http)", self.output)[-1]

    def operation(self, name: str) -> dict[str, Any]:
        figures: dict[str, Any] = self.report["operations"][name]
        return figures


@dataclass(frozen=True)
class Generator:
    """A run that is under way."""

    process: subprocess.Popen[bytes]
    directory: Path

    def finish(self, report: str = "report.json") -> Finished:
        """Waits for its end."""
        code = self.process.wait(END_SECONDS)
        file = self.directory / report
        return Finished(code, self.output(), json.loads(file.read_text()) if file.exists() else {})

    def output(self) -> str:
        """What it has said so far."""
        return (self.directory / "output").read_text()

    def wait_until_measuring(self, *, seconds: float = 0.0) -> None:
        """Until all of its users are ready, and have been for so long."""
        self.wait_until_it_says("are ready: measuring")
        time.sleep(seconds)

    def wait_until_it_says(self, text: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while text not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.02)


def start(server: Server, directory: Path, *arguments: str, seconds: int = 2) -> Generator:
    """Starts Locust; accounts and report are in the directory. Of an option given twice the last counts."""
    return start_locust(
        directory,
        *("--headless", "--only-summary", "--host", server.url, "--run-time", f"{seconds}s", *PATIENT),
        *("--accounts", str(directory / "accounts.json"), "--json", str(directory / "report.json")),
        *arguments,
    )


def start_locust(directory: Path, *arguments: str) -> Generator:
    """Starts Locust with just these arguments."""
    directory.mkdir(exist_ok=True)
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(
            [*LOCUST, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **UNMEASURED},
        )
    return Generator(process, directory)


def run(server: Server, directory: Path, *arguments: str, seconds: int = 2) -> Finished:
    """Runs Locust to its end."""
    return start(server, directory, *arguments, seconds=seconds).finish()
