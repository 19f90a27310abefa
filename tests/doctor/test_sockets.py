"""Chapter 2: whether WebSockets open, here and through the proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.impostor import answering
from tests.doctor.patient import ask_one
from tests.doctor.proxy import Proxied, proxied_server, with_nginx
from tests.server import free_port, running_server, write_config
from tests.wire import Wire


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Each test starts an nginx of its own before the one server."""
    with proxied_server(tmp_path_factory.mktemp("proxied")) as host:
        yield host


class TestTheServerItself:
    def test_one_that_asks_for_a_token_is_well(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            check = ask_one(server.config, "upgrade")
        assert check.status == "ok"
        assert check.entries == ["2.2"]

    def test_where_nobody_listens_there_is_nothing_to_judge(self, tmp_path: Path) -> None:
        port = free_port()
        check = ask_one(write_config(tmp_path, port=port), "upgrade")
        assert check.status == "skipped"
        assert f"127.0.0.1:{port}: nobody listens there" in check.seen

    @pytest.mark.parametrize(
        ("response", "seen"),
        [
            (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404 Not Found to an upgrade"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "answers 200 OK to an upgrade"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
            (b"", "hangs up without an answer"),
        ],
    )
    def test_another_program_is_named_by_its_answer(self, tmp_path: Path, response: bytes, seen: str) -> None:
        with answering(response) as port:
            check = ask_one(write_config(tmp_path, port=port), "upgrade")
        assert check.status == "failure"
        assert seen in check.seen

    def test_tokens_that_were_refused_are_counted_by_reason(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            for token in ("", *["not.a.token"] * 3):
                assert Wire(server, f"/socket?token={token}").answer.status == 401
            check = ask_one(server.config, "tokens")
            assert check.status == "ok"
            assert "1 missing, 3 invalid, 0 expired" in check.seen
            for _ in range(20):
                server.client("not.a.token").get("/user/me")
            check = ask_one(server.config, "tokens")
        assert check.status == "warning"
        assert "23 invalid" in check.seen
        assert "jwt_secret" in check.remedy


@with_nginx
class TestThroughNginx:
    def test_one_that_passes_the_upgrade_on_is_well(self, host: Proxied) -> None:
        with host.nginx():
            check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "ok"
        assert f"https://localhost:{host.port}/socket" in check.seen

    @pytest.mark.parametrize(
        ("given", "lacking"),
        [
            ("", ["proxy_set_header Upgrade $http_upgrade;", 'proxy_set_header Connection "upgrade";']),
            ("proxy_set_header Upgrade $http_upgrade;", ['proxy_set_header Connection "upgrade";']),
            ('proxy_set_header Connection "upgrade";', ["proxy_set_header Upgrade $http_upgrade;"]),
        ],
    )
    def test_missing_lines_are_named_with_where_they_belong(
        self, host: Proxied, given: str, lacking: list[str]
    ) -> None:
        with host.nginx(socket=given) as site:
            check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "failure"
        assert "426 Upgrade Required" in check.seen
        line = next(number for number, text in enumerate(site.read_text().splitlines(), 1) if "/socket" in text)
        where, *lines, _ = check.remedy.splitlines()
        assert where == f"In {site}, inside the location at line {line}:"
        assert [text.strip() for text in lines] == lacking

    def test_a_proxy_that_leads_to_nobody_is_told_from_one_whose_server_is_down(
        self, host: Proxied, tmp_path: Path
    ) -> None:
        nobody = free_port()
        with host.nginx(upstream=nobody):
            astray = ask_one(host.config, "proxy-upgrade")
            down = ask_one(_without_server(host.config, tmp_path), "proxy-upgrade")
        assert astray.status == down.status == "failure"
        assert f"leads to 127.0.0.1:{nobody}" in astray.seen
        assert "no server answers" in down.seen
        assert "restart chat-server" in down.remedy

    def test_a_proxy_that_answers_by_itself_is_a_failure(self, host: Proxied) -> None:
        with host.nginx(socket="return 404;"):
            check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "failure"
        assert "leads /socket elsewhere" in check.seen

    def test_where_the_proxy_sends_people_on_is_named(self, host: Proxied) -> None:
        with host.nginx(socket="return 301 https://elsewhere.example$request_uri;"):
            check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "failure"
        assert "https://elsewhere.example/socket" in check.seen
        assert "public_url" in check.remedy

    def test_one_of_this_host_that_hangs_up_is_a_failure_behind_a_router_too(self, tmp_path: Path) -> None:
        with proxied_server(tmp_path) as host:
            host.config.write_text(host.config.read_text().replace("https://localhost", "https://192.0.2.1"))
            with host.nginx(socket="return 444;"):
                check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "failure"
        assert "asked of 127.0.0.1 hangs up" in check.seen

    def test_nobody_at_the_public_address_is_a_failure(self, host: Proxied) -> None:
        check = ask_one(host.config, "proxy-upgrade")
        assert check.status == "failure"
        assert f"https://localhost:{host.port}: nobody listens there" in check.seen

    @pytest.mark.parametrize("given", ["", "proxy_read_timeout 1m;", "proxy_read_timeout 300s; proxy_send_timeout 5m;"])
    def test_time_outs_beyond_the_heartbeat_are_well(self, host: Proxied, given: str) -> None:
        with host.nginx(everywhere=given):
            assert ask_one(host.config, "proxy-timeouts").status == "ok"

    def test_a_short_time_out_is_named_with_the_line_that_mends_it(self, host: Proxied) -> None:
        with host.nginx(everywhere="proxy_send_timeout 10s;") as site:
            check = ask_one(host.config, "proxy-timeouts")
        assert check.status == "warning"
        assert "proxy_read_timeout 60 s and proxy_send_timeout 10 s" in check.seen
        assert "    proxy_send_timeout 300s;" in check.remedy
        assert "proxy_read_timeout" not in check.remedy
        assert str(site) in check.remedy


def test_a_router_that_answers_only_outside_is_a_warning_where_the_server_takes_upgrades(tmp_path: Path) -> None:
    with running_server(tmp_path, server={"public_url": f"http://192.0.2.1:{free_port()}"}) as server:
        check = ask_one(server.config, "proxy-upgrade")
    assert check.status == "warning"
    assert "from inside only" in check.seen
    assert ask_one(server.config, "proxy-upgrade").status == "failure", "the server is down now"


def test_without_a_public_address_the_proxy_is_not_judged(tmp_path: Path) -> None:
    check = ask_one(write_config(tmp_path, port=free_port()), "proxy-upgrade")
    assert check.status == "skipped"
    assert "public_url" in check.seen


def _without_server(config: Path, directory: Path) -> Path:
    """The same configuration, but for the port of a server that does not run."""
    port = config.read_text().partition("port = ")[2].split()[0]
    copy = directory / "config.toml"
    copy.write_text(config.read_text().replace(f"port = {port}", f"port = {free_port()}"))
    return copy
