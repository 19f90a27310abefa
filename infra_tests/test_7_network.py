"""Chapter 7: who should reaches the service from outside, and nobody reaches anything else."""

from __future__ import annotations

import re

from infra_tests import firewall
from infra_tests.shell import Shell
from infra_tests.site import Expected, Site


def test_the_firewall_is_on_now_and_after_a_reboot(shell: Shell) -> None:
    shown = shell.root("ufw status verbose")
    assert "Status: active" in shown
    assert "Default: deny (incoming)" in shown
    assert shell.types("systemctl is-enabled ufw").out.strip() == "enabled"


def test_the_firewall_has_the_rules_that_it_must_have_and_no_other(shell: Shell, expected: Expected) -> None:
    """All of it, in the kernel: a rule that somebody added to try something out fails here."""
    allowed = expected["firewall"]["allowed"]
    assert firewall.seen(shell.root("iptables-save")) == firewall.rendered(4, allowed)
    assert firewall.seen(shell.root("ip6tables-save")) == firewall.rendered(6, allowed)


def test_no_other_program_keeps_a_firewall_beside_it(shell: Shell) -> None:
    assert shell.root("nft list tables").splitlines() == ["table ip filter", "table ip6 filter"]


def test_nothing_listens_to_the_network_that_must_not(shell: Shell, expected: Expected) -> None:
    """What the firewall hides today is open on the day when somebody switches it off."""
    lines = shell.root("ss --no-header --listening --tcp --numeric").splitlines()
    addresses = [line.split()[3] for line in lines]
    outer = {int(one.rpartition(":")[2]) for one in addresses if not re.match(r"127\.|\[::1\]", one)}
    assert outer - set(expected["listening"]) == set()


def test_the_service_listens_where_it_is_configured_to(site: Site, shell: Shell) -> None:
    listening = shell.root(f"ss --no-header --listening --tcp --numeric --processes 'sport = :{site.port}'")
    assert "chat-server" in listening


def test_pages_of_other_sites_may_call_only_where_expected(site: Site, expected: Expected) -> None:
    assert site.setting("server", "cors_origins", []) == expected["cors_origins"]
    answer = site.inside("/health", {"Origin": "https://elsewhere.example.org"})
    assert "access-control-allow-origin" not in answer.headers
