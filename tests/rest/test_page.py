"""The page at `/`: whole, and closed to all code but its own. How it behaves is tried in a browser, on a real host."""

from __future__ import annotations

import re

import pytest

from tests.server import Server


def test_the_page_is_html(shared_server: Server) -> None:
    answer = shared_server.client().request("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!doctype html>")


def test_what_the_page_loads_comes_from_the_server_too(shared_server: Server) -> None:
    client = shared_server.client()
    page = client.request("GET", "/").body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "page/" in loaded[0]
    for name in loaded:
        assert client.request("GET", f"/{name}").status == 200, name


@pytest.mark.parametrize(("name", "kind"), [("main.js", "text/javascript"), ("base.css", "text/css")])
def test_browsers_are_told_what_each_file_is(shared_server: Server, name: str, kind: str) -> None:
    """They refuse code of another type, as `nosniff` asks them to."""
    client = shared_server.client()
    [path] = re.findall(rf'(?:src|href)="(page/\w+/{name})"', client.request("GET", "/").body.decode())
    answer = client.request("GET", f"/{path}")
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_may_run_its_own_files_and_nothing_else(shared_server: Server) -> None:
    policy = shared_server.client().request("GET", "/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"


def test_answers_of_the_api_may_run_nothing(shared_server: Server) -> None:
    policy = shared_server.client().request("GET", "/health").headers["content-security-policy"]
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
