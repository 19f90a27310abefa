"""What the roles write is taken by those it is for: the server's own reader of its configuration, and nginx."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from chat_server.configuration import load
from tests.ansible.playing import ROLES, Variables, rendered
from tests.doctor.proxy import NGINX, certificate, with_nginx

CONFIGURATION = ROLES / "chat_server/templates/config.toml.j2"
SITE = ROLES / "chat_proxy/templates/nginx.conf.j2"
SECRET = "d2f0c9a1b7e84f63a5c1907e2b4d8f6a-only-for-tests"
VALUES: Mapping[str, tuple[object, ...]] = {
    "chat_server_host": ("0.0.0.0", "127.0.0.1", "::", "localhost"),
    "chat_server_port": (8080, 1, 65535),
    "chat_server_log_level": ("error", "warn", "info", "debug", "trace"),
    "chat_server_registration": ("open", "invite", "closed"),
    "chat_server_trusted_proxies": ([], ["127.0.0.1", "::1"], ["10.0.0.0/8", "2001:db8::/32"]),
    "chat_server_cors_origins": ([], ["https://chat.example.org", "http://localhost:3000"]),
    "chat_server_exempt_networks": ([], ["192.0.2.7"], ["2001:db8::/48", "198.51.100.0/24"]),
    "chat_server_backup_keep_days": (30, 1, 3650),
    "chat_server_alert_mail_to": ([], ["admin@example.org"], ["someone+chat@example.org", "root@localhost"]),
    "chat_server_alert_webhook_url": ("", "https://alerts.example.org/?key=a%20b&c=#d"),
    "chat_server_alert_command": (
        [],
        ["/usr/local/bin/wake", "-s", 'say "\\o/" \u2026 \U0001f4a1', "#{{ '{{' }} no }}", "a\tb\nc"],
    ),
    "chat_server_settings": (
        {},
        {"limits": {"max_connections": 5}, "rate_limit": {"enabled": False}},
        {"auth": {"token_expiry_seconds": 1}, "websocket": {"heartbeat_seconds": 7}},
    ),
    "chat_proxy_enabled": (False, True),
}
COMBINATIONS = 30
CONFIGURATIONS: Mapping[str, Variables] = {
    # Each value of each variable meets most of the others: the variables have different numbers of values.
    f"host{number}": {name: values[number % len(values)] for name, values in VALUES.items()}
    | {"chat_proxy_domain": "chat.example.org", "chat_proxy_tls": "selfsigned"}
    for number in range(COMBINATIONS)
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """config.toml, for each combination."""
    return rendered("chat_server", CONFIGURATION, CONFIGURATIONS, tmp_path_factory.mktemp("config"))


@pytest.mark.parametrize("host", CONFIGURATIONS)
def test_the_configuration_is_one_that_the_server_takes_and_means_what_was_said(
    host: str, written: Mapping[str, str], tmp_path: Path
) -> None:
    given = CONFIGURATIONS[host]
    (tmp_path / "jwt-secret").write_text(SECRET)
    (tmp_path / "jwt-secret").chmod(0o600)
    file = tmp_path / "config.toml"
    text = written[host]
    file.write_text(text.replace("/opt/chat-server/jwt-secret", f"{tmp_path}/jwt-secret"))
    config = load(file, {})
    assert config.auth.jwt_secret == SECRET
    assert (config.server.host, config.server.port) == (given["chat_server_host"], given["chat_server_port"])
    assert config.server.log_level == given["chat_server_log_level"]
    assert list(config.server.trusted_proxies) == given["chat_server_trusted_proxies"]
    assert list(config.server.cors_origins) == given["chat_server_cors_origins"]
    assert config.server.public_url == ("https://chat.example.org" if given["chat_proxy_enabled"] else "")
    assert config.auth.registration == given["chat_server_registration"]
    assert list(config.rate_limit.exempt_networks) == given["chat_server_exempt_networks"]
    assert config.backup.keep_days == given["chat_server_backup_keep_days"]
    assert list(config.alerts.mail_to) == given["chat_server_alert_mail_to"]
    assert config.alerts.webhook_url == given["chat_server_alert_webhook_url"]
    settings = given["chat_server_settings"]
    assert isinstance(settings, dict)
    in_file = tomllib.loads(text)
    assert all(in_file[section].items() >= keys.items() for section, keys in settings.items())


PROXY = {"chat_proxy_enabled": True, "chat_proxy_domain": "chat.example.org", "chat_proxy_tls": "selfsigned"}
FULL = {
    **PROXY,
    "chat_proxy_exempt_networks": ["192.0.2.0/24", "2001:db8::/32"],
    "chat_proxy_status_networks": ["198.51.100.7", "2001:db8:1::/48"],
    "chat_proxy_balancer_networks": ["10.0.0.0/8", "2001:db8:2::1"],
    "chat_proxy_connections_per_address": 1,
    "chat_proxy_requests_per_second": 1,
    "chat_proxy_request_burst": 1,
    "chat_proxy_worker_connections": 64,
    "chat_proxy_max_body_bytes": 1,
}
SITES: Mapping[str, Variables] = {
    "selfsigned": PROXY,
    "provided": {
        **PROXY,
        "chat_proxy_tls": "provided",
        "chat_proxy_certificate": "-----BEGIN",
        "chat_proxy_certificate_key": "-----BEGIN",
    },
    "letsencrypt": {**PROXY, "chat_proxy_tls": "letsencrypt", "chat_proxy_letsencrypt_email": "admin@example.org"},
    "off": {**FULL, "chat_proxy_tls": "off"},
    "full": FULL,
    "without-hsts": {**PROXY, "chat_proxy_hsts_seconds": 0},
    "elsewhere": {**PROXY, "chat_proxy_upstream": "[2001:db8::7]:8081"},
}


def looked_at(*lines: str) -> Variables:
    """What the look at a host has found."""
    return {"__chat_proxy_look": {"stdout_lines": list(lines)}}


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """nginx.conf, for each site, as this machine's nginx can read it."""
    release = "release 12" if nginx_version() < (1, 25, 1) else "release 13"
    hosts = {name: {**site, **looked_at(release, "/proc/net/if_inet6")} for name, site in SITES.items()}
    hosts["without-ipv6"] = {**PROXY, **looked_at(release)}
    hosts["other-release"] = {**PROXY, **looked_at("release 13" if release == "release 12" else "release 12")}
    return rendered("chat_proxy", SITE, hosts, tmp_path_factory.mktemp("nginx"))


