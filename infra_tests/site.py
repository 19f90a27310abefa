"""The host under test as these tests see it: what is expected, what is configured, and how it answers."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from infra_tests.shell import Shell
from tests.client import Answer

EXPECTATIONS = Path(__file__).with_name("expectations.yaml")
EXECUTABLE = "/opt/chat-server/chat-server"
CONFIG = "/opt/chat-server/config.toml"
DATABASE = "/var/lib/chat-server/chat.db"
BACKUPS = "/var/backups/chat-server"
SECONDS = 10

Expected = Mapping[str, Any]

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def expectations(own: Path | None) -> Expected:
    """What must be found on the host: ours, and over it what its owner says in a file."""
    expected = yaml.safe_load(EXPECTATIONS.read_text())
    return _over(expected, yaml.safe_load(own.read_text()) or {}) if own else expected


def _over(one: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged; anything else is replaced."""
    unknown = set(other) - set(one)
    if unknown:
        raise ValueError(f"nothing is expected under {', '.join(sorted(unknown))}: {', '.join(one)}")
    return {
        name: {**value, **other[name]} if name in other and isinstance(value, dict) else other.get(name, value)
        for name, value in one.items()
    }


@dataclass(frozen=True)
class Site:
    """The service on the host, from inside by its shell and from outside over the network."""

    shell: Shell
    config: Mapping[str, Any]

    @classmethod
    def of(cls, shell: Shell) -> Site:
        """The host as its own configuration describes it."""
        return cls(shell, tomllib.loads(shell.root(f"cat {CONFIG}")))

    def setting(self, section: str, key: str, default: object) -> Any:  # noqa: ANN401  as TOML is
        """What the configuration says."""
        return self.config.get(section, {}).get(key, default)

    @property
    def port(self) -> int:
        return int(self.setting("server", "port", 8080))

    @property
    def domain(self) -> str:
        """The name that the proxy's certificate is for; empty where no public address is configured."""
        return urlsplit(str(self.setting("server", "public_url", ""))).hostname or ""

    def inside(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """What the service itself answers, asked on the host."""
        options = "".join(f" --header '{name}: {value}'" for name, value in (headers or {}).items())
        said = self.shell.types(
            f"curl --silent --include --max-time {SECONDS}{options} 'http://127.0.0.1:{self.port}{path}'"
        )
        assert said.code in {0, 28}, said.text
        head, _, body = said.out.replace("\r\n", "\n").partition("\n\n")
        status, *lines = head.splitlines()
        names = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(int(status.split()[1]), names, body.encode())

    def outside(
        self,
        path: str,
        *,
        port: int = 443,
        tls: bool = True,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        """What the proxy answers to this machine, asked for its domain."""
        connection: http.client.HTTPConnection = http.client.HTTPConnection(self.shell.address, port, timeout=SECONDS)
        if tls:
            connection = Named(self.shell.address, self.domain, port)
        try:
            connection.request(method, path, headers={"Host": self.domain, **(headers or {})})
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, b"" if response.status == 101 else response.read())
        finally:
            connection.close()

    def doctor(self) -> Any:  # noqa: ANN401  as JSON is
        """What `chat-server doctor --json` says, as root."""
        said = self.shell.types(f"sudo --non-interactive {EXECUTABLE} doctor --json")
        assert said.code in {0, 2}, said.text
        return json.loads(said.out)

    def sql(self, statement: str) -> str:
        """What the sqlite3 shell answers, on the running server's database."""
        return self.shell.root(f"sqlite3 -readonly {DATABASE}", given=statement).rstrip("\n")


class Named(http.client.HTTPSConnection):
    """HTTPS to an address, for a name; whether the certificate is trusted is looked at elsewhere."""

    def __init__(self, address: str, name: str, port: int = 443) -> None:
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE
        super().__init__(address, port, timeout=SECONDS, context=self._trusting)
        self._name = name

    def connect(self) -> None:
        """Connects to the address, and asks for the name."""
        plain = socket.create_connection((self.host, self.port), SECONDS)
        self.sock = self._trusting.wrap_socket(plain, server_hostname=self._name)
