"""Chapter 2, second half: sockets that open do not stay. What waits for minutes is in test_2_idle.py."""

from __future__ import annotations

import json
import re
import time
import uuid

import pytest

from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill, as_the_guide
from infra_tests.drills.proxy import NGINX, Proxy, edit, reload
from infra_tests.drills.running import Running
from infra_tests.drills.stranger import ADDRESS, HOST, Stranger
from tests.client import Person
from tests.device import online

HEARTBEAT = 'sudo journalctl -u chat-server | grep -i "heartbeat\\|ping\\|pong"'
TIMEOUTS = "sudo nginx -T 2>/dev/null | grep -E 'proxy_(read|send)_timeout'"
CUT_SECONDS = 2

COMMUTERS = "infra_tests.drills.commuters"
MODULES = (
    COMMUTERS,
    "loadtests.back_off",
    "system_tests.packages.conversation",
    "tests.client",
    "tests.faults.correspondent",
    "tests.faults.line",
)
ADDRESSES = [f"192.0.2.{number}" for number in range(11, 17)]
MOST_TRIES = 12
"""In a cut of ten seconds. Who came back every tenth of a second would try a hundred times."""
LOSSES = (
    "-p icmp -m ttl --ttl-eq 1 -m statistic --mode nth --every 2 --packet 0",
    "-p icmp -m ttl --ttl-gt 1 -m statistic --mode nth --every 2 --packet 0",
    "-p tcp -m statistic --mode random --probability 0.2",
)


@pytest.mark.entry("2.6")
def test_lost_packets_and_a_cut_link_lose_no_message_and_clients_come_back(drill: Drill) -> None:
    stranger = Stranger(drill)
    stranger.bring(*MODULES)
    drill.root("; ".join(f"ip -n stranger address add {address}/24 dev eth0" for address in ADDRESSES))
    for section, key, value in (
        ("websocket", "heartbeat_seconds", "2"),
        ("websocket", "heartbeat_timeout_seconds", "1"),
        ("rate_limit", "exempt_networks", f'["192.0.2.0/24", "{own_address(drill)}"]'),
    ):
        drill.configure(section, key, value)
    drill.restart()
    commuters = stranger.start(f"python3 -m {COMMUTERS} {HOST} {' '.join(ADDRESSES)}")
    wait_for("all to be there", lambda: all(is_there(commuters, address) for address in ADDRESSES))

    with drill.provoked("a fifth of all packets lost, then a cut of the link"):
        drill.root("; ".join(f"ip netns exec stranger iptables -A INPUT {loss} -j DROP" for loss in LOSSES))
        with drill.diagnosed():
            # A hundred packets take a hundred seconds; two tell as much where every second one is lost.
            to = {"100": "2", "chat.example.com": ADDRESS}
            assert "50% packet loss" in drill.guide("ping -c 100 chat.example.com", to).out
            assert re.search(rf"{ADDRESS} +50\.0%", drill.guide("mtr -r -c 100 chat.example.com", to).out)
            sockets = drill.ours("sudo ss -tin state established '( sport = :443 or sport = :8080 )'").out
            assert "retrans:" in sockets
        drill.root("ip -n stranger link set eth0 down")
        wait_for("all to be lost", lambda: missed(drill) >= len(ADDRESSES))

    with drill.diagnosed():
        assert "heartbeat missed" in drill.guide(HEARTBEAT).out
    named = drill.named_by_doctor("heartbeats", status="warning", seen="have the network between them and this host")
    assert "mtr -r -c 100 " in named["remedy"]
    wait_for("all to try in vain", lambda: all(f"{address} in vain" in commuters.text for address in ADDRESSES))

    with drill.cured():
        drill.root("ip netns exec stranger iptables -F; ip -n stranger link set eth0 up")
        wait_for("all to be back", lambda: all(is_there(commuters, address) for address in ADDRESSES), seconds=60)
        assert commuters.press_ctrl_c(seconds=60) == 0, commuters.text
        told = json.loads(commuters.text.splitlines()[-1])
        assert told["acknowledged"] > 100
        assert max(told["in vain"].values()) <= MOST_TRIES


def own_address(drill: Drill) -> str:
    """Whom the host sees the tests as."""
    return drill.ours("echo $SSH_CONNECTION").out.split()[0]


def missed(drill: Drill) -> int:
    """From how many of the commuters' addresses the server has heard nothing any more."""
    return len(set(re.findall(r"heartbeat missed .*address=(192\.0\.2\.1\d)", drill.journal())))


def is_there(commuters: Running, address: str) -> bool:
    """Whether the last that was told of an address is that it is connected."""
    told = [line for line in commuters.text.splitlines() if line.startswith(f"{address} ")]
    return bool(told) and told[-1].endswith("is there")


@pytest.mark.entry("2.7")
def test_a_proxy_that_cuts_idle_sockets_is_told_to_wait(drill: Drill) -> None:
    proxy = Proxy(drill.shell)
    alice = drill.client.sign_up(f"alice_{uuid.uuid4().hex[:8]}")
    with drill.provoked("nginx that closes a socket on which nothing was said for 2 s"):
        edit(drill, f"s/(proxy_read_timeout) 300s/\\1 {CUT_SECONDS}s/")
        reload(drill)
        wait_until_cut(proxy, alice)

    with drill.diagnosed():
        assert f"proxy_read_timeout {CUT_SECONDS}s;" in drill.ours(TIMEOUTS).out
        assert alice.user_id not in drill.guide(HEARTBEAT, code=None).out
    named = drill.named_by_doctor("proxy-timeouts", status="warning", seen=f"proxy_read_timeout {CUT_SECONDS} s")
    assert "proxy_read_timeout 300s;" in named["remedy"]

    with drill.cured():
        edit(drill, f"/upstream chat_server/a {as_the_guide('keepalive_timeout 300s;')}")
        reload(drill)
        wait_until_cut(proxy, alice)  # what the guide has is about other connections
        drill.ours(f"sudo sed -i -E 's/proxy_(read|send)_timeout .*;/proxy_\\1_timeout 300s;/' {NGINX}")
        reload(drill)
        with online(proxy, alice, tls=proxy.tls) as device:
            over = time.monotonic() + 2 * CUT_SECONDS
            wait_for("twice the time", lambda: device.closed is not None or time.monotonic() > over)
            assert device.closed is None


def wait_until_cut(proxy: Proxy, person: Person) -> None:
    """Returns when an idle socket is closed, before a PING could keep it open."""
    with online(proxy, person, tls=proxy.tls) as device:
        device.wait_closed(seconds=20)
