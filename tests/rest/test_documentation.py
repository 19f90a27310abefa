"""docs/api.md has every call and every error code, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from chat_server.http.errors import REFUSALS, UNFORESEEN, Refusal
from tests.server import Server

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
UPGRADES_ONLY = {"TOO_MANY_CONNECTIONS", "UNAVAILABLE"}


def test_every_call_is_documented_and_no_other(shared_server: Server) -> None:
    paths = shared_server.client().get("/openapi.json").succeeded()["paths"]
    calls = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^### `(\w+ \S+)`$", PAGE, re.MULTILINE)) == calls


def test_every_error_code_is_documented_with_its_status_and_no_other() -> None:
    documented = {
        (code, int(status))
        for code, statuses in re.findall(r"^\| `(\w+)` \| ([0-9, ]+) \|", PAGE, re.MULTILINE)
        for status in statuses.split(", ")
    }
    known: list[Refusal] = [*REFUSALS.values(), UNFORESEEN]
    assert documented == {(refusal.code, refusal.status) for refusal in known}


def test_no_code_is_mentioned_that_there_is_not() -> None:
    codes = {refusal.code for refusal in REFUSALS.values()} | {UNFORESEEN.code} | UPGRADES_ONLY
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", PAGE)) <= codes


def test_what_each_call_may_fail_with_is_documented_with_it(shared_server: Server) -> None:
    """Those beside what any call of its kind may fail with."""
    everywhere = {"BAD_REQUEST", "SERVER_ERROR", "INVALID_JSON", "INVALID_REQUEST", "INVALID_QUERY", "UNAUTHORIZED"}
    everywhere |= {"UNSUPPORTED_MEDIA_TYPE", "BODY_TOO_LARGE", "RATE_LIMITED"}
    sections = dict(re.findall(r"^### `(\w+ \S+)`\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
    paths = shared_server.client().get("/openapi.json").succeeded()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            section = sections[f"{method.upper()} {path}"]
            if "Fails as" in section:
                continue
            errors = ", ".join(
                response["description"] for status, response in operation["responses"].items() if status >= "400"
            )
            codes = set(re.findall(r"[A-Z]+_[A-Z_]+|BUSY|BLOCKED", errors)) - everywhere
            assert codes <= set(re.findall(r"`(\w+)`", section)), (method, path)
