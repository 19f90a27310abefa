"""One HTTP exchange with a server, or with the proxy before it: to an address of our choice, over TLS or not."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import msgspec

from chat_server.config import ServerSection
from chat_server.operations import probe

PATIENCE_SECONDS = 4
MOST_BYTES = 262_144

_STANDARD_PORTS = {"http": 80, "https": 443}


class NoAnswerError(Exception):
    """Nothing answered, or nothing that speaks HTTP. Its text is one line that names the place."""


class RefusedConnectionError(NoAnswerError):
    """Nobody listens there."""


class UnknownNameError(NoAnswerError):
    """The name leads to no address."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to ask: `connect_to` is where the connection goes, `host` and `port` are what TLS and HTTP are told."""

    scheme: str
    host: str
    port: int
    connect_to: str

    @classmethod
    def of(cls, url: str) -> Place:
        """The place of an origin, such as "https://chat.example.org", by its name."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        return cls(parts.scheme, host, parts.port or _STANDARD_PORTS[parts.scheme], host)

    def at(self, address: str) -> Place:
        """The same, asked for at another address."""
        return replace(self, connect_to=address)

    @property
    def authority(self) -> str:
        """Host and port as HTTP's Host field has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _STANDARD_PORTS[self.scheme] else f"{host}:{self.port}"

    def url(self, path: str = "") -> str:
        """The address of a path there, as people write it."""
        return f"{self.scheme}://{self.authority}{path}"

    def asked(self, path: str) -> str:
        """The same, and where it was asked for."""
        return self.url(path) if self.connect_to == self.host else f"{self.url(path)}, asked of {self.connect_to},"

    def __str__(self) -> str:
        return self.asked("").rstrip(",")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; a header may be there twice."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """All headers of that name."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    @property
    def error(self) -> str:
        """The code of an error of ours; empty where the answer is none."""
        try:
            return msgspec.json.decode(self.body, type=_Error).error
        except msgspec.DecodeError:
            return ""


class _Error(msgspec.Struct, frozen=True):
    error: str
    timestamp: int


def here(server: ServerSection) -> Place:
    """Where a server with this configuration answers its own machine."""
    return Place.of(probe.address(server))


def ask(place: Place, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Asks once, with at most 4 s for each step. Whoever answers is believed to be the place: nothing secret is sent.

    Raises NoAnswerError.
    """
    connection = http.client.HTTPConnection(place.host, place.port, timeout=PATIENCE_SECONDS)
    with closing(connection):
        try:
            connection.sock = _connected(place) if place.scheme == "http" else secured(place, _unverified())
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": place.authority, "Connection": "close", **(headers or {})}.items():
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read(MOST_BYTES))
        except TimeoutError:
            raise NoAnswerError(f"{place} gives no answer within {PATIENCE_SECONDS} s") from None
        except http.client.RemoteDisconnected:
            raise NoAnswerError(f"{place} hangs up without an answer") from None
        except http.client.HTTPException:
            raise NoAnswerError(f"{place} does not speak HTTP") from None
        except OSError as error:
            raise NoAnswerError(f"{place}: {error.strerror or error}") from None


def upgrade(place: Place) -> Answer:
    """Asks for a WebSocket without a token, which a server of ours answers with 401. Raises NoAnswerError."""
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
    }
    return ask(place, "/socket", headers=asked)


def secured(place: Place, tls: ssl.SSLContext) -> ssl.SSLSocket:
    """A TLS connection to the place. Raises NoAnswerError; SSLCertVerificationError where `tls` asks for more."""
    plain = _connected(place)
    try:
        return tls.wrap_socket(plain, server_hostname=place.host)
    except ssl.SSLCertVerificationError:
        plain.close()
        raise
    except OSError as error:
        plain.close()
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAnswerError(f"{place}: no TLS there ({reason or error})") from None


def _connected(place: Place) -> socket.socket:
    try:
        return socket.create_connection((place.connect_to, place.port), timeout=PATIENCE_SECONDS)
    except socket.gaierror:
        raise UnknownNameError(f"{place}: the name {place.connect_to} leads to no address") from None
    except ConnectionRefusedError:
        raise RefusedConnectionError(f"{place}: nobody listens there") from None
    except TimeoutError:
        raise NoAnswerError(f"{place}: no connection within {PATIENCE_SECONDS} s") from None
    except OSError as error:
        raise NoAnswerError(f"{place}: {error.strerror or error}") from None


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the authorities, which take long to read
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
