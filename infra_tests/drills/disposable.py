"""A host that may be broken: how it was before the drills is remembered, and after each drill it is so again."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path

from infra_tests.shell import Shell
from tests.client import Client

EXECUTABLE = "/opt/chat-server/chat-server"
CONFIG = "/opt/chat-server/config.toml"
UNIT = "chat-server"
PORT = 8080
HEALTH_SECONDS = 30
PING = "net.ipv4.ping_group_range='0 2147483647'"
"""Everybody may ping: so every Debian has it but the smallest, such as the rig's."""

KEEP = Path(__file__).with_name("keep.sh")
KEEP_THERE = "/usr/local/lib/drill-keep.sh"


def wait_for(what: str, condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Returns when the condition holds. Raises AssertionError, which names it, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds} s: {what}"
        time.sleep(0.1)


def overwrite(file: str, *, page: int | str, pages: int = 1) -> str:
    """A line for bash that spoils pages of a database, numbered from 0.

    Not with random bytes: once in a hundred times those look like a page in some order.
    """
    ones = r"tr '\0' '\377' </dev/zero"
    return f"{ones} | dd of={file} bs=4096 seek={page} count={pages} iflag=fullblock conv=notrunc status=none"


class Disposable:
    """The service on a host that may be broken."""

    def __init__(self, shell: Shell) -> None:
        """Remembers how the host is, drills' clients being exempt from limits of rate."""
        self.shell = shell
        self._touched = False
        shell.root(f"sysctl -qw {PING}")
        self._exempt()
        self.wait_until_healthy()
        shell.root(f"install -m 755 /dev/stdin {KEEP_THERE}", given=KEEP.read_text())
        shell.root(f"{KEEP_THERE} remember")

    def client(self, port: int = PORT) -> Client:
        """A REST client that comes over the network, from the machine that runs the tests."""
        return Client(self.shell.address, port)

    @property
    def socket_url(self) -> str:
        """Where WebSockets are opened, over the network."""
        return f"ws://{self.shell.address}:{PORT}/socket"

    def _exempt(self) -> None:
        """A conversation goes on in most drills, faster than people write."""
        source = self.shell.types("echo $SSH_CONNECTION").out.split()[0]
        if f'exempt_networks = ["{source}' not in self.shell.root(f"cat {CONFIG}"):
            self.configure("rate_limit", "exempt_networks", f'["{source}"]')
            self.shell.root(f"systemctl restart {UNIT}")

    def configure(self, section: str, key: str, value: str) -> None:
        """Sets a key as an admin's editor would, without telling the service; `value` is TOML."""
        self._touched = True
        script = (
            "import re, sys; from pathlib import Path; section, key, value, name = sys.argv[1:]; path = Path(name)\n"
            "text = path.read_text(); head = f'[{section}]\\n'; text += '' if head in text else f'\\n{head}'\n"
            "before, after = text.split(head, 1); own, cut, rest = after.partition('\\n[')\n"
            "own, count = re.subn(rf'(?m)^#? *{key} *=.*$', lambda _: f'{key} = {value}', own, count=1)\n"
            "own += '' if count else f'\\n{key} = {value}\\n'\n"
            "path.write_text(before + head + own + cut + rest)"
        )
        self.shell.root(shlex.join(["python3", "-c", script, section, key, value, CONFIG]))

    def shows(self, name: str) -> str:
        """What systemd says of the unit: `shows("ActiveState")`."""
        return self.shell.root(f"systemctl show --value --property {name} {UNIT}").strip()

    def healthy(self) -> bool:
        """Whether the service answers on the host that all is well."""
        asked = self.shell.types(f"curl --silent --max-time 3 http://127.0.0.1:{PORT}/health")
        return asked.code == 0 and json.loads(asked.out)["status"] == "healthy"

    def wait_until_healthy(self, *, seconds: float = HEALTH_SECONDS) -> None:
        """Returns when the service answers, on the host, that all is well."""
        deadline = time.monotonic() + seconds
        while not self.healthy():
            if time.monotonic() > deadline:
                raise AssertionError(f"not healthy after {seconds} s: {self.shows('ActiveState')}")
            time.sleep(0.1)

    def restore(self, pid_before: str) -> None:
        """Makes the host as it was remembered. `pid_before`: the service's main process when the drill began."""
        changed = self.shell.root(f"{KEEP_THERE} restore").splitlines()
        if any(path.startswith(("/etc/ufw", "/etc/default/ufw")) for path in changed):
            self.shell.root("ufw --force reload || ufw --force disable")
        if any(path.startswith("/etc/nginx") for path in changed):
            self.shell.root("systemctl reload-or-restart nginx")
        if any(path.startswith("/etc/systemd") for path in changed):
            self.shell.root("systemctl daemon-reload")
        if changed or self._touched or self.shows("MainPID") != pid_before:
            self.shell.root(f"systemctl reset-failed {UNIT}; systemctl restart {UNIT} || true")
        self._touched = False
        try:
            self.wait_until_healthy()
        except AssertionError:
            self._take_the_backup()
            self.wait_until_healthy()

    def _take_the_backup(self) -> None:
        """What a drill left is no database any more: those that follow need one."""
        self.shell.root(
            f"systemctl stop {UNIT}; {EXECUTABLE} restore --yes /var/backups/chat-server/latest.db;"
            f" systemctl reset-failed {UNIT}; systemctl start {UNIT}"
        )
