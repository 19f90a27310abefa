"""The playbooks, played on one host as its owner plays them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLAYBOOKS = ROOT / "ansible"
DOMAIN = "chat.example.test"

EXPECTED = "firewall: {allowed: [22, 80, 443, 8080]}\nlistening: [22, 80, 443, 8080]\n"
"""In what the rig's hosts are not as expectations.yaml has it: tests reach the service itself, too."""

Variables = Mapping[str, object]


@dataclass(frozen=True)
class Played:
    """What a playbook came to."""

    code: int
    text: str

    @property
    def changed(self) -> int:
        """How many tasks changed something. Raises ValueError where it did not get so far as to say."""
        found = re.findall(r"^\S+ +: ok=\d+ +changed=(\d+)", self.text, re.MULTILINE)
        if not found:
            raise ValueError(f"no recap:\n{self.text}")
        return sum(map(int, found))


def variables(deb: Path, exempt: str) -> dict[str, object]:
    """What the rig's hosts are provisioned with; `exempt` is the address that the tests come from."""
    return {
        "chat_server_deb": str(deb),
        "chat_server_open_port": True,
        "chat_server_health_seconds": 20,
        "chat_server_exempt_networks": [exempt],
        "chat_proxy_enabled": True,
        "chat_proxy_domain": DOMAIN,
        "chat_proxy_tls": "selfsigned",
    }


def name_line(address: str) -> str:
    """A command that has the host know where its public name leads: there is no DNS for it."""
    return f"grep -q ' {DOMAIN}$' /etc/hosts || echo '{address} {DOMAIN}' >>/etc/hosts"


def write_inventory(file: Path, name: str, ssh_config: str, given: Variables) -> None:
    """An inventory with one chat server, reached as the SSH configuration says."""
    host = {"ansible_ssh_common_args": f"-F {ssh_config}", **given}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"chat_servers": {"hosts": {name: host}}}, indent=1) + "\n")


def command(playbook: str, inventory: Path, *options: str, extra: Variables | None = None) -> list[str]:
    """What plays ansible/`playbook`; `extra` are variables that go over the inventory's."""
    program = Path(sys.executable).with_name("ansible-playbook")
    given = ["--extra-vars", json.dumps(extra)] if extra else []
    return [str(program), "--inventory", str(inventory), *options, *given, str(PLAYBOOKS / playbook)]


def environment() -> dict[str, str]:
    """What the playbooks are played with: plain text, and the connection that the SSH configuration shares."""
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_SSH_ARGS": "",
    }


def play(playbook: str, inventory: Path, *options: str, extra: Variables | None = None) -> Played:
    """Plays it to its end; what comes of it is told, not judged."""
    line: Sequence[str] = command(playbook, inventory, *options, extra=extra)
    done = subprocess.run(
        line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), check=False
    )
    return Played(done.returncode, done.stdout)
