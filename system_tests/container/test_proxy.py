"""compose.yaml's proxy, by the Caddy that Debian has: TLS, WebSockets, and who the client is."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from system_tests.container.engine import PATH, ROOT, Container, Engine, install
from system_tests.container.site import CLIENT, Site
from tests.client import Client
from tests.server import free_port

pytestmark = pytest.mark.usefixtures("image")

CADDYFILE = ROOT / "packaging" / "container" / "Caddyfile"
START_SECONDS = 20


@pytest.fixture(scope="module")
def container(engine: Engine) -> Iterator[Container]:
    with engine.container(environ={"CHAT_SERVER_SERVER__TRUSTED_PROXIES": "127.0.0.1"}) as container:
        container.wait_until_healthy()
        yield container


@pytest.fixture(scope="module")
def site(container: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    install("caddy")
    home = tmp_path_factory.mktemp("caddy")
    port, http_port = free_port(), free_port()
    environ = {
        "PATH": PATH,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "CHAT_DOMAIN": "localhost",
        "CHAT_SERVER": f"127.0.0.1:{container.port}",
        "HTTP_PORT": str(http_port),
        "HTTPS_PORT": str(port),
    }
    with (home / "log").open("wb") as log:
        caddy = subprocess.Popen(
            ["caddy", "run", "--config", CADDYFILE, "--adapter", "caddyfile"], env=environ, stdout=log, stderr=log
        )
    try:
        site = Site(port, http_port, trust(home, caddy))
        deadline = time.monotonic() + START_SECONDS
        while not site.is_well():
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.1)
        yield site
    finally:
        caddy.terminate()
        caddy.wait(20)


def trust(home: Path, caddy: subprocess.Popen[bytes]) -> ssl.SSLContext:
    """Of the certificates that this Caddy signs for localhost; waits until it has one."""
    certificates = home / "caddy"
    deadline = time.monotonic() + START_SECONDS
    while not list(certificates.glob("certificates/local/localhost/*.crt")):
        assert caddy.poll() is None, (home / "log").read_text()
        assert time.monotonic() < deadline, (home / "log").read_text()
        time.sleep(0.1)
    return ssl.create_default_context(cafile=str(certificates / "pki/authorities/local/root.crt"))


def test_people_talk_through_it(site: Site) -> None:
    ann, bob = (site.sign_up(name) for name in ("ann", "bob"))
    with closing(site.device(ann["token"])) as anns, closing(site.device(bob["token"])) as bobs:
        anns.send("message", {"recipientId": bob["userId"], "content": "through the proxy"})
        (got,) = bobs.wait_for_messages(1)
        assert got["content"] == "through the proxy"


def test_the_clients_address_arrives_whatever_the_client_claims(site: Site) -> None:
    carl = site.sign_up("carl", X_Forwarded_For="203.0.113.9")
    assert site.addresses(carl["token"]) == {CLIENT}


@pytest.mark.parametrize("path", ["/status", "/metrics"])
def test_what_is_for_admins_stays_inside(site: Site, container: Container, path: str) -> None:
    assert site.request("GET", path).status == 404
    assert container.client().get(path).status == 200


def test_browsers_are_told_to_stay_with_https(site: Site) -> None:
    redirected = Client("localhost", site.http_port).get("/health")
    assert redirected.status == 308
    assert redirected.headers["location"].startswith("https://localhost")
    assert "max-age" in site.request("GET", "/health").headers["strict-transport-security"]
