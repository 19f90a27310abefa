"""One log line per request, and what every answer carries."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

import falcon

from chat_server.http.request import Request
from chat_server.observability.logs import request_id
from chat_server.observability.metrics import Metrics

log = logging.getLogger("chat_server.http")

# An answer is for whoever asked: it is neither kept by caches, nor guessed at, framed or run as a page.
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Journal:
    """Counts each request, and logs it at debug. Never its query, which may hold a token."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        request_id.set(req.request_id)  # for every line that is logged on behalf of this request
        resp.set_headers(HEADERS)
        resp.set_header("X-Request-Id", req.request_id)

    def process_response(self, req: Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        seconds = time.monotonic() - req.started
        status = resp.status_code
        # Labels must be few, whatever strangers send.
        route = req.uri_template or "none"
        method = req.method if req.method in METHODS else "none"
        self._metrics.http_requests.labels(method, route, str(status)).inc()
        if resp.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._metrics.http_failures.inc()
        self._metrics.http_seconds.labels(route).observe(seconds)
        log.debug(
            "request",
            {
                "method": req.method,
                "path": req.path,
                "status": status,
                "ms": round(seconds * 1000, 1),
                "address": req.address,
            },
        )
        request_id.set(None)  # the greenlet goes on to the connection's next request
