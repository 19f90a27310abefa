"""Chapter 7, its end: a page of another site calls the API from a browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from infra_tests.drills import proxy
from infra_tests.drills.browser import OTHER_SITES, Browser
from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill
from tests.client import PASSWORD

APP, OTHER = OTHER_SITES
BLOCKED = "blocked by CORS policy"
LOG_IN = """
async ([server, username, password]) => {
  const asked = async (path, options) => (await fetch(server + path, options)).json();
  const { token } = await asked("/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username, password }),
  });
  return await asked("/user/me", { headers: { Authorization: `Bearer ${token}` } });
}
"""
ADDED_BY_THE_GUIDE = (
    "add_header 'Access-Control-Allow-Origin' '*' always; "
    "add_header 'Access-Control-Allow-Methods' 'GET, POST, DELETE, OPTIONS' always; "
    "add_header 'Access-Control-Allow-Headers' 'Authorization, Content-Type' always; "
    "if ($request_method = 'OPTIONS') { return 204; }"
)


class PageOfAnotherSite(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Any page: it is what is run in it that counts."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Another site</title>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the library has it
        """Nobody reads it."""


@dataclass(frozen=True)
class OtherSite:
    """A page of another origin in a browser, whose user has an account."""

    origin: str
    page: Page
    account: list[str]

    def call(self) -> Any:  # noqa: ANN401  as JSON is
        """Logs in, and asks who that is. Raises playwright's Error where the browser does not let it."""
        return self.page.evaluate(LOG_IN, self.account)

    def may_call(self) -> bool:
        """Whether the browser lets it."""
        try:
            self.call()
        except Error:
            return False
        return True

    def refusal(self) -> str:
        """The console's line about an answer that the browser keeps from the page."""
        refused = pytest.raises(Error, match="Failed to fetch")
        with self.page.expect_console_message(lambda message: BLOCKED in message.text) as told, refused:
            self.call()
        return told.value.text


@pytest.fixture
def port() -> Iterator[int]:
    """Where the other sites' web server listens."""
    with web_server() as server:
        yield server.server_port


@contextmanager
def web_server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), PageOfAnotherSite) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def other_site(drill: Drill, browser: Browser, origin: str) -> OtherSite:
    """The page is open."""
    page = browser.page(careful=False)
    page.goto(f"{origin}/")
    return OtherSite(origin, page, [drill.public_url, drill.talk.people[0].person.username, PASSWORD])


def allowed(drill: Drill, origin: str) -> str:
    """What the server says to who asks whether pages of an origin may call."""
    asked = f"curl -s -i -H 'Origin: {origin}' http://localhost:8080/health"
    return drill.ours(f"{asked} | grep -i '^access-control' || echo 'not allowed'").out


@pytest.mark.entry("7.4")
def test_pages_of_another_site_may_call_once_their_origin_is_configured(
    drill: Drill, browser: Browser, port: int
) -> None:
    site, stranger = (other_site(drill, browser, f"http://{name}:{port}") for name in (APP, OTHER))
    with drill.provoked("a page of another site calls the API"):
        assert site.origin in site.refusal()

    with drill.diagnosed():
        assert allowed(drill, site.origin) == "not allowed\n"
    drill.named_by_doctor("cors", status="ok", seen="none beside the server's own")

    with drill.cured():
        drill.configure("server", "cors_origins", f'["{site.origin}"]')
        drill.restart()
        assert site.origin in allowed(drill, site.origin)
        assert site.call()["username"] == site.account[1]
        assert stranger.origin in stranger.refusal()
        drill.named_by_doctor("cors", status="ok", seen=site.origin)


@pytest.mark.entry("7.4")
def test_headers_that_the_proxy_adds_let_everybody_in_or_nobody(drill: Drill, browser: Browser, port: int) -> None:
    site, stranger = (other_site(drill, browser, f"http://{name}:{port}") for name in (APP, OTHER))
    with drill.provoked("the proxy adds headers for any origin, beside the server's own"):
        proxy.edit(drill, rf"/location \/ \{{/,/\}}/s|proxy_pass|{ADDED_BY_THE_GUIDE}\n&|")
        proxy.reload(drill)
        wait_for("any site's pages let in", stranger.may_call)
        drill.configure("server", "cors_origins", f'["{site.origin}"]')
        drill.restart()
        refusal = site.refusal()

    with drill.diagnosed():
        assert "multiple values" in refusal
        assert allowed(drill, site.origin).count(site.origin) == 1
    drill.named_by_doctor("cors", seen="lets the pages of any site in")

    with drill.cured():
        proxy.edit(drill, "/Access-Control/d")
        proxy.reload(drill)
        wait_for("the site's own pages let in", site.may_call)
        assert stranger.origin in stranger.refusal()
        drill.named_by_doctor("cors", status="ok", seen=site.origin)
