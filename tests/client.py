"""A small REST client, so that a test reads as what a person does."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

PASSWORD = "Correct-Horse-7"


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  as JSON is
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The code of an error, "" of a success."""
        return str(self.json["error"]) if self.status >= 400 else ""

    def succeeded(self) -> Any:  # noqa: ANN401  as JSON is
        """The JSON of an answer that must be a success; None where there is no body."""
        assert self.status < 400, f"{self.status}: {self.body.decode()}"
        return self.json if self.body else None


@dataclass(frozen=True)
class Person:
    """Somebody who has signed up, with a client that is signed in as them."""

    user_id: str
    username: str
    token: str
    client: Client


@dataclass(frozen=True)
class Client:
    """Each request goes over a connection of its own."""

    host: str
    port: int
    token: str = ""
    timeout: float = 30

    def signed_in(self, token: str) -> Client:
        return Client(self.host, self.port, token=token, timeout=self.timeout)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`body` is sent as JSON, or as it is when it is bytes."""
        sent = dict(headers or {})
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(method, path + (f"?{urlencode(query)}" if query else ""), data, sent)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def get(self, path: str, **query: object) -> Answer:
        return self.request("GET", path, query=query)

    def post(self, path: str, body: object = None, **query: object) -> Answer:
        return self.request("POST", path, body, query=query)

    def delete(self, path: str, body: object = None) -> Answer:
        return self.request("DELETE", path, body)

    def sign_up(self, username: str, password: str = PASSWORD) -> Person:
        made = self.post("/auth/signup", {"username": username, "password": password}).succeeded()
        return Person(made["userId"], made["username"], made["token"], self.signed_in(made["token"]))

    def log_in(self, username: str, password: str = PASSWORD) -> Answer:
        return self.post("/auth/login", {"username": username, "password": password})
