"""Which rules of ufw a host gets, and which are taken away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.ansible.playing import Variables, json_of, looked, rendered


@dataclass(frozen=True)
class Case:
    """Variables, the rules that the host has, and what is to be added and removed, in this order."""

    given: Variables = field(default_factory=dict)
    has: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


OFFICE = "192.0.2.0/24"
SSH_FROM_OFFICE = f"allow from {OFFICE} to any port 22 proto tcp"
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
    "nor is it however the rule for anywhere is written": Case(
        {"chat_server_ssh_networks": [OFFICE]},
        has=("limit 22/tcp", "limit OpenSSH", "allow SSH comment 'it''s ours'", "allow log 22", SSH_FROM_OFFICE),
        added=("allow 8080/tcp",),
        removed=("limit 22/tcp", "limit OpenSSH", "allow SSH", "allow log 22"),
    ),
    "which other ports and refusals are not": Case(
        {"chat_server_ssh_networks": [OFFICE]},
        has=(SSH_FROM_OFFICE, "allow 8080/tcp", "allow 2222/tcp", "deny 22/tcp", "allow in on eth1 to any port 22"),
    ),
    "a network is the same however it is written": Case(
        {
            "chat_server_ssh_networks": ["192.0.2.5/24", "203.0.113.7/32", "198.51.100.0/255.255.255.0"],
            "chat_server_open_port_networks": ["2001:DB8::7/128", "2001:0db8:1::5/48"],
            "chat_server_firewall_rules": ["allow from 203.0.113.9/32 to 203.0.113.7/32 port 9100 proto tcp"],
            "chat_server_firewall_remove_others": True,
        },
        has=(
            SSH_FROM_OFFICE,
            "allow from 203.0.113.7 to any port 22 proto tcp",
            "allow from 198.51.100.0/24 to any port 22 proto tcp",
            "allow from 2001:db8::7 to any port 8080 proto tcp",
            "allow from 2001:db8:1::5/48 to any port 8080 proto tcp",
            "allow from 203.0.113.9 to 203.0.113.7 port 9100 proto tcp",
        ),
    ),
    "a comment makes no other rule": Case(
        {"chat_server_firewall_remove_others": True},
        has=("allow 22/tcp comment 'for admins'", "allow 8080/tcp", "allow 9100/tcp comment 'mine'"),
        removed=("allow 9100/tcp",),
    ),
    "unless it was asked for": Case(
        {
            "chat_server_firewall_rules": ["allow 9100/tcp comment 'from 192.0.2.5/24'"],
            "chat_server_firewall_remove_others": True,
        },
        has=("allow 22/tcp", "allow 8080/tcp", "allow 9100/tcp"),
        added=("allow 9100/tcp comment 'from 192.0.2.5/24'",),
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
    """What the role makes of each case, once the host has said how ufw writes the rules."""
    folder = tmp_path_factory.mktemp("firewall")
    asked = folder / "asked.j2"
    asked.write_text("{{ __chat_server_asked | to_json }}")
    asking = rendered("chat_server", asked, {name: case.given for name, case in CASES.items()}, folder)
    template = folder / "rules.j2"
    template.write_text("{{ [__chat_server_firewall_missing, __chat_server_firewall_stale] | to_json }}")
    given = {}
    for name, case in CASES.items():
        wanted = looked(json_of(asking[name]))["firewall"]["wanted"]
        seen = {"firewall": {"rules": case.has, "wanted": wanted, "incoming": "DROP", "active": True}}
        given[name] = {**case.given, "__chat_server_look": {"stdout": json.dumps(seen)}}
    return rendered("chat_server", template, given, folder)


@pytest.mark.parametrize("case", CASES)
def test_rules_are_added_and_removed(case: str, decided: Mapping[str, str]) -> None:
    added, removed = json_of(decided[case])
    assert (tuple(added), tuple(removed)) == (CASES[case].added, CASES[case].removed)


@pytest.mark.parametrize(
    ("networks", "client", "shut_out"),
    [
        ([OFFICE], "192.0.2.9", False),
        (["192.0.2.5/24"], "192.0.2.9", False),
        ([OFFICE], "198.51.100.7", True),
        ([OFFICE], "2001:db8::7", True),
        ([OFFICE, "2001:DB8::/32"], "2001:db8::7", False),
        (["fe80::/10"], "fe80::7%eth0", False),
        ([], "198.51.100.7", False),
        ([OFFICE], "127.0.0.1", False),
        ([OFFICE], "UNKNOWN", False),
    ],
)
def test_whoever_would_be_shut_out_is_known_from_how_they_came(
    networks: list[str], client: str, shut_out: bool
) -> None:
    seen = looked({"ssh_networks": networks}, SSH_CONNECTION=f"{client} 50022 203.0.113.7 2222")
    assert (seen["ssh_shut_out"], seen["ssh_port"]) == (client if shut_out else "", 2222)
