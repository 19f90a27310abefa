"""A guest as a container with an init of its own: switched on and off, and the cable to it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from rig.control_groups import in_group
from rig.machine import RigError, environment, run
from rig.slots import Slot, end_processes

CABLE_SECONDS = 20
SHUTDOWN_SECONDS = 120

# Guests have the unified control groups of today's Debian, whatever this machine has.
UNIFIED = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}


class Container:
    """A root file system that is booted by systemd-nspawn."""

    def __init__(self, slot: Slot, root: Path, log: Path) -> None:
        """`log` gets what the guest writes to its console."""
        self._slot = slot
        self.root = root
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def power_on(self) -> None:
        """Starts the guest and plugs the cable in. Raises RigError with the console's last lines where that fails."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                in_group(self._slot.machine, self._command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**environment(), **UNIFIED},
                start_new_session=True,  # a Ctrl-C is for the tests
            )
        device = Path("/sys/class/net") / self._slot.device
        deadline = time.monotonic() + CABLE_SECONDS
        while not device.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RigError(f"{self._slot.name} does not boot:\n{self.console()}")
            time.sleep(0.01)
        run("ip", "address", "add", f"{self._slot.outer_address}/24", "dev", self._slot.device)
        run("ip", "link", "set", self._slot.device, "up")

    def _command(self) -> list[str]:
        return [
            "systemd-nspawn",
            "--quiet",
            "--settings=no",
            "--register=no",
            "--keep-unit",
            "--boot",
            "--network-veth",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--kill-signal=SIGRTMIN+4",
            f"--directory={self.root}",
            f"--machine={self._slot.machine}",
            f"--hostname={self._slot.name}",
            self._slot.mark,
        ]

    def power_off(self, *, hard: bool) -> None:
        """Shuts the guest down, or pulls its plug; returns when nothing of it runs."""
        if self._process is None:
            return
        if hard:
            end_processes(self._slot)
        else:
            self._process.terminate()
        self.wait_until_off()

    def wait_until_off(self) -> None:
        """Returns when the guest has switched itself off, or reboots: systemd-nspawn ends at both."""
        if self._process is None:
            return
        try:
            self._process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            raise RigError(f"{self._slot.name} does not shut down:\n{self.console()}") from None
        self._process = None
        end_processes(self._slot)  # the kernel unplugs the cable a moment later

    def console(self, lines: int = 30) -> str:
        """The last lines of the guest's console."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])
