"""The host under test, as somebody who has logged in by SSH has it."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from functools import cached_property

SECONDS = 60


@dataclass(frozen=True)
class Typed:
    """What a command came to: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self.out + self.err


class Shell:
    """A login on the host, as whoever the address names: one who may do everything by sudo, without a password."""

    def __init__(self, destination: str, ssh_config: str = "") -> None:
        """`destination` is `user@host`, or a name that `ssh_config` knows."""
        self._ssh = ["ssh", *(["-F", ssh_config] if ssh_config else []), "-o", "BatchMode=yes"]
        self._destination = destination

    @cached_property
    def address(self) -> str:
        """Where the host is reached over the network."""
        done = subprocess.run([*self._ssh, "-G", self._destination], capture_output=True, text=True, check=True)
        settings = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
        return settings["hostname"]

    @cached_property
    def suite(self) -> str:
        """Debian's name for its release, such as bookworm."""
        return self.root(". /etc/os-release; echo $VERSION_CODENAME").strip()

    def command(self, line: str, *, terminal: bool = False) -> list[str]:
        """What types the line on the host from here: for subprocess.Popen, where `types` is not enough."""
        if terminal:  # whoever has none here passes none of its settings on, such as which key interrupts
            return [*self._ssh, "-tt", self._destination, f"bash -lc {shlex.quote(f'stty sane; {line}')}"]
        return [*self._ssh, self._destination, f"bash -lc {shlex.quote(line)}"]

    def types(self, line: str, *, given: str = "", seconds: float = SECONDS, terminal: bool = False) -> Typed:
        """Types the line in a login shell of the user's; `given` is its standard input. Whatever comes of it is told.

        `terminal`: for programs that want one. Raises AssertionError when it takes longer than `seconds`.
        """
        try:
            done = subprocess.run(
                self.command(line, terminal=terminal),
                input=given.encode(),
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as slow:
            raise AssertionError(f"{line!r} has not ended after {seconds} s: {slow.stdout!r}") from None
        return Typed(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def root(self, line: str, *, given: str = "", seconds: float = SECONDS) -> str:
        """Runs the line as root; gives what it wrote to its standard output. Raises AssertionError where it fails."""
        done = self.types(f"sudo --non-interactive bash -c {shlex.quote(line)}", given=given, seconds=seconds)
        assert done.code == 0, f"{line!r} failed with {done.code}: {done.text}"
        return done.out
