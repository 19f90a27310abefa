"""Steps of a long run: each in a log of its own, with a line on the terminal when it begins to matter."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TOLD_LINES = 60
END_SECONDS = 30


class StepError(Exception):
    """A step failed; its text is the end of its log."""


class InterruptedRunError(Exception):
    """Somebody has ended the run; the step was ended with it."""


@dataclass(frozen=True)
class Ended:
    """A step that is over."""

    code: int
    text: str


class Steps:
    """The steps of all hosts: one clock, one terminal, and one end."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._terminal = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._over = threading.Event()

    def say(self, host: str, what: str) -> None:
        """A line on the terminal, with the time since the run began."""
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        with self._terminal:
            print(f"[{minutes:2}:{seconds:02}] {host:<8} {what}", flush=True)

    def run(
        self, host: str, what: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> Ended:
        """Runs a program, its output in the log; gives how it ended. Raises InterruptedRunError."""
        log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for the run, which ends its steps and takes the hosts down.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
            self._processes.add(process)
            try:
                if self._over.is_set():
                    self._end(process)
                code = process.wait()
            finally:
                self._processes.discard(process)
        if self._over.is_set():
            raise InterruptedRunError(what)
        text = log.read_text(errors="replace")
        self.say(host, f"{what}: {_summary(text)} ({time.monotonic() - began:.0f} s)")
        return Ended(code, text)

    def must(
        self, host: str, what: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> str:
        """The same of a program that must succeed; gives its output. Raises StepError, InterruptedRunError."""
        ended = self.run(host, what, command, log, environ)
        if ended.code:
            raise StepError(f"{host}: {what} failed with {ended.code}; {log} ends with:\n{_end_of(ended.text)}")
        return ended.text

    def interrupt(self) -> None:
        """Ends every step that runs, and every one that would begin."""
        self._over.set()
        for process in list(self._processes):
            self._end(process)

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        try:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(END_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _summary(text: str) -> str:
    """What the last line that says something comes to."""
    lines = [line.strip("= ") for line in text.splitlines() if line.strip("= ")]
    return lines[-1] if lines else "done"


def _end_of(text: str) -> str:
    return "\n".join(text.splitlines()[-TOLD_LINES:])
