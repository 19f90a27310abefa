"""What people reach as https://localhost: chat-server behind its proxy."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any

from tests.client import PASSWORD, Answer
from tests.device import Device

CLIENT = "127.0.0.2"
"""The address that requests come from; a proxy on this machine has 127.0.0.1."""


@dataclass(frozen=True)
class Site:
    """`trust` is in the certificates that its proxy signs."""

    port: int
    http_port: int
    trust: ssl.SSLContext

    def request(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Header names are written with underscores."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, source_address=(CLIENT, 0), context=self.trust, timeout=20
        )
        sent = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        try:
            connection.request(method, path, json.dumps(body) if body else None, sent)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def is_well(self) -> bool:
        """Whether the proxy has its certificate by now, and the service answers through it."""
        try:
            return self.request("GET", "/health").status == 200
        except OSError:
            return False

    def sign_up(self, username: str, **headers: str) -> Any:  # noqa: ANN401  as JSON is
        body = {"username": username, "password": PASSWORD}
        return self.request("POST", "/auth/signup", body, **headers).succeeded()

    def addresses(self, token: str) -> set[str]:
        """Where the server saw this person sign in from."""
        devices = self.request("GET", "/user/me/sessions", Authorization=f"Bearer {token}").succeeded()
        return {device["address"] for device in devices["sessions"]}

    @property
    def socket_url(self) -> str:
        """Where WebSockets are opened (`tests.device.Reachable`)."""
        return f"wss://localhost:{self.port}/socket"

    def device(self, token: str) -> Device:
        """A device, connected, of whoever has been given the token."""
        return Device(self, token, tls=self.trust, source=CLIENT)
