"""What the roles must know of a host, asked once, as one JSON document. It runs on the host, as root, and only reads.

Its argument is `{"packages": [names], "paths": [paths], "rules": [rules], "ssh_networks": [networks]}`: what to look
for, the rules that the firewall is to have, and from where it is to let in SSH.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

CONFIG = Path("/opt/chat-server/config.toml")
SECRET_FILE = Path("/opt/chat-server/jwt-secret")
SECRET_KEYS = {("auth", "jwt_secret"), ("database", "url"), ("alerts", "webhook_url")}
MIB = 2**20


def main() -> None:
    asked = json.loads(sys.argv[1])
    config = configuration()
    client, port = ssh_connection()
    seen = {
        "os": dict(re.findall(r'^(ID|VERSION_ID|VERSION_CODENAME)="?([^"\n]*)', read("/etc/os-release"), re.MULTILINE)),
        "architecture": output("dpkg", "--print-architecture").strip(),
        "free_mb": shutil.disk_usage("/var").free // MIB,
        "clock_synchronized": output("timedatectl", "show", "--property=NTPSynchronized", "--value").strip() == "yes",
        "ssh_port": port,
        "ssh_shut_out": client if is_shut_out(client, asked["ssh_networks"]) else "",
        "packages": installed(asked["packages"]),
        "paths": [path for path in asked["paths"] if Path(path).exists()],
        "socket_active": output("systemctl", "is-active", "chat-server.socket").strip() == "active",
        "swaps": [line.split()[0] for line in read("/proc/swaps").splitlines()[1:]],
        "secrets_in_configuration": secrets_in(config),
        "configuration": without_secrets(config),
        "firewall": {**firewall(), "wanted": [as_ufw_writes(rule) for rule in asked["rules"]]},
    }
    print(json.dumps(seen))  # noqa: T201  it is asked by standard output


def read(path: str) -> str:
    """A file's text; nothing where there is none."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def output(*command: str) -> str:
    """What a program prints, also if it fails, as dpkg-query does for unknown names; nothing where it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  our own words
    except OSError:
        return ""


def configuration() -> dict[str, Any]:
    """The configuration as it is; empty where there is none, or none that can be read."""
    try:
        return tomllib.loads(read(str(CONFIG)))
    except tomllib.TOMLDecodeError:
        return {}


def secrets_in(config: dict[str, Any]) -> list[str]:
    """The keys of secrets that the configuration has, as "auth.jwt_secret"."""
    return sorted(f"{section}.{key}" for section, key in SECRET_KEYS if config.get(section, {}).get(key))


def without_secrets(config: dict[str, Any]) -> dict[str, Any]:
    return {
        section: {key: value for key, value in keys.items() if (section, key) not in SECRET_KEYS}
        for section, keys in config.items()
        if isinstance(keys, dict)
    }


def installed(packages: list[str]) -> dict[str, str]:
    """The versions of those that are installed, by name."""
    shown = output("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status} ${Version}\n", *packages)
    rows = (line.split(maxsplit=2) for line in shown.splitlines())
    return {row[0]: row[2] for row in rows if len(row) == 3 and row[1] == "installed"}


def ssh_connection() -> tuple[str, int | None]:
    """From where, and by which port, whoever runs this came in.

    sudo hides it from the environment, but not from its parents'.
    """
    process = os.getppid()
    while process > 1:
        found = re.search(r"(?:^|\0)SSH_CONNECTION=(\S+) [^\0]* (\d+)(?:\0|$)", read(f"/proc/{process}/environ"))
        if found:
            return found[1], int(found[2])
        parent = re.search(r"^PPid:\s*(\d+)", read(f"/proc/{process}/status"), re.MULTILINE)
        process = int(parent[1]) if parent else 0
    return "", None


def is_shut_out(client: str, networks: list[str]) -> bool:
    """Whether a firewall that lets in these networks, or everybody if there are none, keeps this address out.

    ufw always lets in what comes from the host itself.
    """
    came_from = as_interface(client.partition("%")[0])
    if not networks or not came_from or came_from.ip.is_loopback:
        return False
    allowed = [found.network for network in networks if (found := as_interface(network))]
    return not any(came_from.ip in network for network in allowed)


def as_interface(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    """An address or a network, with the bits of the host that it may have; nothing if it is neither."""
    try:
        return ipaddress.ip_interface(text)
    except ValueError:
        return None


def as_ufw_writes(rule: str) -> str:
    """A rule as `ufw show added` will have it, which is not as it was given: 192.0.2.5/24 becomes 192.0.2.0/24."""
    rule, mark, comment = rule.partition(" comment ")
    rule = re.sub(r"\b(from|to) (\S+)", lambda found: f"{found[1]} {address_as_ufw_writes(found[2])}", rule)
    return rule + mark + comment


def address_as_ufw_writes(text: str) -> str:
    """Without what is the default; ufw leaves the host's bits in networks of IPv6."""
    given = as_interface(text)
    if not given:
        return text
    address = (
        str(given.network.network_address) if given.version == 4 else socket.inet_ntop(socket.AF_INET6, given.packed)
    )
    prefix = given.network.prefixlen
    return address if prefix == given.max_prefixlen else f"{address}/{prefix}"


def firewall() -> dict[str, Any]:
    """`rules` are written as ufw takes them: "allow 22/tcp"."""
    policy = re.search(r'^DEFAULT_INPUT_POLICY="?(\w+)', read("/etc/default/ufw"), re.MULTILINE)
    return {
        "incoming": policy[1] if policy else "",
        "active": output("ufw", "status").startswith("Status: active"),
        "rules": re.findall(r"^ufw (.+)$", output("ufw", "show", "added"), re.MULTILINE),
    }


if __name__ == "__main__":
    main()
