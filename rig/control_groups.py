"""A control group for each host, beside the others': the kernel finds by it what belongs together, and is to be killed.

In one group the services of the same name would be one service: who stops theirs would kill everybody's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rig.machine import RigError

SECONDS = 60

ENTER = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def in_group(name: str, command: Sequence[str]) -> list[str]:
    """The command that runs `command` in a group of that name. Raises RigError where this machine has none."""
    group = _path(name)
    group.mkdir(exist_ok=True)
    return ["sh", "-c", ENTER, str(group), *command]


def remove_group(name: str) -> None:
    """Removes the group, and those that were made in it. Raises RigError where something still runs there."""
    deadline = time.monotonic() + SECONDS
    while (group := _path(name)).exists():
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):  # busy, while the last process in it comes to its end
                Path(folder).rmdir()
        time.sleep(0.01)
        if time.monotonic() > deadline:
            raise RigError(f"something still runs in {group}")


def _path(name: str) -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where) / name
    raise RigError("the rig needs the kernel's unified control groups (cgroup2), which are not mounted here")
