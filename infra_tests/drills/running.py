"""A command that goes on while other things are done."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

END_SECONDS = 30
CTRL_C = b"\x03"


class Running:
    """A command that was started on the host, and is read and ended from here."""

    def __init__(self, command: Sequence[str], *, terminal: bool = True) -> None:
        """`terminal`: whether it has one there, in which keys can be pressed."""
        self._terminal = terminal
        self._written = tempfile.TemporaryFile()  # noqa: SIM115  it is closed by `end`
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=self._written, stderr=subprocess.STDOUT, start_new_session=True
        )

    @property
    def text(self) -> str:
        """All that it has written so far."""
        return os.pread(self._written.fileno(), 1 << 24, 0).decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, phrase: str, *, seconds: float = 20) -> str:
        """Returns all that was written once the phrase is in it."""
        deadline = time.monotonic() + seconds
        while phrase not in (text := self.text):
            assert self._process.poll() is None, f"ended without {phrase!r}: {text}"
            assert time.monotonic() < deadline, f"no {phrase!r} after {seconds} s: {text}"
            time.sleep(0.05)
        return text

    def wait(self, *, seconds: float = 60) -> int:
        """Its exit code, once it has ended by itself."""
        return self._process.wait(seconds)

    def press_ctrl_c(self, *, seconds: float = END_SECONDS) -> int:
        """Ends it as a person at the terminal does; gives its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.write(CTRL_C)
        self._process.stdin.flush()
        return self._process.wait(seconds)

    def end(self) -> None:
        """Ends it if it still runs. The host hangs up on what ran in its terminal, and does not mind Ctrl-C."""
        if self._terminal and self._process.poll() is None:
            with suppress(subprocess.TimeoutExpired, BrokenPipeError):
                self.press_ctrl_c()
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(END_SECONDS)
        if self._process.stdin:
            self._process.stdin.close()
        self._written.close()
