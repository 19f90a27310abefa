"""Whose request it is, and how many of theirs are answered in a minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import falcon

from chat_server.config import Config, RateLimitSection
from chat_server.http.errors import TooManyRequestsError, quota_headers
from chat_server.http.request import Request
from chat_server.observability.metrics import Metrics
from chat_server.security.addresses import Networks, client_address
from chat_server.security.throttle import Quota, RequestWindow


class RequestLimit:
    """Counts the requests of each client address; also those that become WebSockets, which Falcon never sees."""

    def __init__(self, config: Config, metrics: Metrics, *, clock: Callable[[], int]) -> None:
        self._trusted = Networks(config.server.trusted_proxies)
        self._window = RequestWindow(config.rate_limit.max_requests_per_minute)
        self._metrics = metrics
        self._clock = clock
        self.retune(config.rate_limit)

    def retune(self, rate_limit: RateLimitSection) -> None:
        """Takes the limits of a configuration that was reloaded."""
        self._enabled = rate_limit.enabled
        self._exempt = Networks(rate_limit.exempt_networks)
        self._window.retune(rate_limit.max_requests_per_minute)

    def address_of(self, environ: Mapping[str, Any]) -> str:
        """The client's address, by what trusted proxies say."""
        return client_address(
            environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR"), trusted=self._trusted
        )

    def applies_to(self, address: str) -> bool:
        """Whether limits of rate, of any kind, are for this address."""
        return self._enabled and address not in self._exempt

    def count(self, address: str) -> Quota:
        """Counts a request. Raises TooManyRequestsError when it is one too many."""
        quota = self._window.count(address, self._clock())
        if not quota.allowed:
            self._metrics.rate_limited.labels("request").inc()
            raise TooManyRequestsError(quota)
        return quota


class LimitRequests:
    """Falcon's side of the limit."""

    def __init__(self, limit: RequestLimit) -> None:
        self._limit = limit

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        req.address = self._limit.address_of(req.env)
        req.limited = self._limit.applies_to(req.address)
        if req.limited:
            resp.set_headers(quota_headers(self._limit.count(req.address)))
