"""compose.yaml, brought up: the service and its proxy, each in a container, in a network of their own."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from system_tests.container.engine import ROOT, Engine, install
from system_tests.container.site import Site
from tests.server import free_port

pytestmark = pytest.mark.usefixtures("image")

SUBNET = "172.31.251.0/24"
ROOT_CERTIFICATE = "/data/caddy/pki/authorities/local/root.crt"
START_SECONDS = 30

# The image that compose.yaml names can't be had without a registry: the same program as Debian has it, in its places.
PROXY_IMAGE = """
FROM debian:bookworm-slim
COPY caddy /usr/bin/caddy
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
"""


@dataclass(frozen=True)
class Compose:
    """Debian's docker-compose, in this project's folder."""

    engine: Engine
    variables: dict[str, str]

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["docker-compose", "--project-name=chat-test", *words],
            cwd=ROOT,
            env=self.engine.environ | self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def inspect(self, service: str) -> Any:  # noqa: ANN401  as JSON is
        """What the engine says of the service's container."""
        return self.engine.inspect(self.run("ps", "--quiet", service).stdout.strip())

    def settings(self, service: str) -> Any:  # noqa: ANN401  as JSON is
        return self.inspect(service)["HostConfig"]


@pytest.fixture(scope="module")
def compose(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    """Both services, up."""
    install("docker-compose")
    install("caddy")
    context = tmp_path_factory.mktemp("proxy")
    (context / "Dockerfile").write_text(PROXY_IMAGE)
    (context / "caddy").write_bytes(Path("/usr/bin/caddy").read_bytes())
    (context / "caddy").chmod(0o755)
    engine.run("build", "--network=none", "--tag=caddy:2", context)
    ports = {"HTTP_PORT": str(free_port()), "HTTPS_PORT": str(free_port())}
    compose = Compose(engine, {"CHAT_DOMAIN": "localhost", "CHAT_SUBNET": SUBNET, **ports})
    try:
        compose.run("up", "--detach", "--no-build")
        yield compose
    finally:
        compose.run("down", "--volumes", check=False)


@pytest.fixture(scope="module")
def site(compose: Compose) -> Site:
    """What it offers, as soon as its proxy has a certificate and the service answers."""
    deadline = time.monotonic() + START_SECONDS
    read = ("exec", "-T", "proxy", "cat", ROOT_CERTIFICATE)
    while "END CERTIFICATE" not in (found := compose.run(*read, check=False)).stdout:
        assert time.monotonic() < deadline, compose.run("logs").stdout
        time.sleep(0.2)
    trust = ssl.create_default_context(cadata=found.stdout)
    site = Site(int(compose.variables["HTTPS_PORT"]), int(compose.variables["HTTP_PORT"]), trust)
    while not site.is_well():
        assert time.monotonic() < deadline, compose.run("logs").stdout
        time.sleep(0.2)
    return site


def test_people_reach_the_service_by_https(site: Site) -> None:
    ann = site.sign_up("ann")
    with closing(site.device(ann["token"])) as device:
        device.wait(lambda frame: frame["type"] == "ready")


def test_the_service_believes_its_proxy_who_the_client_is(site: Site, compose: Compose) -> None:
    (address,) = site.addresses(site.sign_up("bob")["token"])
    networks = compose.inspect("proxy")["NetworkSettings"]["Networks"].values()
    assert ip_address(address) in ip_network(SUBNET)  # this machine's end of the network: the proxy's port is relayed
    assert address not in {network["IPAddress"] for network in networks}


def test_only_the_proxy_is_reachable_from_outside(compose: Compose) -> None:
    published = {name: set(compose.settings(name)["PortBindings"] or {}) for name in ("chat-server", "proxy")}
    assert published == {"chat-server": set(), "proxy": {"80/tcp", "443/tcp"}}


@pytest.mark.parametrize("service", ["chat-server", "proxy"])
def test_neither_may_more_than_it_needs(compose: Compose, service: str) -> None:
    settings = compose.settings(service)
    assert settings["ReadonlyRootfs"]
    assert settings["CapDrop"] == ["ALL"]
    assert settings["SecurityOpt"] == ["no-new-privileges:true"]
    assert settings["Memory"] > 0


def test_the_domain_must_be_named(engine: Engine) -> None:
    install("docker-compose")
    refused = Compose(engine, {}).run("config", check=False)
    assert refused.returncode != 0
    assert "name the domain that people connect to" in refused.stderr
