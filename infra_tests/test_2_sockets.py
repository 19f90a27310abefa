"""Chapter 2: a WebSocket gets to the service, by way of the proxy and safely; no account is needed to see that."""

from __future__ import annotations

import re
import ssl
import time
import uuid

import pytest

from infra_tests.shell import Shell
from infra_tests.site import UPGRADE, Expected, Site


@pytest.fixture
def proxied(site: Site, expected: Expected) -> Site:
    """The site, where a proxy stands before it."""
    if not expected["proxy"]["enabled"]:
        pytest.skip("no proxy is expected: expectations, proxy, enabled")
    assert site.domain, "a proxy is expected, and [server] public_url does not say for which name"
    return site


def test_an_upgrade_reaches_the_service(site: Site) -> None:
    """Without a token it is refused, but as an upgrade: 401, in the service's own words."""
    answer = site.inside("/socket", UPGRADE)
    assert (answer.status, answer.json["error"]) == (401, "UNAUTHORIZED")


def test_what_is_no_upgrade_is_told_apart(site: Site) -> None:
    assert site.inside("/socket").status in {400, 426}


def test_an_upgrade_gets_through_the_proxy(proxied: Site) -> None:
    """A proxy that swallows the Upgrade header makes an ordinary request of it, which the service answers with 426."""
    answer = proxied.outside("/socket", headers=UPGRADE)
    assert (answer.status, answer.json["error"]) == (401, "UNAUTHORIZED")


def test_plain_http_leads_to_https(proxied: Site) -> None:
    answer = proxied.outside("/some/page?of=it", port=80, tls=False)
    assert answer.status in {301, 308}
    assert answer.headers["location"] == f"https://{proxied.domain}/some/page?of=it"


def test_the_certificate_is_for_the_name_and_good_for_a_while(proxied: Site, expected: Expected) -> None:
    shown = proxied.shell.root(
        f"openssl s_client -connect 127.0.0.1:443 -servername {proxied.domain} </dev/null 2>/dev/null"
        f" | openssl x509 -noout -enddate -checkhost {proxied.domain}"
    )
    assert "does match" in shown
    [until] = re.findall(r"notAfter=(.*)", shown)
    days = (ssl.cert_time_to_seconds(until) - time.time()) / 86400
    assert days > expected["proxy"]["certificate_days"]


@pytest.mark.parametrize(
    ("version", "accepted"), [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]
)
def test_old_versions_of_tls_are_refused(proxied: Site, version: str, accepted: bool) -> None:
    """The two old ones are broken; clients ask for them only when somebody on the way wants them to."""
    options = f"{version} -cipher 'ALL:@SECLEVEL=0' -servername {proxied.domain}"
    asked = proxied.shell.types(f"openssl s_client {options} -connect 127.0.0.1:443 </dev/null")
    assert (asked.code == 0 and "Cipher is (NONE)" not in asked.out) is accepted


def test_the_proxy_adds_the_headers_that_protect_browsers(proxied: Site, expected: Expected) -> None:
    for path in ("/health", "/no/such/page"):
        headers = proxied.outside(path).headers
        for name, value in expected["proxy"]["headers"].items():
            assert re.search(value, headers.get(name, "")), (path, name, headers)


def test_the_proxy_is_patient_with_sockets(proxied: Site, expected: Expected) -> None:
    """Between two heartbeats nothing is sent; a proxy must wait for several of them."""
    said = proxied.shell.root("nginx -T 2>/dev/null")
    for kind in ("proxy_read_timeout", "proxy_send_timeout"):
        times = [_seconds(value) for value in re.findall(rf"{kind}\s+(\w+);", said)]
        assert max(times, default=0) >= expected["proxy"]["timeout_seconds"], kind


def _seconds(value: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([smh]?)", value).groups()  # type: ignore[union-attr]
    return int(number) * {"": 1, "s": 1, "m": 60, "h": 3600}[unit]


def test_one_address_can_not_take_all_connections(proxied: Site) -> None:
    assert re.search(r"^\s*limit_conn\s+\w+\s+\d+;", proxied.shell.root("nginx -T 2>/dev/null"), re.MULTILINE)


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_figures_are_for_this_host_not_for_strangers(proxied: Site, path: str) -> None:
    """They tell how many people use it, and when."""
    assert proxied.inside(path).status == 200
    assert proxied.outside(path).status in {403, 404}


def test_a_token_never_gets_into_the_proxys_log(proxied: Site, shell: Shell) -> None:
    """Clients that can send no header put it into the URL; whoever reads the log could be them."""
    token = uuid.uuid4().hex
    assert proxied.outside(f"/socket?token={token}", headers=UPGRADE).status == 401
    assert shell.types(f"sudo grep --recursive --files-with-matches {token} /var/log/nginx").out == ""
    assert shell.types(f"sudo journalctl --quiet --since=-1min | grep -v ' sudo' | grep {token}").out == ""


def test_the_service_believes_its_proxy_and_nobody_else(proxied: Site) -> None:
    """By X-Forwarded-For the service tells people apart; whoever else could set it would have no limit at all."""
    trusted = proxied.setting("server", "trusted_proxies", [])
    assert "127.0.0.1" in trusted
    assert not set(trusted) & {"0.0.0.0/0", "::/0"}
