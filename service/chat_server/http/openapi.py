"""/openapi.json: the API described by the same declarations that parse its requests (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from chat_server import __version__
from chat_server.chat.sessions import UnauthorizedError
from chat_server.http.endpoint import Declaration, Document, declared, endpoint
from chat_server.http.errors import (
    BodyTooLargeError,
    ErrorBody,
    InvalidBodyError,
    InvalidJsonError,
    InvalidQueryError,
    MalformedRequestError,
    MediaTypeError,
    TooManyRequestsError,
    refusal_of,
)
from chat_server.storage.errors import StorageUnavailableError

ANY_CALL: tuple[type[Exception], ...] = (MalformedRequestError, TooManyRequestsError, StorageUnavailableError)
ANY_BODY = (InvalidJsonError, InvalidBodyError, MediaTypeError, BodyTooLargeError)

Json = dict[str, Any]


class OpenApi:
    """Describes the routes it is given, and itself."""

    def __init__(self, routes: Mapping[str, object]) -> None:
        described = describe({**routes, "/openapi.json": self})
        self._document = msgspec.json.encode(described)

    @endpoint(content_type="application/json")
    def on_get(self) -> Document:
        """This description."""
        return Document(self._document, "application/json")


def describe(routes: Mapping[str, object]) -> Json:
    """The OpenAPI document of these addresses and Falcon resources."""
    calls = {path: declared(resource) for path, resource in routes.items()}
    every = [call for methods in calls.values() for call in methods.values()]
    types = {kind for call in every for kind in (call.body, call.query, call.returns) if kind is not None}
    _, components = msgspec.json.schema_components(
        [*sorted(types, key=lambda kind: kind.__name__), ErrorBody], ref_template="#/components/schemas/{name}"
    )
    queries = {call.query.__name__ for call in every if call.query is not None}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chat-server",
            "version": __version__,
            "description": "Private chat for two people at a time. Times are milliseconds since the Unix epoch.",
        },
        "paths": {
            public_path(path): {
                method.lower(): _operation(path, method, call, components) for method, call in methods.items()
            }
            for path, methods in calls.items()
        },
        "components": {
            "schemas": {name: schema for name, schema in components.items() if name not in queries},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def public_path(path: str) -> str:
    """A route as the API's readers know it: its fields in camelCase, like all names of the API."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), path)


def refused(call: Declaration) -> list[type[Exception]]:
    """All that a call may be refused for."""
    refusals = [*ANY_CALL, *call.refuses]
    if call.authenticated:
        refusals.append(UnauthorizedError)
    if call.body is not None:
        refusals += ANY_BODY
    if call.query is not None:
        refusals.append(InvalidQueryError)
    return refusals


def _operation(path: str, method: str, call: Declaration, components: Mapping[str, Any]) -> Json:
    summary, _, description = call.description.partition("\n")
    operation: Json = {
        "operationId": f"{method.lower()}{call.name}",
        "summary": summary,
        "parameters": [*_path_parameters(path), *_query_parameters(call, components)],
        "responses": {**_successes(call), **_errors(call)},
    }
    if description.strip():
        operation["description"] = " ".join(description.split())
    if call.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(call.body)}
    if call.authenticated:
        operation["security"] = [{"bearer": []}]
    return operation


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", public_path(path))
    ]


def _query_parameters(call: Declaration, components: Mapping[str, Any]) -> list[Json]:
    if call.query is None:
        return []
    schema = components[call.query.__name__]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": kind}
        for name, kind in schema["properties"].items()
    ]


def _successes(call: Declaration) -> Json:
    content: Json = {}
    if call.returns is not None:
        content = {"content": _json(call.returns)}
    elif call.content_type:
        content = {"content": {call.content_type: {}}}
    return {str(status): {"description": HTTPStatus(status).phrase, **content} for status in call.statuses}


def _errors(call: Declaration) -> Json:
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for error in refused(call):
        refusal = refusal_of(error)
        codes[refusal.status].append(refusal.code)
    return {
        str(status): {"description": ", ".join(sorted(set(named))), "content": _json(ErrorBody)}
        for status, named in sorted(codes.items())
        if status not in call.statuses
    }


def _json(kind: type[Struct]) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
