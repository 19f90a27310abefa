"""The page at `/`, and what it loads: files of web/, read once."""

from __future__ import annotations

from importlib.resources import files

from chat_server.http.endpoint import Document, endpoint

# The page runs what it loads from here, and nothing else (CSP Level 3).
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}
REINSTALL = "sudo apt install --reinstall chat-server"


class PageMissingError(Exception):
    """A file of the page can't be read; the message names it."""


class Page:
    def __init__(self) -> None:
        self._document = _document("index.html", "text/html")

    @endpoint(content_type="text/html")
    def on_get(self) -> Document:
        """The page for people: says whether chatting can work from this browser."""
        return self._document


class PageScript:
    def __init__(self) -> None:
        self._document = _document("page.js", "text/javascript")

    @endpoint(content_type="text/javascript")
    def on_get(self) -> Document:
        """The page's code."""
        return self._document


class PageStyle:
    def __init__(self) -> None:
        self._document = _document("page.css", "text/css")

    @endpoint(content_type="text/css")
    def on_get(self) -> Document:
        """The page's looks."""
        return self._document


def _document(name: str, media_type: str) -> Document:
    try:
        content = (files("chat_server") / "web" / name).read_bytes()
    except OSError as error:
        raise PageMissingError(f"the page cannot be read: {error}: {REINSTALL}") from error
    return Document(content, f"{media_type}; charset=utf-8", HEADERS)
