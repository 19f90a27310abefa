"""A request as our code sees it: Falcon's, with who calls and from where."""

from __future__ import annotations

import secrets
import time
from typing import Any

import falcon

from chat_server.chat.sessions import Caller, Device


class Request(falcon.Request):
    """`caller` is set where the call needs a token, by authentication.py; `address` and `limited` by limit.py."""

    __slots__ = ("address", "caller", "limited", "request_id", "started")

    def __init__(self, env: dict[str, Any], options: falcon.RequestOptions | None = None) -> None:
        super().__init__(env, options)
        self.request_id = secrets.token_hex(8)
        self.started = time.monotonic()
        self.address = ""
        self.limited = True
        self.caller: Caller | None = None

    @property
    def device(self) -> Device:
        """Where the client is, and what it calls itself."""
        return Device(self.address, self.user_agent or "", limited=self.limited)

    @property
    def bearer(self) -> str:
        """The token of the Authorization header (RFC 6750, section 2.1); empty when there is none."""
        scheme, _, token = (self.auth or "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def takes_gzip(self) -> bool:
        """Whether an answer may be compressed: a coding of weight 0 is refused (RFC 9110, section 12.5.3)."""
        codings = (coding.strip().partition(";") for coding in (self.get_header("Accept-Encoding") or "").split(","))
        weights = {name.strip().lower(): weight.strip().lower() for name, _, weight in codings}
        return weights.get("gzip", weights.get("*", "q=0")) not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
