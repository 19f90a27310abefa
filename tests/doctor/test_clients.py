"""Chapter 6: whether a browser gets the page, and any client a connection that it trusts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import chat_server
from tests.commands.admin import Admin
from tests.doctor.patient import ask_one
from tests.doctor.proxy import Pair, Proxied, authority, certificate, proxied_server, with_nginx
from tests.server import UNMEASURED, free_port, running_server, write_config


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """Each test starts an nginx of its own before the one server."""
    with proxied_server(tmp_path_factory.mktemp("proxied")) as host:
        yield host


@with_nginx
class TestTheCertificate:
    @pytest.fixture
    def trusted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
        """An authority that this machine trusts, for the length of the test."""
        made = authority(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
        return made

    def test_one_that_is_trusted_and_young_is_well(self, host: Proxied, tmp_path: Path, trusted: Pair) -> None:
        with host.nginx(shows=certificate(tmp_path, "localhost", by=trusted)):
            check = ask_one(host.config, "certificate")
        assert check.status == "ok"
        assert "is trusted, names it, and ends in 90 days" in check.seen

    def test_one_that_ends_soon_was_to_be_renewed(self, host: Proxied, tmp_path: Path, trusted: Pair) -> None:
        with host.nginx(shows=certificate(tmp_path, "localhost", days=13, by=trusted)):
            check = ask_one(host.config, "certificate")
        assert check.status == "warning"
        assert "ends in 13 days" in check.seen
        assert "certbot renew" in check.remedy

    def test_one_that_has_ended_is_a_failure(self, host: Proxied, tmp_path: Path, trusted: Pair) -> None:
        with host.nginx(shows=certificate(tmp_path, "localhost", days=-1, by=trusted)):
            check = ask_one(host.config, "certificate")
        assert check.status == "failure"
        assert "has expired" in check.seen
        assert "certbot renew" in check.remedy

    def test_one_for_another_name_is_a_failure_that_says_whose(
        self, host: Proxied, tmp_path: Path, trusted: Pair
    ) -> None:
        with host.nginx(shows=certificate(tmp_path, "other.example", "third.example", by=trusted)):
            check = ask_one(host.config, "certificate")
        assert check.status == "failure"
        assert "is for other.example, third.example" in check.seen

    def test_one_that_signs_itself_is_a_warning(self, host: Proxied, tmp_path: Path) -> None:
        with host.nginx(shows=certificate(tmp_path, "localhost", days=30)):
            check = ask_one(host.config, "certificate")
        assert check.status == "warning"
        assert "self-signed and ends in 30 days" in check.seen

    def test_one_by_an_unknown_authority_is_a_warning(self, host: Proxied, tmp_path: Path) -> None:
        with host.nginx(shows=certificate(tmp_path, "localhost", by=authority(tmp_path))):
            check = ask_one(host.config, "certificate")
        assert check.status == "warning"
        assert "issuer is not known here" in check.seen
        assert "fullchain.pem" in check.remedy

    @pytest.mark.parametrize(("name", "days"), [("other.example", 30), ("localhost", -1), ("other.example", -1)])
    def test_that_it_signs_itself_hides_no_graver_fault(
        self, host: Proxied, tmp_path: Path, name: str, days: int
    ) -> None:
        with host.nginx(shows=certificate(tmp_path, name, days=days)):
            assert ask_one(host.config, "certificate").status == "failure"

    def test_where_nothing_answers_there_is_none_to_judge(self, host: Proxied) -> None:
        assert ask_one(host.config, "certificate").status == "skipped"


def test_without_tls_passwords_can_be_read(tmp_path: Path) -> None:
    config = write_config(tmp_path, port=free_port(), server={"public_url": "http://localhost:8080"})
    check = ask_one(config, "certificate")
    assert check.status == "warning"
    assert "passwords" in check.seen


class TestThePage:
    def test_it_comes_from_the_server(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            check = ask_one(server.config, "page")
        assert check.status == "ok"
        assert f"{server.url}/ shows the page" in check.seen

    def test_without_a_server_there_is_none_to_judge(self, tmp_path: Path) -> None:
        assert ask_one(write_config(tmp_path, port=free_port()), "page").status == "skipped"

    @pytest.mark.parametrize("name", ["index.html", "main.js"])
    def test_a_file_of_it_that_is_gone_is_named_by_the_server_and_by_doctor(self, tmp_path: Path, name: str) -> None:
        ours = Path(shutil.copytree(Path(chat_server.__file__).parent, tmp_path / "lib" / "chat_server"))
        gone = ours / "web" / name
        gone.unlink()
        admin = Admin(write_config(tmp_path, port=free_port()), tmp_path / "chat.db")
        there = {"PYTHONPATH": str(ours.parent), **UNMEASURED}
        done = admin.run("serve", environ=there)
        assert done.code == os.EX_OSFILE
        assert str(gone) in done.errors.splitlines()[-1]
        told = admin.run("doctor", "--only", "page", environ=there).output
        assert f"of the page's files {gone} is missing" in told
        assert "sudo apt install --reinstall chat-server" in told

    @with_nginx
    def test_it_comes_through_the_proxy(self, host: Proxied) -> None:
        with host.nginx():
            check = ask_one(host.config, "page")
        assert check.status == "ok"
        assert f"https://localhost:{host.port}/, asked of 127.0.0.1, shows the page" in check.seen

    @with_nginx
    @pytest.mark.parametrize("lines", ["return 404;", "return 200 hello;", "return 301 https://elsewhere.example;"])
    def test_another_in_its_place_is_a_failure(self, host: Proxied, lines: str) -> None:
        with host.nginx(page=lines):
            check = ask_one(host.config, "page")
        assert check.status == "failure"
        assert "shows another page than the server's own" in check.seen

    @with_nginx
    def test_what_it_loads_has_to_come_too(self, host: Proxied) -> None:
        with host.nginx(page="if ($uri ~ /main.js$) { return 403; }"):
            check = ask_one(host.config, "page")
        assert check.status == "failure"
        assert "main.js (403)" in check.seen
        assert f"curl -i https://localhost:{host.port}/page/" in check.remedy

    @with_nginx
    def test_a_second_policy_may_keep_it_from_running(self, host: Proxied) -> None:
        with host.nginx(page="add_header Content-Security-Policy \"default-src 'none'\";") as site:
            check = ask_one(host.config, "page")
        assert check.status == "warning"
        assert "2 headers Content-Security-Policy" in check.seen
        assert str(site) in check.remedy


class TestTheWayToTheServer:
    @with_nginx
    def test_health_through_the_proxy_and_by_name_is_well(self, host: Proxied) -> None:
        with host.nginx():
            check = ask_one(host.config, "reach")
        assert check.status == "ok"
        assert "also by its name" in check.seen

    @with_nginx
    def test_a_name_without_an_address_is_told_from_a_proxy_that_is_well(self, tmp_path: Path) -> None:
        with proxied_server(tmp_path) as host:
            named = host.config.read_text().replace("https://localhost", "https://chat.test")
            host.config.write_text(named)
            with host.nginx():
                check = ask_one(host.config, "reach")
        assert check.status == "warning"
        assert f"https://chat.test:{host.port}/health, asked of 127.0.0.1, answers 200" in check.seen
        assert "the name chat.test leads to no address" in check.seen

    @with_nginx
    @pytest.mark.parametrize("lines", ["return 502;", "return 200 '{}';"])
    def test_another_answer_than_the_servers_is_a_failure(self, host: Proxied, lines: str) -> None:
        with host.nginx(page=lines):
            check = ask_one(host.config, "reach")
        assert check.status == "failure"
        assert f"curl -i {host.server.url}/health" in check.remedy

    def test_nobody_there_is_a_failure(self, host: Proxied) -> None:
        check = ask_one(host.config, "reach")
        assert check.status == "failure"
        assert "nobody listens there" in check.seen

    def test_a_name_without_an_address_is_a_failure(self, tmp_path: Path) -> None:
        config = write_config(tmp_path, port=free_port(), server={"public_url": "https://chat.invalid"})
        check = ask_one(config, "reach")
        assert check.status == "failure"
        assert "the name chat.invalid leads to no address" in check.seen
        assert "getent hosts chat.invalid" in check.remedy

    def test_a_router_that_answers_only_outside_is_a_warning_where_the_server_is_well(self, tmp_path: Path) -> None:
        with running_server(tmp_path, server={"public_url": f"http://192.0.2.1:{free_port()}"}) as server:
            check = ask_one(server.config, "reach")
        assert check.status == "warning"
        assert "from inside only" in check.seen
        assert "Try it from another network" in check.remedy
        assert ask_one(server.config, "reach").status == "failure", "the server is down now"

    def test_without_a_public_address_it_is_not_judged(self, tmp_path: Path) -> None:
        check = ask_one(write_config(tmp_path, port=free_port()), "reach")
        assert check.status == "skipped"
        assert "public_url" in check.seen
