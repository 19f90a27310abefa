"""Chapter 7, first half: the service runs, and people outside do not reach it."""

from __future__ import annotations

import pytest

from infra_tests.drills.drill import CONFIG, Drill
from infra_tests.drills.proxy import NGINX
from infra_tests.drills.stranger import ADDRESS, HOST, Stranger

TIMED_OUT, REFUSED = 28, 7
"""curl's exit codes."""
BEHIND_NGINX, ITSELF = f"https://{HOST}/health", f"http://{HOST}:8080/health"

INTERNET = f"""
ip netns add internet
ip -n stranger link add eth1 type veth peer name eth0 netns internet
ip -n stranger address add 198.51.100.1/24 dev eth1
ip -n stranger link set eth1 up
ip -n internet address add 198.51.100.2/24 dev eth0
ip -n internet link set eth0 up
ip route add 198.51.100.0/24 via {ADDRESS}
ip netns exec stranger sysctl -qw net.ipv4.ip_forward=1
"""
"""The stranger's house is the router now, between the host and somebody at home in the internet."""


def asked(url: str, *, patience: int = 20) -> str:
    """A command that asks whether the service is well; curl does not say what became of it, but its exit code does."""
    return f"curl -skf --connect-timeout {patience} -o /dev/null {url}"


@pytest.mark.entry("7.1")
def test_a_firewall_that_nobody_opened_is_opened_from_outside_to_see(drill: Drill) -> None:
    stranger = Stranger(drill)
    with drill.provoked("no rule that allows 80 and 443"):
        assert stranger.types(asked(BEHIND_NGINX)).code == 0
        drill.root("ufw delete allow 80/tcp; ufw delete allow 443/tcp")
        assert drill.ours(asked("https://localhost/health")).code == 0
        assert stranger.types(asked(BEHIND_NGINX, patience=1)).code == TIMED_OUT

    with drill.diagnosed():
        shown = drill.guide("sudo ufw status").out
        assert "Status: active" in shown
        assert "443" not in shown
        assert "deny (incoming)" in drill.ours("sudo ufw status verbose").out
        assert ":443 " in drill.ours("sudo ss -ltn").out
    drill.named_by_doctor("firewall", seen="port 443: no rule allows it")

    with drill.cured():
        drill.guide("sudo ufw allow 80/tcp")
        drill.guide("sudo ufw allow 443/tcp")
        drill.guide("sudo ufw reload")
        assert stranger.types(asked(BEHIND_NGINX)).code == 0
        assert stranger.types(asked(f"http://{HOST}/health")).code == 0


@pytest.mark.entry("7.2")
def test_a_server_for_this_machine_only_listens_outside_where_no_proxy_is(drill: Drill) -> None:
    stranger = Stranger(drill)
    with drill.provoked('host = "127.0.0.1", and no proxy'):
        drill.root(f"systemctl stop nginx; rm {NGINX}; sed -i '/^public_url/d' {CONFIG}")
        drill.configure("server", "host", '"127.0.0.1"')
        drill.restart()
        assert drill.ours(asked("http://localhost:8080/health")).code == 0
        assert stranger.types(asked(ITSELF)).code == REFUSED

    with drill.diagnosed():
        assert " 127.0.0.1:8080 " in drill.ours("sudo ss -ltnp | grep chat-server").out
        assert 'host = "127.0.0.1"' in drill.ours(f"sudo grep -E '^(host|port) = ' {CONFIG}").out
    drill.named_by_doctor("listening", status="warning", seen="listens at 127.0.0.1:8080: for this machine only")

    with drill.cured():
        drill.ours(f"sudo sed -i -e '/^host = /d' -e 's/^\\[server\\]/&\\nhost = \"0.0.0.0\"/' {CONFIG}")
        drill.guide("sudo systemctl restart chat-server")
        drill.wait_until_healthy()
        assert stranger.types(asked(ITSELF)).code == 0


@pytest.mark.entry("7.2")
def test_a_server_for_this_machine_only_is_well_behind_nginx(drill: Drill) -> None:
    """The guide would open it to everybody, past the proxy."""
    stranger = Stranger(drill)
    with drill.provoked('host = "127.0.0.1" behind nginx, which is no fault'):
        drill.configure("server", "host", '"127.0.0.1"')
        drill.restart()
        assert stranger.types(asked(ITSELF)).code == REFUSED
        assert stranger.types(asked(BEHIND_NGINX)).code == 0
    drill.named_by_doctor("listening", status="ok", seen="the proxy is to pass people on")


@pytest.mark.entry("7.3")
def test_a_router_forwards_both_ports_to_the_address_that_doctor_tells(drill: Drill) -> None:
    router = Stranger(drill)
    drill.afterwards("ip netns delete internet")
    drill.root(f"set -e; {INTERNET}")
    with drill.provoked("a router before the host that forwards nothing"):
        assert router.types(asked(BEHIND_NGINX)).code == 0, "within the house all is well"
        assert from_internet(drill, "https://198.51.100.1/health") == REFUSED

    with drill.diagnosed():
        assert HOST in drill.ours("ip -brief address").out
    named = drill.named_by_doctor("addresses", status="ok", seen="a router has to forward port 80 and 443 to it")
    assert HOST in named["seen"]

    with drill.cured():
        forward(drill, 443)
        assert from_internet(drill, "https://198.51.100.1/health") == 0
        assert from_internet(drill, "http://198.51.100.1/health") == REFUSED, "the guide forwards 443 alone"
        forward(drill, 80)
        assert from_internet(drill, "http://198.51.100.1/health") == 0


def from_internet(drill: Drill, url: str) -> int:
    """What curl's exit code is to somebody beyond the router."""
    return drill.ours(f"sudo ip netns exec internet runuser -u nobody -- {asked(url)}", code=None).code


def forward(drill: Drill, port: int) -> None:
    """What the router's owner does in its web page."""
    rule = f"PREROUTING -i eth1 -p tcp --dport {port} -j DNAT --to-destination {HOST}"
    drill.root(f"ip netns exec stranger iptables -t nat -A {rule}")
