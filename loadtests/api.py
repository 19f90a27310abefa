"""The server's REST API, as far as load tests call it."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from loadtests.host import Host

TIMEOUT_SECONDS = 30
PATIENCE_SECONDS = 120

Body = dict[str, Any]


class RefusedError(Exception):
    """The server answered with an error. `retry_after`: seconds, 0 where it did not say."""

    def __init__(self, status: int, code: str, message: str, retry_after: float) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.retry_after = retry_after


class UnreachableError(Exception):
    """There was no answer, or none that could be understood."""


class Api:
    """Calls over connections that are kept for the next one; as many as there are calls at a time.

    `refused` is told the code of every error that was answered, such as RATE_LIMITED.
    """

    def __init__(self, host: Host, *, refused: Callable[[str], None]) -> None:
        self.host = host
        self._refused = refused
        self._idle: list[http.client.HTTPConnection] = []

    def call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        token: str = "",
        query: Mapping[str, object] | None = None,
    ) -> Body:
        """The answer's JSON. Raises RefusedError, UnreachableError."""
        target = self.host.prefix + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        payload = json.dumps(body).encode() if body is not None else None
        try:
            status, retry_after, content = self._exchange(method, target, payload, headers)
            answer: Body = json.loads(content) if content else {}
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnreachableError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        if status >= 400:
            code = str(answer.get("error", status))
            self._refused(code)
            raise RefusedError(status, code, str(answer.get("message", "")), retry_after)
        return answer

    def call_patiently(self, method: str, path: str, body: Body | None = None, *, token: str = "") -> Body:
        """As `call`, but comes back when the server says it is busy, for at most two minutes."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.call(method, path, body, token=token)
            except RefusedError as error:
                if error.code != "BUSY" or time.monotonic() > deadline:
                    raise
                time.sleep((error.retry_after or 1.0) * random.uniform(1.0, 1.5))

    def _exchange(
        self, method: str, target: str, payload: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, float, bytes]:
        """Status, Retry-After and body. A kept connection that the server has closed meanwhile is replaced."""
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else self._new()
            try:
                connection.request(method, target, payload, dict(headers))
                response = connection.getresponse()
                content = response.read()
            except (ConnectionError, http.client.RemoteDisconnected):
                connection.close()
                if kept:
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            return response.status, float(response.headers.get("Retry-After") or 0), content

    def _new(self) -> http.client.HTTPConnection:
        host = self.host
        if host.tls is None:
            return http.client.HTTPConnection(host.name, host.port, timeout=TIMEOUT_SECONDS)
        return http.client.HTTPSConnection(host.name, host.port, timeout=TIMEOUT_SECONDS, context=host.tls)
