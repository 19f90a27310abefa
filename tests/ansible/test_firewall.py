"""Which rules of ufw a host gets, and which are taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.ansible.playing import Variables, rendered


@dataclass(frozen=True)
class Case:
    """Variables, the rules that the host has, and what is to be added and removed, in this order."""

    given: Variables = field(default_factory=dict)
    has: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


OFFICE = "192.0.2.0/24"
PROXIED = {"chat_proxy_enabled": True, "chat_proxy_domain": "chat.example.org", "chat_proxy_tls": "selfsigned"}
CASES = {
    "a bare host lets in SSH and the server": Case(added=("allow 22/tcp", "allow 8080/tcp")),
    "with a proxy, the web instead of the server": Case(
        PROXIED, added=("allow 22/tcp", "allow 80/tcp", "allow 443/tcp")
    ),
    "a proxy without TLS has one port": Case(
        {**PROXIED, "chat_proxy_tls": "off"}, added=("allow 22/tcp", "allow 80/tcp")
    ),
    "what is there is not added again": Case(has=("allow 22/tcp", "allow 8080/tcp")),
    "a rule of somebody else's stays": Case(has=("allow 22/tcp", "allow 8080/tcp", "allow 9100/tcp")),
    "unless it is said that none may": Case(
        {"chat_server_firewall_remove_others": True},
        has=("allow 22/tcp", "allow 8080/tcp", "allow 9100/tcp"),
        removed=("allow 9100/tcp",),
    ),
    "once there is a proxy, the server's port is closed": Case(
        PROXIED,
        has=("allow 22/tcp", "allow 80/tcp", "allow 443/tcp", "allow 8080/tcp"),
        removed=("allow 8080/tcp",),
    ),
    "SSH from some networks is not SSH from anywhere": Case(
        {"chat_server_ssh_networks": [OFFICE]},
        has=("allow 22/tcp", "allow OpenSSH", "allow 8080/tcp"),
        added=(f"allow from {OFFICE} to any port 22 proto tcp",),
        removed=("allow 22/tcp", "allow OpenSSH"),
    ),
    "SSH at another port, which stays open where it was": Case(
        {"chat_server_ssh_port": 2222},
        has=("allow 22/tcp", "allow 8080/tcp"),
        added=("allow 2222/tcp",),
    ),
    "the server for some networks only": Case(
        {"chat_server_open_port_networks": [OFFICE]},
        has=("allow 22/tcp", "allow 8080/tcp"),
        added=(f"allow from {OFFICE} to any port 8080 proto tcp",),
        removed=("allow 8080/tcp",),
    ),
    "rules of one's own": Case(
        {"chat_server_firewall_rules": [f"allow from {OFFICE} to any port 9100 proto tcp"]},
        has=("allow 22/tcp", "allow 8080/tcp"),
        added=(f"allow from {OFFICE} to any port 9100 proto tcp",),
    ),
}


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What the role makes of each case."""
    folder = tmp_path_factory.mktemp("firewall")
    template = folder / "rules.j2"
    template.write_text("{{ [__chat_server_firewall_missing, __chat_server_firewall_stale] | to_json }}")
    given = {}
    for name, case in CASES.items():
        seen = {"firewall": {"rules": case.has, "incoming": "DROP", "active": True}}
        given[name] = {**case.given, "__chat_server_look": {"stdout": json.dumps(seen)}}
    return rendered("chat_server", template, given, folder)


@pytest.mark.parametrize("case", CASES)
def test_rules_are_added_and_removed(case: str, decided: Mapping[str, str]) -> None:
    decision = decided[case]
    added, removed = json.loads(decision) if isinstance(decision, str) else decision
    assert (tuple(added), tuple(removed)) == (CASES[case].added, CASES[case].removed)
