"""Bearer tokens (RFC 6750): who calls, for the calls that declare a `caller`."""

from __future__ import annotations

import falcon

from chat_server.chat.sessions import AccountDeletedError, Sessions, UnauthorizedError
from chat_server.http.request import Request


class Authentication:
    """Finds out who calls before the call's own code runs."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def process_resource(self, req: Request, resp: falcon.Response, resource: object, params: dict[str, str]) -> None:
        """Raises UnauthorizedError."""
        responder = getattr(resource, f"on_{req.method.lower()}", None)
        declaration = getattr(responder, "declaration", None)
        if declaration is None or "caller" not in declaration.wants:
            return
        try:
            req.caller = self._sessions.verify(req.bearer)
        except AccountDeletedError as gone:
            raise UnauthorizedError("the account was deleted") from gone
