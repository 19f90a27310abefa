"""The REST side put together: every address, and what happens around each request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import falcon

from chat_server.chat.accounts import Accounts
from chat_server.chat.blocks import Blocks
from chat_server.chat.conversations import Conversations
from chat_server.chat.export import Exports
from chat_server.chat.presence import Presence
from chat_server.chat.sessions import Sessions
from chat_server.config import Config
from chat_server.http import accounts, blocks, conversations, export, page, sessions, system
from chat_server.http.authentication import Authentication
from chat_server.http.cors import Cors
from chat_server.http.errors import UNFORESEEN, answer, refusal_of
from chat_server.http.journal import Journal
from chat_server.http.limit import LimitRequests, RequestLimit
from chat_server.http.openapi import OpenApi
from chat_server.http.request import Request
from chat_server.observability.metrics import Metrics
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer

log = logging.getLogger("chat_server.http")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the REST side works with. server.py fills it."""

    config: Config
    clock: Callable[[], int]
    started_at: int
    accounts: Accounts
    sessions: Sessions
    blocks: Blocks
    conversations: Conversations
    presence: Presence
    readers: Readers
    writer: Writer
    limit: RequestLimit
    sockets: Callable[[], int]
    """How many WebSockets are open."""
    messages_per_second: Callable[[], float]
    metrics: Metrics


def routes(parts: Parts) -> dict[str, object]:
    """Every address and its Falcon resource."""
    database = Path(parts.config.database.path)
    pulse = system.Pulse(parts.writer, database, clock=parts.clock)
    exports = Exports(parts.readers)
    search_ms = parts.config.limits.search_ms
    page_files = page.PageFiles(parts.config.auth.registration)
    return {
        "/": page.Page(page_files),
        "/page/{version}/{name}": page.PageAsset(page_files),
        "/health": system.Health(pulse, clock=parts.clock, started_at=parts.started_at),
        "/status": system.Status(
            parts.readers,
            parts.writer,
            database=database,
            backups=Path(parts.config.backup.directory),
            sockets=parts.sockets,
            messages_per_second=parts.messages_per_second,
            clock=parts.clock,
            started_at=parts.started_at,
        ),
        "/metrics": system.MetricsPage(parts.metrics),
        "/auth/signup": accounts.SignUp(parts.accounts),
        "/auth/login": accounts.LogIn(parts.accounts),
        "/auth/refresh": sessions.Refresh(parts.sessions),
        "/auth/logout": sessions.LogOut(parts.sessions),
        "/user/me": accounts.Me(parts.accounts, parts.presence),
        "/user/me/sessions": sessions.MySessions(parts.sessions),
        "/user/me/sessions/{session_id}": sessions.MySession(parts.sessions),
        "/user/me/blocks": blocks.MyBlocks(parts.blocks),
        "/user/me/export": export.Export(parts.accounts, parts.sessions, parts.blocks, exports, clock=parts.clock),
        "/user/change-password": accounts.ChangePassword(parts.accounts),
        "/users/search": accounts.SearchUsers(parts.accounts, parts.presence),
        "/users/{user_id}/block": blocks.Block(parts.blocks),
        "/conversations": conversations.MyConversations(parts.conversations, parts.presence),
        "/conversations/start": conversations.StartConversation(parts.conversations, parts.presence),
        "/conversations/{conversation_id}/messages": conversations.History(parts.readers),
        "/conversations/{conversation_id}/search": conversations.SearchMessages(parts.readers, milliseconds=search_ms),
        "/socket": system.Socket(),
    }


def build(parts: Parts) -> falcon.App[Request, falcon.Response]:
    """The WSGI application."""
    around: list[Any] = [
        Journal(parts.metrics),
        LimitRequests(parts.limit),
        Cors(parts.config.server.cors_origins),
        Authentication(parts.sessions),
    ]
    app = falcon.App(request_type=Request, middleware=around)
    every_route = routes(parts)
    every_route["/openapi.json"] = OpenApi(every_route)
    for path, resource in every_route.items():
        app.add_route(path, resource)

    def refuse(req: Request, resp: falcon.Response, error: Exception, _params: dict[str, str]) -> None:
        if refusal_of(type(error)) is UNFORESEEN:
            log.error("request failed", {"path": req.path}, exc_info=error)
        answered = answer(error, now=parts.clock())
        resp.status = answered.status
        resp.set_headers(answered.headers)
        resp.data = answered.body

    app.add_error_handler(Exception, refuse)
    app.add_error_handler(falcon.HTTPError, refuse)
    return app
