"""Chapter 7: whether people outside reach this host, and only as they should."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.patient import ask_one
from tests.doctor.proxy import FORWARDED, UPGRADE, Proxied, proxied_server, with_nginx
from tests.server import free_port, running_server, write_config

FRIEND = "https://friend.example"
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Each test starts an nginx of its own before the one server, which lets pages of a friend's site in."""
    with proxied_server(tmp_path_factory.mktemp("proxied"), cors_origins=[FRIEND]) as host:
        yield host


class TestListening:
    def test_open_to_the_network_is_well(self, tmp_path: Path) -> None:
        with running_server(tmp_path, server={"host": "0.0.0.0"}) as server:
            check = ask_one(server.config, "listening")
        assert check.status == "ok"
        assert f"listens at 0.0.0.0:{server.port}" in check.seen

    @pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
    def test_for_this_machine_only_without_a_proxy_is_a_warning(self, tmp_path: Path, address: str) -> None:
        config = write_config(tmp_path, port=free_port(), server={"host": address})
        check = ask_one(config, "listening")
        assert check.status == "warning"
        assert check.entries == ["7.2"]
        assert '[server] host = "0.0.0.0"' in check.remedy

    def test_for_this_machine_only_is_well_behind_a_public_address(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, port=free_port(), server={"public_url": "https://chat.example.org"})
        assert ask_one(config, "listening").status == "ok"

    @with_nginx
    def test_for_this_machine_only_is_well_behind_an_nginx_that_leads_here(self, host: Proxied) -> None:
        public = host.config.read_text()
        host.config.write_text(public.replace("public_url", "# public_url"))
        try:
            assert ask_one(host.config, "listening").status == "warning"
            with host.nginx():
                assert ask_one(host.config, "listening").status == "ok"
        finally:
            host.config.write_text(public)


class TestAddresses:
    def test_they_are_told_with_what_a_router_has_to_forward(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, port=free_port(), server={"public_url": "https://localhost"})
        check = ask_one(config, "addresses")
        assert check.status == "ok"
        assert "this machine's addresses: " in check.seen
        assert "localhost leads to " in check.seen

    def test_a_name_without_an_address_is_told(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, port=free_port(), server={"public_url": "https://chat.invalid"})
        assert "chat.invalid leads to no address" in ask_one(config, "addresses").seen


class TestTrustedProxies:
    @with_nginx
    def test_a_proxy_that_is_believed_and_says_for_whom_is_well(self, host: Proxied) -> None:
        with host.nginx():
            assert ask_one(host.config, "trusted-proxies").status == "ok"

    @with_nginx
    def test_one_that_is_not_believed_is_a_failure(self, tmp_path: Path) -> None:
        with proxied_server(tmp_path, trusted_proxies=[]) as host, host.nginx():
            check = ask_one(host.config, "trusted-proxies")
        assert check.status == "failure"
        assert 'trusted_proxies = ["127.0.0.1", "::1"]' in check.remedy

    @with_nginx
    def test_one_that_does_not_say_for_whom_is_a_failure(self, host: Proxied) -> None:
        """As nginx forgets what the blocks around say, as soon as a location has a header of its own."""
        with host.nginx(forwarded="", everywhere=FORWARDED, socket=UPGRADE) as site:
            check = ask_one(host.config, "trusted-proxies")
        assert check.status == "failure"
        assert "at /socket:" in check.seen
        assert str(site) in check.remedy
        assert FORWARDED in check.remedy

    @pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
    def test_to_believe_everybody_is_a_failure(self, tmp_path: Path, network: str) -> None:
        config = write_config(tmp_path, port=free_port(), server={"trusted_proxies": [network]})
        check = ask_one(config, "trusted-proxies")
        assert check.status == "failure"
        assert "anybody can claim any address" in check.seen

    def test_without_a_proxy_nothing_has_to_be_believed(self, tmp_path: Path) -> None:
        assert ask_one(write_config(tmp_path, port=free_port()), "trusted-proxies").status == "ok"


class TestPagesOfOtherSites:
    @with_nginx
    def test_a_configured_one_is_let_in_once_and_no_other(self, host: Proxied) -> None:
        with host.nginx():
            check = ask_one(host.config, "cors")
        assert check.status == "ok"
        assert FRIEND in check.seen

    @with_nginx
    def test_a_proxy_that_lets_everybody_in_is_a_failure(self, host: Proxied) -> None:
        with host.nginx(page=f"add_header {ALLOW} '*' always;") as site:
            check = ask_one(host.config, "cors")
        assert check.status == "failure"
        assert "lets the pages of any site in" in check.seen
        assert str(site) in check.remedy

    @with_nginx
    def test_a_proxy_that_says_it_too_is_a_failure(self, host: Proxied) -> None:
        with host.nginx(page=f"add_header {ALLOW} {FRIEND} always;") as site:
            check = ask_one(host.config, "cors")
        assert check.status == "failure"
        assert f"{ALLOW}: {FRIEND}, {FRIEND}" in check.seen
        assert str(site) in check.remedy

    @with_nginx
    def test_so_it_is_where_the_proxy_answers_preflights_itself(self, host: Proxied) -> None:
        """The preflight is as it should be then, and the call that follows it is not."""
        methods = f"add_header {ALLOW} {FRIEND} always; if ($request_method = OPTIONS) {{ return 204; }}"
        with host.nginx(page=methods):
            check = ask_one(host.config, "cors")
        assert check.status == "failure"
        assert f"{ALLOW}: {FRIEND}, {FRIEND}" in check.seen

    @with_nginx
    def test_a_proxy_that_answers_in_the_servers_place_is_a_failure(self, host: Proxied) -> None:
        with host.nginx(page="if ($request_method = OPTIONS) { return 204; }"):
            check = ask_one(host.config, "cors")
        assert check.status == "failure"
        assert f"does not let pages of {FRIEND} in" in check.seen
        assert "OPTIONS" in check.remedy

    def test_one_that_was_configured_since_the_start_is_not_let_in_yet(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            assert ask_one(server.config, "cors").status == "ok"
            write_config(tmp_path, port=server.port, server={"cors_origins": [FRIEND]})
            check = ask_one(server.config, "cors")
        assert check.status == "failure"
        assert "restart chat-server" in check.remedy

    def test_without_a_server_there_is_nothing_to_judge(self, tmp_path: Path) -> None:
        assert ask_one(write_config(tmp_path, port=free_port()), "cors").status == "skipped"


@pytest.mark.skipif(shutil.which("ufw", path="/usr/sbin:/sbin") is not None, reason="ufw is here: system_tests ask it")
@pytest.mark.parametrize("check_id", ["firewall", "denied-addresses"])
def test_without_ufw_the_firewall_is_not_judged(tmp_path: Path, check_id: str) -> None:
    check = ask_one(write_config(tmp_path, port=free_port()), check_id)
    assert check.status == "skipped"
    assert "nft list ruleset" in check.seen


@pytest.mark.parametrize(
    "check_id", ["listening", "addresses", "trusted-proxies", "cors", "rate-limits", "sessions", "log-level", "reach"]
)
def test_a_refused_configuration_is_not_judged_by_its_defaults(tmp_path: Path, check_id: str) -> None:
    config = write_config(tmp_path, port=free_port(), server={"public_url": "nowhere"})
    check = ask_one(config, check_id)
    assert check.status == "skipped"
    assert check.seen == "not known before the configuration is good again"
