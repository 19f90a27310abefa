"""Hosts: Debian with systemd, an address and SSH, fresh from a tree and gone without a trace."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rig import guest, trees
from rig.apt_cache import apt_cache
from rig.container import Container
from rig.directory_server import serve_directory
from rig.machine import RigError, environment, run
from rig.slots import Slot, slot
from rig.ssh import Connection

SECONDS = 300
JOURNAL_LINES = 20
LOGGED_SECONDS = 20


@dataclass(frozen=True)
class Outcome:
    """How a command on a host ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


class HostError(RigError):
    """A command on a host failed. The message has what it wrote, and the journal's last lines."""


class Host:
    """A host that is up. `Host.boot` makes one."""

    def __init__(self, slot: Slot, container: Container, connection: Connection, stack: ExitStack) -> None:
        """`stack` ends with the host."""
        self.slot = slot
        self.name = slot.name
        self.suite = slot.suite
        self.address = slot.address
        self.ssh_config = Path(slot.ssh_config)
        """For `ssh -F FILE NAME`, and for whatever else speaks SSH."""
        self._container = container
        self._connection = connection
        self._stack = stack

    @classmethod
    @contextmanager
    def boot(cls, name: str, tree: Path, *, for_a_person: bool = False) -> Iterator[Host]:
        """A fresh host on the tree, for the length of the block: booted, at rest, and reachable.

        Its name is a DNS label. What is written on it is gone with it, and so is whatever was started for it.
        Raises RigError.
        """
        with ExitStack() as stack:
            proxy = stack.enter_context(apt_cache())
            stack.enter_context(trees.in_use(tree))
            taken = stack.enter_context(slot(name, tree.name, for_a_person=for_a_person))
            root = _lay_over(tree, Path(taken.directory))
            connection = Connection(taken)
            guest.prepare(root, taken, proxy=proxy, host_key=connection.host_key, authorized_key=connection.public_key)
            container = Container(taken, root, Path(taken.directory) / "console.log")
            stack.callback(connection.close)
            stack.callback(container.power_off, hard=True)
            host = cls(taken, container, connection, stack)
            host.power_on()
            yield host

    def command(self, *command: str, user: str = "root") -> list[str]:
        """What runs the command on the host from here: for subprocess.Popen, where `run` is not enough."""
        line = command[0] if len(command) == 1 else shlex.join(command)
        if user != guest.USER:
            line = shlex.join(["sudo", "--non-interactive", f"--user={user}", "--", "sh", "-c", line])
        return self._connection.command(line)

    def run(
        self,
        *command: str,
        user: str = "root",
        input: str | bytes = "",  # noqa: A002  subprocess names it so
        check: bool = True,
        seconds: float = SECONDS,
    ) -> Outcome:
        """Runs a program with its arguments on the host, or, where there is but one argument, a line for its shell.

        Users other than `deploy`, who logs in, are reached by sudo. Raises HostError if it fails, unless `check` is
        false, and if it takes longer than `seconds`.
        """
        given = input.encode() if isinstance(input, str) else input
        done = self._ended(command, user, given, check=check, seconds=seconds)
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def _ended(
        self, command: tuple[str, ...], user: str, given: bytes, *, check: bool, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            done = subprocess.run(
                self.command(*command, user=user),
                input=given,
                capture_output=True,
                env=environment(),
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HostError(self._told(command, f"has not ended after {seconds} s", "")) from None
        if check and done.returncode:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise HostError(self._told(command, f"failed with {done.returncode}", output))
        return done

    def put(self, local: Path, remote: str, *, mode: int = 0o644) -> None:
        """Copies a file onto the host, to a path there; it belongs to root, and folders on the way are made."""
        self.run("install", "-D", f"--mode={mode:o}", "/dev/stdin", remote, input=local.read_bytes())

    def get(self, remote: str, local: Path) -> None:
        """Copies a file of the host to here. Raises HostError where there is none."""
        local.write_bytes(self._ended(("cat", "--", remote), "root", b"", check=True, seconds=SECONDS).stdout)

    def journal(self, unit: str = "", lines: int = 100) -> str:
        """The last lines of the journal, or of a unit's part of it; of a host that is down, too."""
        chosen = [f"--unit={unit}"] if unit else []
        told = run("chroot", self._container.root, "journalctl", "--no-pager", "--quiet", f"--lines={lines}", *chosen)
        return told.rstrip("\n")

    def wait_until_logged(self, phrase: str, where: str = "", *, seconds: float = LOGGED_SECONDS) -> None:
        """Returns once the journal has the phrase, which some write and others read.

        `where`: words for journalctl, `-u chat-server`. Raises HostError.
        """
        deadline = time.monotonic() + seconds
        while phrase not in (told := self.run(f"journalctl --no-pager --quiet --output=cat {where}").out):
            if time.monotonic() > deadline:
                raise HostError(
                    f"{self.name}: no {phrase!r} in the journal of {where or 'all'} after {seconds} s:\n{told}"
                )
            time.sleep(0.1)

    def serve_directory(self, directory: Path) -> str:
        """Serves a folder of this machine to the host, over HTTP, as long as the host is there; gives the URL."""
        return self._stack.enter_context(serve_directory(directory, self.slot.outer_address))

    def reboot(self) -> None:
        """Restarts the host; returns when it is at rest again."""
        self.run("systemctl", "reboot", check=False)  # the connection may end before the command does
        self._container.wait_until_off()
        self.power_on()

    def power_off(self, *, hard: bool = False) -> None:
        """Shuts the host down; `hard` pulls its plug."""
        self._container.power_off(hard=hard)

    def power_on(self) -> None:
        """Boots the host; returns when it is at rest: its boot is over, whether or not every unit could be started."""
        self._container.power_on()
        try:
            self._connection.open()
        except RigError as failure:
            raise RigError(f"{failure}\n{self._container.console()}") from None
        self.run("systemctl", "is-system-running", "--wait", check=False)

    def leave_as_tree(self, tree: Path) -> None:
        """Shuts the host down, and copies what is on its disk to where there is nothing yet: hosts can be booted on it.

        The copy has no name, identity, user or log of this host. Its folder must be named after the suite.
        """
        self.power_off()
        run("cp", "--archive", f"{self._container.root}/.", tree)
        guest.forget(tree)

    def _told(self, command: tuple[str, ...], how: str, output: str) -> str:
        journal = self.journal(lines=JOURNAL_LINES)
        return f"on {self.name}: {shlex.join(command)} {how}\n{output}\nThe journal's last lines:\n{journal}"


def _lay_over(tree: Path, directory: Path) -> Path:
    """Mounts an empty folder over the tree; gives where the two are seen as one."""
    upper, work, root = (directory / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir(parents=True)
    run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={tree},upperdir={upper},workdir={work}", root)
    return root
