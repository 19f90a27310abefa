"""SSH to a guest, by one connection that stays open."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

from rig.guest import USER
from rig.machine import RigError, environment, run
from rig.slots import Slot

LOGIN_SECONDS = 60


class Connection:
    """The keys of a guest and of who logs in, made for it, and the way to log in."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._directory = Path(slot.directory)
        self._master: subprocess.Popen[bytes] | None = None
        self.host_key = self._directory / "host_key"
        self.key = self._directory / "key"
        self.public_key = self._directory / "key.pub"
        for key in (self.host_key, self.key):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", slot.name, "-f", key)
        known_hosts = self._directory / "known_hosts"
        known_hosts.write_text(f"{slot.address} {self.host_key.with_suffix('.pub').read_text()}")
        settings = {
            "HostName": slot.address,
            "User": USER,
            "IdentityFile": self.key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": known_hosts,
            "StrictHostKeyChecking": "yes",
            "ControlPath": slot.ssh_socket,
            "ServerAliveInterval": 5,
            "ConnectTimeout": 10,
            "LogLevel": "ERROR",
        }
        Path(slot.ssh_config).write_text(
            f"Host {slot.name}\n" + "".join(f"    {key} {value}\n" for key, value in settings.items())
        )

    def command(self, line: str) -> list[str]:
        """The command that runs a line in the shell of the guest's user."""
        return ["ssh", "-F", self._slot.ssh_config, self._slot.name, line]

    def open(self) -> None:
        """Returns once the guest lets its user in. Raises RigError if it does not."""
        deadline = time.monotonic() + LOGIN_SECONDS
        while not self._listens() or not self._logs_in():
            if time.monotonic() > deadline:
                raise RigError(f"{self._slot.name} lets nobody in by SSH")
            time.sleep(0.02)

    def close(self) -> None:
        """Ends the connection that stays open."""
        if self._master:
            self._master.terminate()
            self._master.wait()
            self._master = None
        # Who is killed with the guest's own processes leaves it behind, and it would look like a login.
        self._slot.ssh_socket.unlink(missing_ok=True)

    def _listens(self) -> bool:
        try:
            with socket.create_connection((self._slot.address, 22), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _logs_in(self) -> bool:
        """Whether the connection stands. A guest that still boots refuses everybody but root."""
        self.close()
        self._master = subprocess.Popen(
            ["ssh", "-F", self._slot.ssh_config, "-M", "-N", self._slot.name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )
        while self._master.poll() is None:
            if self._slot.ssh_socket.is_socket():
                return True
            time.sleep(0.01)
        return False