def nginx_version() -> tuple[int, ...]:
    assert NGINX
    said = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    [version] = re.findall(r"nginx/([\d.]+)", said)
    return tuple(map(int, version.split(".")))


def judged(text: str, folder: Path) -> str:
    """What nginx says of it, on a machine that is no chat server: files are in the folder, ports are high ones."""
    assert NGINX
    pair = certificate(folder, "chat.example.org")
    (folder / "mime.types").write_text("types { text/html html; }")
    places = {
        "/etc/nginx/chat-server/certificate.pem": str(pair.certificate),
        "/etc/nginx/chat-server/key.pem": str(pair.key),
        "/etc/nginx/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        "/run/": f"{folder}/",
        "user www-data;": "",
    }
    for there, here in places.items():
        text = text.replace(there, here)
    text = re.sub(r"(listen (?:\[::\]:)?)(80|443)\b", r"\g<1>20\2", text)
    # A machine without IPv6 would refuse what is right for one that has it.
    if not Path("/proc/net/if_inet6").exists():
        text = re.sub(r"listen \[::\].*", "", text)
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    text = text.replace("http {", "http {" + "".join(f"{name}_temp_path {folder}/{name};" for name in temporary), 1)
    file = folder / "nginx.conf"
    file.write_text(text)
    log = f"{folder}/error.log"
    return subprocess.run(
        [NGINX, "-t", "-q", "-e", log, "-c", file], capture_output=True, text=True, check=False
    ).stderr


@with_nginx
@pytest.mark.parametrize("site", [*SITES, "without-ipv6"])
def test_nginx_takes_its_configuration(site: str, configured: Mapping[str, str], tmp_path: Path) -> None:
    assert judged(configured[site], tmp_path) == ""


@with_nginx
def test_it_listens_on_ipv6_only_where_there_is_some(configured: Mapping[str, str]) -> None:
    assert "listen [::]:443" in configured["selfsigned"]
    assert "[::]" not in configured["without-ipv6"]


@with_nginx
def test_each_releases_nginx_is_told_of_http_2_in_its_own_words(configured: Mapping[str, str]) -> None:
    both = {configured["selfsigned"].count("http2 on;"), configured["other-release"].count("http2 on;")}
    assert both == {0, 1}


@with_nginx
def test_what_was_said_of_the_site_is_in_it(configured: Mapping[str, str]) -> None:
    assert "Strict-Transport-Security" in configured["selfsigned"]
    assert "Strict-Transport-Security" not in configured["without-hsts"]
    assert "ssl" not in configured["off"].replace("openssl", "")
    assert "server [2001:db8::7]:8081;" in configured["elsewhere"]
    for network in ("198.51.100.7", "2001:db8:1::/48"):
        assert f"allow {network};" in configured["full"]
    for network in ("10.0.0.0/8", "2001:db8:2::1"):
        assert f"set_real_ip_from {network};" in configured["full"]
