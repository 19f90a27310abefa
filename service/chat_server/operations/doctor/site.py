"""What the questions look at: the configuration, and this host through its own programs and files."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chat_server.config import Config

PROGRAM_SECONDS = 10
UNIT = "chat-server.service"
# What systemd says when it starts a service again by itself: it counts from when somebody has started that.
FIRST_RESTART = "Scheduled restart job, restart counter is at 1."
# Administrators' programs are not on everybody's path.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Output:
    """What a program wrote, and its exit code."""

    code: int
    text: str


@dataclass(frozen=True)
class Site:
    """`config` is read without the secret; with mistakes in it, which `config_error` tells, it is what is good of it.

    `secret_error` says what is wrong with the secret alone. `now` is in ms since the epoch.
    """

    config_path: Path
    config: Config
    config_error: str
    secret_error: str
    now: int

    @property
    def is_root(self) -> bool:
        """Whether everything may be read."""
        return os.geteuid() == 0

    @property
    def database(self) -> Path:
        """The database's file, whether it is there or not."""
        return Path(self.config.database.path)

    @cached_property
    def unit(self) -> Mapping[str, str]:
        """What systemd says of the service: ActiveState, SubState, Result, NRestarts, MainPID, …; empty without it.

        Times are `@` and seconds since the epoch.
        """
        shown = run("systemctl", "show", "--timestamp=unix", UNIT)
        if shown is None or shown.code:
            return {}
        facts = dict(line.partition("=")[::2] for line in shown.text.splitlines() if "=" in line)
        return facts if facts.get("LoadState") == "loaded" else {}

    @cached_property
    def journal(self) -> list[str]:
        """The service's own lines of the last hour, the oldest first, message texts alone; empty where none is read."""
        shown = run(
            *("journalctl", "--quiet", f"--unit={UNIT}", "--since=-1h", "--output=cat", "--no-pager", "--lines=20000")
        )
        return shown.text.splitlines() if shown and not shown.code else []

    @property
    def recent(self) -> list[str]:
        """Of `journal`, what is not over: since somebody, and not systemd by itself, last started the service."""
        lines = self.journal
        if self.unit.get("NRestarts", "0") != "0":
            again = (number for number, line in enumerate(lines) if line.endswith(FIRST_RESTART))
            lines = lines[: max(again, default=0)]
        starts = (number for number, line in enumerate(lines) if line.startswith(f"Starting {UNIT}"))
        return self.journal[max(starts, default=0) :]


def run(*command: str, seconds: float = PROGRAM_SECONDS) -> Output | None:
    """Runs a program of the host, in English; None where it is not installed or takes too long."""
    program = shutil.which(command[0], path=PATH)
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603  no stranger's words
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8"},
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError):
        return None
    return Output(done.returncode, done.stdout.decode(errors="replace"))
