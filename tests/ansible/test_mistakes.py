"""A mistake in a variable ends a play in words, before the host is even looked at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ansible.playing import PLAYBOOKS, Played, Variables, play

SECRET = "correct-horse-battery-staple-0123456789"
PROXY = {"chat_proxy_enabled": True, "chat_proxy_domain": "chat.example.org", "chat_proxy_tls": "selfsigned"}

MISTAKES: dict[str, tuple[Variables, str]] = {
    # A name for the host that makes the mistake, its variables, and words of what it is told.
    "typo": ({"chat_server_prot": 8081}, "No such variable: chat_server_prot. docs/provisioning.md"),
    "typo-of-proxy": ({"chat_proxy_domian": "chat.example.org"}, "No such variable: chat_proxy_domian."),
    "port": ({"chat_server_port": "eighty"}, "argument 'chat_server_port' is of type str"),
    "port-range": ({"chat_server_port": 80800}, "chat_server_port, chat_server_ssh_port and"),
    "port-of-ssh": ({"chat_server_port": 22}, "chat_server_port is the port of SSH"),
    "level": ({"chat_server_log_level": "loud"}, "must be one of: error, warn, info, debug, trace, got: loud"),
    "registration": ({"chat_server_registration": "maybe"}, "must be one of: open, invite, closed, got: maybe"),
    "switch": ({"chat_server_firewall_enabled": "perhaps"}, "argument 'chat_server_firewall_enabled'"),
    "settings": ({"chat_server_settings": ["limits"]}, "argument 'chat_server_settings' is of type list"),
    "list": (
        {"chat_server_ssh_networks": "192.0.2.0/24"},
        'chat_server_ssh_networks: give a list, such as ["192.0.2.0/24"]',
    ),
    "list-of-proxy": ({"chat_proxy_status_networks": "192.0.2.7"}, "chat_proxy_status_networks: give a list"),
    "network": ({"chat_server_ssh_networks": ["192.0.2.0/24", "office"]}, "chat_server_ssh_networks has office"),
    "everybody": (
        {"chat_server_ssh_networks": ["0.0.0.0/0"]},
        "have a network that is everybody: leave the list empty",
    ),
    "network-of-proxy": ({**PROXY, "chat_proxy_status_networks": ["*"]}, "chat_proxy_status_networks has *"),
    "two-sources": (
        {"chat_server_deb": "x", "chat_server_repository_url": "https://apt.example.org"},
        "Give chat_server_deb or chat_server_repository_url, not both.",
    ),
    "name-of-package": ({"chat_server_deb": "/tmp/chat.deb"}, "keep the name that the package was built with"),
    "no-package": (
        {"chat_server_deb": "/nowhere/chat-server_1.0.0+deb12_amd64.deb"},
        "there is no such file on the control machine",
    ),
    "no-key": (
        {"chat_server_repository_url": "https://apt.example.org"},
        "chat_server_repository_key must be the file of the repository's public key",
    ),
    "short-secret": ({"chat_server_jwt_secret": "hunter2"}, "is shorter than 32 characters"),
    "secret-in-settings": (
        {"chat_server_settings": {"auth": {"jwt_secret": SECRET}}},
        "Give the secret as chat_server_jwt_secret",
    ),
    "memory": ({"chat_server_memory_max": "2 gigabytes"}, 'chat_server_memory_max is "2 gigabytes"'),
    "writable": ({"chat_server_writable_paths": ["srv/chat"]}, "chat_server_writable_paths are absolute paths"),
    "schedule": ({"chat_server_backup_schedule": "at night"}, 'chat_server_backup_schedule is "at night"'),
    "private-key": (
        {"chat_server_backup_encrypt_to": "AGE-SECRET-KEY-1QQQQ"},
        "chat_server_backup_encrypt_to is a private key",
    ),
    "copies": ({"chat_server_backup_copy_to": "/mnt/backups"}, "give user@host:/directory"),
    "copies-nowhere": ({"chat_server_backup_copy_key": SECRET}, "nothing says where these go"),
    "copies-key": (
        {"chat_server_backup_copy_to": "a@b.example:/c", "chat_server_backup_copy_key": SECRET},
        "chat_server_backup_copy_key is no private key",
    ),
    "copies-host": (
        {
            "chat_server_backup_copy_to": "a@b.example:/c",
            "chat_server_backup_copy_port": 2222,
            "chat_server_backup_copy_host_key": "b.example ssh-ed25519 AAAA",
        },
        "has no key of [b.example]:2222",
    ),
    "rule": ({"chat_server_firewall_rules": ["ufw allow 9100/tcp"]}, "without the ufw: allow 9100/tcp"),
    "journal": ({"chat_server_journal_max_use": "much"}, "are sizes as systemd writes them"),
    "retention": ({"chat_server_journal_max_retention": "for ever"}, 'is "for ever": write it as systemd does'),
    "swap": ({"chat_server_swap_mb": -1}, "chat_server_swap_mb and chat_server_min_free_mb"),
    "keep-days": ({"chat_server_backup_keep_days": 0}, "chat_server_backup_keep_days and"),
    "tls": ({**PROXY, "chat_proxy_tls": "self_signed"}, "must be one of: letsencrypt, provided, selfsigned, off"),
    "no-domain": ({**PROXY, "chat_proxy_domain": ""}, "give the name that people type, such as"),
    "url-as-domain": ({**PROXY, "chat_proxy_domain": "https://chat.example.org/"}, "give the name that people type"),
    "no-certificate": ({**PROXY, "chat_proxy_tls": "provided"}, "give chat_proxy_certificate and"),
    "certificate-unused": ({**PROXY, "chat_proxy_certificate": "-----BEGIN"}, "say provided, or remove them"),
    "no-email": ({**PROXY, "chat_proxy_tls": "letsencrypt"}, "whom Let's Encrypt may write to"),
    "acme": ({**PROXY, "chat_proxy_letsencrypt_server": "staging"}, "which begins with https://"),
    "upstream": ({**PROXY, "chat_proxy_upstream": "http://127.0.0.1:8080/"}, "give address:port"),
    "no-connections": ({**PROXY, "chat_proxy_connections_per_address": 0}, "are numbers, 1 or more"),
    "workers": ({**PROXY, "chat_proxy_worker_connections": 1}, "chat_proxy_worker_connections is a number"),
    "hsts": ({**PROXY, "chat_proxy_hsts_seconds": -1}, "chat_proxy_hsts_seconds is a number"),
}

GOOD: dict[str, Variables] = {
    "bare": {},
    "proxied": PROXY,
    "brief": {  # all that may be left out of a proxy's is
        "chat_proxy_enabled": True,
        "chat_proxy_domain": "chat.example.org",
        "chat_proxy_letsencrypt_email": "admin@example.org",
    },
    "much": {
        **PROXY,
        "chat_server_jwt_secret": SECRET,
        "chat_server_memory_max": "2G",
        "chat_server_writable_paths": ["/srv/chat"],
        "chat_server_backup_schedule": "@daily",
        "chat_server_backup_copy_to": "chat@[2001:db8::1]:/srv/chat",
        "chat_server_backup_copy_port": 2222,
        "chat_server_backup_copy_host_key": "[2001:db8::1]:2222 ssh-ed25519 AAAA",
        "chat_server_ssh_networks": ["192.0.2.0/24", "2001:db8::/32", "::1"],
        "chat_server_firewall_rules": ["allow from 192.0.2.7 to any port 9100 proto tcp"],
        "chat_server_journal_max_retention": "1year 6month",
        "chat_proxy_status_networks": ["192.0.2.7"],
    },
}
"""What must not be taken for a mistake."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """site.yml on all of them at once."""
    hosts = {name: given for name, (given, _) in MISTAKES.items()} | GOOD
    return play(PLAYBOOKS / "site.yml", hosts, tmp_path_factory.mktemp("mistakes"))


@pytest.mark.parametrize("host", MISTAKES)
def test_it_ends_the_play_in_words(host: str, played: Played) -> None:
    assert MISTAKES[host][1] in " ".join(played.failures[host].split())


def test_no_host_with_a_mistake_is_looked_at(played: Played) -> None:
    assert played.unreachable == set(GOOD)
    assert played.failures.keys() == MISTAKES.keys()


def test_what_is_said_holds_no_secret(played: Played) -> None:
    assert "hunter2" not in played.text
    assert SECRET not in played.text


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    wrong = {"chat_server_swap_mb": -1, "chat_server_backup_schedule": "at night"}
    said = play(PLAYBOOKS / "site.yml", {"host": wrong}, tmp_path).failures["host"]
    assert "chat_server_swap_mb" in said
    assert "chat_server_backup_schedule" in said
    assert said.endswith("Nothing was changed.")


@pytest.mark.parametrize("playbook", ["upgrade.yml", "restore.yml", "verify.yml"])
def test_every_other_playbook_takes_what_site_takes_and_refuses_what_it_refuses(playbook: str, tmp_path: Path) -> None:
    refused = play(PLAYBOOKS / playbook, {"host": {"chat_server_health_secs": 10}}, tmp_path)
    assert refused.failures["host"].startswith("No such variable: chat_server_health_secs.")
    played = play(PLAYBOOKS / playbook, {"host": GOOD["brief"]}, tmp_path)
    assert played.unreachable == {"host"}, played.text
