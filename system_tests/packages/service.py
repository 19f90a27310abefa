"""The packaged service on a host: from inside as systemd sees it, from outside as people do."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from rig.host import Host
from tests.client import Client

EXECUTABLE = "/opt/chat-server/chat-server"
CONFIG = "/opt/chat-server/config.toml"
DATABASE = "/var/lib/chat-server/chat.db"
BACKUPS = "/var/backups/chat-server"
PORT = 8080
START_SECONDS = 20


@dataclass(frozen=True)
class Service:
    """chat-server on one host."""

    host: Host

    @property
    def socket_url(self) -> str:
        return f"ws://{self.host.address}:{PORT}/socket"

    def client(self, token: str = "") -> Client:
        """A REST client that comes over the network."""
        return Client(self.host.address, PORT, token=token)

    def shows(self, name: str) -> str:
        """What systemd says of the unit: `shows("ActiveState")`."""
        return self.host.run(f"systemctl show --value --property {name} chat-server").out.strip()

    @property
    def main_pid(self) -> int:
        """The service's process; 0 when there is none."""
        return int(self.shows("MainPID"))

    def systemctl(self, verb: str) -> None:
        """`systemctl VERB chat-server`; after start, restart and their like it answers.

        However often the tests have started it: systemd's limit is not about them.
        """
        self.host.run(f"systemctl reset-failed chat-server; systemctl {verb} chat-server")

    def command(self, words: str) -> Any:  # noqa: ANN401  as JSON is
        """Runs `chat-server WORDS --json` as root; gives the document it prints."""
        return json.loads(self.host.run(f"{EXECUTABLE} {words} --json").out)

    def wait_for(self, name: str, value: str, *, seconds: float = START_SECONDS) -> None:
        """Waits until a property of the unit has this value."""
        deadline = time.monotonic() + seconds
        while (seen := self.shows(name)) != value:
            assert time.monotonic() < deadline, f"{name} is {seen}, not {value}:\n{self.log()}"
            time.sleep(0.1)

    def log(self, lines: int = 100) -> str:
        """The newest lines of the service's journal."""
        return self.host.journal("chat-server", lines)

    def configure(self, section: str, key: str, value: str) -> None:
        """Sets a key as an admin's editor would: `configure("rate_limit", "enabled", "false")`."""
        self.host.run(f"sed -i '/^\\[{section}\\]/,/^\\[/ s|^#* *{key} = .*|{key} = {value}|' {CONFIG}")
        assert f"{key} = {value}\n" in self.host.run(f"cat {CONFIG}").out
