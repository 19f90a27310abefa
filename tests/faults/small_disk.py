"""A file system of a few megabytes, for tests that fill it up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

# With root's rights, or without, where the kernel lets everybody have namespaces.
WAYS = (
    (("unshare", "--mount"), ("nsenter", "--mount")),
    (("unshare", "--user", "--map-root-user", "--mount"), ("nsenter", "--user", "--mount", "--preserve-credentials")),
)
_MOUNT_AND_HOLD = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec cat'


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `path`, but only for who is started by `enter`."""

    path: Path
    enter: tuple[str, ...]
    """A command that runs what follows it where the disk is."""
    outside: Path
    """Where it is for everybody else."""

    def fill(self) -> None:
        """Leaves no page free."""
        with (self.outside / "filler").open("ab", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))

    def free(self) -> None:
        (self.outside / "filler").unlink()


@contextmanager
def small_disk(path: Path, *, mib: int) -> Iterator[SmallDisk]:
    """An empty disk, which lasts as long as the block. Skips the test where this user may mount none."""
    path.mkdir()
    for unshare, nsenter in WAYS:
        holder = subprocess.Popen(
            [*unshare, "sh", "-c", _MOUNT_AND_HOLD, "sh", f"{mib}m", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with holder:
            assert holder.stdin
            assert holder.stdout
            if holder.stdout.readline() == b"mounted\n":
                enter = (*nsenter, f"--target={holder.pid}")
                yield SmallDisk(path, enter, outside=Path(f"/proc/{holder.pid}/root{path}"))
                return
    pytest.skip("this user may mount no file system of its own: run as root, or allow user namespaces")
