"""Which pages of other origins may call the API from a browser (Fetch standard, CORS protocol)."""

from __future__ import annotations

from collections.abc import Collection

import falcon

from chat_server.http.request import Request

METHODS = "GET, POST, DELETE, OPTIONS"
HEADERS = "Authorization, Content-Type"
EXPOSED = "Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id"
MAX_AGE_SECONDS = 600


class Cors:
    """Answers preflights with 204, and names the page's origin on every answer to a request that could be read."""

    def __init__(self, origins: Collection[str]) -> None:
        self._origins = frozenset(origins)

    def process_request(self, req: Request, resp: falcon.Response) -> None:
        """A preflight is answered here: it is about the server, not about one address."""
        if req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method") is not None:
            if req.get_header("Origin") in self._origins:
                resp.set_header("Access-Control-Allow-Methods", METHODS)
                resp.set_header("Access-Control-Allow-Headers", HEADERS)
                resp.set_header("Access-Control-Max-Age", str(MAX_AGE_SECONDS))
            resp.status = 204
            resp.complete = True

    def process_response(self, req: Request, resp: falcon.Response, resource: object, succeeded: bool) -> None:
        for name, value in self.headers(req.get_header("Origin")).items():
            resp.append_header(name, value)

    def headers(self, origin: str | None) -> dict[str, str]:
        """What an answer says to the browser, `origin` being that of the page which asked."""
        if not self._origins:
            return {}
        told = {"Vary": "Origin"}
        if origin is not None and origin in self._origins:
            told |= {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
        return told
