"""What a call takes and gives, declared once: it parses the request, writes the answer, and is the documentation.

    class Start:
        @endpoint(status=201, refuses=(UserNotFoundError,))
        def on_post(self, caller: Caller, body: StartBody) -> Started: ...

The parameters' names say what is wanted: `caller` (needs a valid token), `bearer` (the token itself, whatever
its state), `device`, `takes_gzip`, `body`, `query`; every other one is a field of the path. Their types are what
msgspec parses into, and what /openapi.json shows. The result is a Struct (written as JSON), None (no body), a
`Reply` with a status chosen by the call, a `Document`, or a `Stream`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import falcon
import msgspec
from msgspec import Struct

from chat_server.chat.sessions import UnauthorizedError
from chat_server.http.errors import InvalidBodyError, InvalidJsonError, InvalidQueryError, MediaTypeError
from chat_server.http.request import Request

T = TypeVar("T", bound=Struct)
Responder = Callable[..., None]

_encoder = msgspec.json.Encoder()
_GIVEN = ("caller", "bearer", "device", "takes_gzip", "body", "query")


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """A JSON answer whose status the call chooses, among those it declares."""

    status: int
    body: T


@dataclass(frozen=True, slots=True)
class Document:
    """A finished answer of another kind. `headers` take the place of those that every answer has."""

    content: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stream:
    """JSON that is written as it is read from the database."""

    chunks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Declaration:
    """One call, as declared."""

    name: str
    description: str
    statuses: tuple[int, ...]
    refuses: tuple[type[Exception], ...]
    body: type[Struct] | None
    query: type[Struct] | None
    returns: type[Struct] | None
    content_type: str
    authenticated: bool
    wants: tuple[str, ...]


def endpoint(
    *, status: int = 200, or_status: int = 0, refuses: tuple[type[Exception], ...] = (), content_type: str = ""
) -> Callable[[Callable[..., object]], Responder]:
    """Makes a Falcon responder of a typed method. `refuses`: what it raises beyond what any call may."""

    def declare(function: Callable[..., object]) -> Responder:
        statuses = (status, or_status) if or_status else (status,)
        declaration = _declaration(function, statuses, refuses, content_type)

        @functools.wraps(function)
        def respond(self: object, req: Request, resp: falcon.Response, **path: str) -> None:
            given = {name: _give(name, req, declaration) for name in declaration.wants}
            resp.status = declaration.statuses[0]
            _write(resp, function(self, **path, **given))

        respond.declaration = declaration  # type: ignore[attr-defined]
        return respond

    return declare


def declared(resource: object) -> dict[str, Declaration]:
    """The calls of a Falcon resource, by method."""
    responders = inspect.getmembers(resource, lambda member: hasattr(member, "declaration"))
    return {name.removeprefix("on_").upper(): responder.declaration for name, responder in responders}


def _declaration(
    function: Callable[..., object],
    statuses: tuple[int, ...],
    refuses: tuple[type[Exception], ...],
    content_type: str,
) -> Declaration:
    hints = get_type_hints(function)
    returns = hints.pop("return")
    returns = get_args(returns)[0] if get_origin(returns) is Reply else returns
    is_json = isinstance(returns, type) and issubclass(returns, Struct)
    return Declaration(
        name=function.__qualname__.split(".")[0],
        description=inspect.getdoc(function) or "",
        statuses=statuses,
        refuses=refuses,
        body=hints.get("body"),
        query=hints.get("query"),
        returns=returns if is_json else None,
        content_type="application/json" if is_json or returns is Stream else content_type,
        authenticated="caller" in hints or "bearer" in hints,
        wants=tuple(name for name in _GIVEN if name in hints),
    )


def _give(name: str, req: Request, declaration: Declaration) -> object:
    match name:
        case "caller":
            if req.caller is None:
                raise UnauthorizedError
            return req.caller
        case "body":
            return _parse_body(req, declaration.body)
        case "query":
            return _parse_query(req, declaration.query)
        case _:
            return getattr(req, name)


def _parse_body(req: Request, kind: Any) -> object:  # noqa: ANN401  a Struct's class, which msgspec takes as Any
    media_type = (req.content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeError
    try:
        return msgspec.json.decode(req.bounded_stream.read(), type=kind)
    except msgspec.ValidationError as fault:
        raise InvalidBodyError(f"The body does not fit: {fault}.") from fault
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InvalidJsonError from fault


def _parse_query(req: Request, kind: Any) -> object:  # noqa: ANN401  likewise
    try:
        return msgspec.convert(req.params, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise InvalidQueryError(f"The query does not fit: {fault}.") from fault


def _write(resp: falcon.Response, result: object) -> None:
    match result:
        case None:
            pass
        case Reply(status=status, body=body):
            resp.status = status
            _write(resp, body)
        case Document(content=content, content_type=content_type, headers=headers):
            resp.content_type = content_type
            resp.set_headers(dict(headers))
            resp.data = content
        case Stream(chunks=chunks):
            resp.content_type = "application/json"
            resp.stream = chunks
        case _:
            resp.content_type = "application/json"
            resp.data = _encoder.encode(result)
