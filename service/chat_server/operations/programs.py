"""Programs of the host by which a copy leaves it: bounded in time, in English, without a terminal to ask on."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from chat_server.operations.errors import CopyFailedError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENDS_WITH_US = ("/usr/bin/setpriv", "--pdeathsig", "TERM")
KILL_SECONDS = 10
TIMED_OUT = {124, 137}  # of timeout's: it sufficed to terminate the program, or not


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The first line of what it wrote to standard error; another host may have written it, so nothing but text."""
        line = next(iter(self.err.strip().splitlines()), f"ended with {self.code}")
        return "".join(c if c.isprintable() else "?" for c in line[:200])


def run(
    *command: str,
    package: str,
    given: BinaryIO,
    into: BinaryIO | None = None,
    inherits: Sequence[int] = (),
    seconds: float,
) -> Ended:
    """Runs a program of this Debian package; `given` is its standard input, `into` its output, else it is told.

    It and all it starts end after so many seconds, and when this process ends, however it does; till then they hold
    what they inherit (descriptors). Raises CopyFailedError where it is not installed, or has not ended in time.
    """
    program = shutil.which(command[0], path=PATH)
    if program is None:
        raise CopyFailedError(f"there is no {command[0]} here: apt install {package}")
    with (
        subprocess.Popen(  # noqa: S603  the configuration's words were checked for what these programs take
            [*ENDS_WITH_US, "timeout", f"--kill-after={KILL_SECONDS}", f"{seconds:g}", program, *command[1:]],
            stdin=given,
            stdout=into or subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            pass_fds=inherits,
        ) as process
    ):
        try:
            out, err = process.communicate()
        except KeyboardInterrupt:
            process.terminate()
            raise
    if process.returncode in TIMED_OUT:
        raise CopyFailedError(f"{program} had not ended after {seconds:g} s")
    return Ended(process.returncode, (out or b"").decode(errors="replace"), err.decode(errors="replace"))
