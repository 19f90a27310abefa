"""Who has which address: every host on the machine has a number, and what a killed rig left behind is removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from rig.control_groups import remove_group
from rig.locks import RUN, locked
from rig.machine import BUILD, RigError, processes, run

NUMBERS = range(1, 255)
SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A host's number, and what follows from it."""

    number: int
    name: str
    suite: str
    directory: str
    """The host's own folder."""
    keeper: int
    """The process that made the host and takes it down."""
    for_a_person: bool
    """Whether it stays until a person takes it down: `python -m rig up`."""

    @property
    def machine(self) -> str:
        return f"rig-{self.number}"

    @property
    def device(self) -> str:
        """The outer end of the host's cable."""
        return f"ve-{self.machine}"

    @property
    def outer_address(self) -> str:
        return f"10.231.{self.number}.1"

    @property
    def address(self) -> str:
        return f"10.231.{self.number}.2"

    @property
    def mark(self) -> str:
        """An argument by which the processes of the host's container are found again; its init does not mind it."""
        return f"rig={self.directory}"

    @property
    def ssh_config(self) -> str:
        """For `ssh -F`; it knows the host by its name."""
        return f"{self.directory}/ssh_config"

    @property
    def ssh_socket(self) -> Path:
        """Where the open SSH connection is shared; the path of a socket must be short."""
        return RUN / f"{self.machine}.ssh"


@contextmanager
def slot(name: str, suite: str, *, for_a_person: bool = False) -> Iterator[Slot]:
    """A number that no other host on the machine has, and all that the host with that number leaves is removed after.

    Raises RigError when all are taken.
    """
    list_slots()
    with ExitStack() as stack:
        number, file = _free_number(stack)
        taken = Slot(
            number=number,
            name=name,
            suite=suite,
            directory=str(BUILD / "hosts" / f"rig-{number}"),
            keeper=os.getpid(),
            for_a_person=for_a_person,
        )
        _write(file, json.dumps(asdict(taken)))
        try:
            yield taken
        finally:
            sweep(taken)
            _write(file, "")


def _free_number(stack: ExitStack) -> tuple[int, TextIO]:
    for number in NUMBERS:
        try:
            return number, stack.enter_context(locked(_file(number), wait=False))
        except BlockingIOError:
            continue
    raise RigError("no number is left for a further host: see python -m rig list")


def list_slots() -> list[Slot]:
    """The hosts that are up, in the order of their numbers. Removes what is left of those whose keeper was killed."""
    found = []
    for number in NUMBERS:
        if not _file(number).exists():
            continue
        try:
            with locked(_file(number), wait=False) as file:
                if left := file.read():
                    sweep(Slot(**json.loads(left)))
                    _write(file, "")
        except BlockingIOError:
            if told := _file(number).read_text():
                found.append(Slot(**json.loads(told)))
    return found


def wait_until_gone(gone: Slot) -> None:
    """Returns once the host's keeper has let go of it."""
    with locked(_file(gone.number)):
        pass


def sweep(left: Slot) -> None:
    """Ends the host's processes, unmounts its tree and removes its folder, whatever of them is there."""
    end_processes(left)
    directory = Path(left.directory)
    deadline = time.monotonic() + SECONDS
    root = directory / "root"
    while root.is_mount():
        try:
            run("umount", root)
        except RigError:  # busy: the kernel has not let go of the last process's files
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    left.ssh_socket.unlink(missing_ok=True)
    if directory.exists():
        shutil.rmtree(directory)


def end_processes(slot: Slot) -> None:
    """Kills what was started for the host, its own init included; returns when nothing of it runs or is connected."""
    deadline = time.monotonic() + SECONDS
    cable = Path("/sys/class/net") / slot.device
    while (pids := processes(slot.mark, slot.ssh_config)) or cable.exists():
        if time.monotonic() > deadline:
            raise RigError(f"{slot.name} does not end: {pids or cable.name} is left")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    remove_group(slot.machine)


def _file(number: int) -> Path:
    return RUN / f"host-{number}"


def _write(file: TextIO, text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()
