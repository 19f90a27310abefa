"""Where people come in, and what the firewall's rules mean for them there."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat_server.operations.doctor import entrances, network
from chat_server.operations.doctor.firewall import parse
from chat_server.operations.doctor.processes import Listener
from chat_server.operations.doctor.report import Check, answer
from tests.doctor.hosts import site
from tests.server import write_config

HEAD = "Status: active\nDefault: deny (incoming), allow (outgoing), disabled (routed)\n"
PROXIED = "https://chat.example.org"
FROM_A_NETWORK = "8080/tcp    ALLOW IN    192.0.2.0/24"


class Host:
    """A host without nginx whose firewall has the given rules, and where somebody listens at the given ports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self._patch = monkeypatch
        self._directory = directory

    def firewall(self, *rules: str, listens: tuple[int, ...] = (), **server: object) -> Check:
        """What doctor says of it, with these keys of [server]."""
        said = parse(HEAD + "\n".join(rules) + "\n")
        self._patch.setattr(network, "firewall", lambda _: said)
        self._patch.setattr(entrances, "front", lambda _: None)
        heard = [Listener("0.0.0.0", None)]
        self._patch.setattr(entrances, "listeners", lambda port: heard if port in listens else [])
        config = write_config(self._directory, port=8080, server={"host": "0.0.0.0", **server})
        question = next(one for one in network.QUESTIONS if one.id == "firewall")
        return answer(question, site(config, journal=[]))


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    return Host(monkeypatch, tmp_path)


def test_a_port_that_is_open_to_some_networks_is_well_and_they_are_told(host: Host) -> None:
    check = host.firewall(FROM_A_NETWORK)
    assert (check.status, check.remedy) == ("ok", "")
    assert "port 8080 from these addresses only: 192.0.2.0/24" in check.seen


def test_a_port_that_no_rule_opens_is_a_failure(host: Host) -> None:
    check = host.firewall("22/tcp    ALLOW IN    Anywhere")
    assert check.status == "failure"
    assert "sudo ufw allow 8080/tcp" in check.remedy


def test_a_web_server_behind_a_balancer_needs_no_port_that_it_does_not_listen_at(host: Host) -> None:
    check = host.firewall("80/tcp    ALLOW IN    Anywhere", listens=(80,), public_url=PROXIED, host="127.0.0.1")
    assert check.status == "ok"
    assert check.seen == "ufw lets everybody in at port 80"


def test_a_web_server_needs_both_ports_that_it_listens_at(host: Host) -> None:
    check = host.firewall("22/tcp    ALLOW IN    Anywhere", listens=(80, 443), public_url=PROXIED)
    assert check.status == "failure"
    assert "ufw allow 80/tcp\nsudo ufw allow 443/tcp" in check.remedy


def test_a_proxy_on_another_machine_has_to_reach_the_servers_own_port(host: Host) -> None:
    assert host.firewall(FROM_A_NETWORK, public_url=PROXIED).status == "ok"
    closed = host.firewall("443/tcp    ALLOW IN    Anywhere", public_url=PROXIED)
    assert closed.status == "failure"
    assert "port 8080: no rule allows it" in closed.seen


def test_where_nobody_listens_outside_there_is_no_way_in_to_judge(host: Host) -> None:
    check = host.firewall(FROM_A_NETWORK, public_url=PROXIED, host="127.0.0.1")
    assert check.status == "skipped"
