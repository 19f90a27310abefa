"""The page people chat on, and what it loads: files of web/, read once, and never anything else."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import falcon

from chat_server.config import Registration
from chat_server.http.endpoint import Document, endpoint

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}
# The page runs what it loads from here, and nothing else; no text becomes markup (CSP Level 3, Trusted Types).
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; manifest-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types worker"
)
A_YEAR = 365 * 24 * 3600
INDEX = "index.html"
WORKER = "worker.js"
NAMED = re.compile(r"page/{version}/([\w.]+)")
REINSTALL = "sudo apt install --reinstall chat-server"


class PageMissingError(Exception):
    """A file of the page can't be read; the message names it."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file as it is sent, and compressed for who takes that."""

    plain: bytes
    compressed: bytes
    media_type: str


class PageFiles:
    """The files of web/, which have one version together: the digest of them all."""

    def __init__(self, registration: Registration) -> None:
        """`registration` is what the page's entrance offers. Raises PageMissingError."""
        index = _read(INDEX).decode().replace("{registration}", registration)
        others = {name: _read(name) for name in {WORKER, *NAMED.findall(index)}}
        digest = hashlib.sha256(index.encode() + b"".join(content for _, content in sorted(others.items())))
        self.version = digest.hexdigest()[:12]
        self.index = _file(INDEX, index.replace("{version}", self.version).encode())
        self.others = {name: _file(name, content) for name, content in others.items()}


class Page:
    def __init__(self, page_files: PageFiles) -> None:
        self._index = page_files.index

    @endpoint(content_type="text/html")
    def on_get(self, takes_gzip: bool) -> Document:
        """The page people chat on."""
        return _document(self._index, takes_gzip, {"Cache-Control": "no-cache"})


class PageAsset:
    def __init__(self, page_files: PageFiles) -> None:
        self._files = page_files

    @endpoint(content_type="*/*", refuses=(falcon.HTTPNotFound,))
    def on_get(self, version: str, name: str, takes_gzip: bool) -> Document:
        """A file that the page loads. Its address names the version, so what it gives never changes."""
        file = self._files.others.get(name)
        if file is None or version != self._files.version:
            raise falcon.HTTPNotFound
        headers = {"Cache-Control": f"public, max-age={A_YEAR}, immutable"}
        if name == WORKER:
            headers["Service-Worker-Allowed"] = "/"
        return _document(file, takes_gzip, headers)


def _read(name: str) -> bytes:
    try:
        return (files("chat_server") / "web" / name).read_bytes()
    except OSError as error:
        raise PageMissingError(f"the page cannot be read: {error}: {REINSTALL}") from error


def _file(name: str, content: bytes) -> PageFile:
    return PageFile(content, gzip.compress(content, mtime=0), MEDIA_TYPES[name.rpartition(".")[2]])


def _document(file: PageFile, takes_gzip: bool, headers: dict[str, str]) -> Document:
    headers |= {"Content-Security-Policy": POLICY, "Vary": "Accept-Encoding"}
    if not takes_gzip:
        return Document(file.plain, file.media_type, headers)
    return Document(file.compressed, file.media_type, headers | {"Content-Encoding": "gzip"})
