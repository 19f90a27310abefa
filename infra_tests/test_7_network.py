"""Chapter 7: who should reaches the service from outside, and nobody reaches anything else."""

from __future__ import annotations

from testinfra.host import Host

from infra_tests import firewall
from infra_tests.shell import Shell
from infra_tests.site import Expected, Site


def test_the_firewall_is_on_now_and_after_a_reboot(host: Host) -> None:
    shown = host.check_output("ufw status verbose")
    assert "Status: active" in shown
    assert "Default: deny (incoming)" in shown
    assert host.service("ufw").is_enabled


def test_the_firewall_has_the_rules_that_it_must_have_and_no_other(shell: Shell, expected: Expected) -> None:
    """All of it, in the kernel: a rule that somebody added to try something out fails here."""
    allowed = expected["firewall"]["allowed"]
    assert firewall.seen(shell.root("iptables-save")) == firewall.rendered(4, allowed)
    assert firewall.seen(shell.root("ip6tables-save")) == firewall.rendered(6, allowed)


def test_no_other_program_keeps_a_firewall_beside_it(shell: Shell) -> None:
    assert shell.root("nft list tables").splitlines() == ["table ip filter", "table ip6 filter"]


def test_nothing_listens_to_the_network_that_must_not(host: Host, expected: Expected) -> None:
    """What the firewall hides today is open on the day when somebody switches it off."""
    sockets = [one.removeprefix("tcp://") for one in host.socket.get_listening_sockets() if one.startswith("tcp")]
    outer = {one for one in sockets if not one.startswith(("127.", "::1:"))}
    assert {int(one.rpartition(":")[2]) for one in outer} - set(expected["listening"]) == set()


def test_the_service_listens_where_it_is_configured_to(site: Site, host: Host) -> None:
    assert host.socket(f"tcp://{site.setting('server', 'host', '0.0.0.0')}:{site.port}").is_listening


def test_pages_of_other_sites_may_call_only_where_expected(site: Site, expected: Expected) -> None:
    assert site.setting("server", "cors_origins", []) == expected["cors_origins"]
    answer = site.inside("/health", {"Origin": "https://elsewhere.example.org"})
    assert "access-control-allow-origin" not in answer.headers
