"""A real browser, and people who sit before it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from typing import Protocol

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.server import Server
from tests.web.visitor import PATIENCE_MS, Visit, Visitor


class At(Protocol):
    """What has the page's address."""

    @property
    def url(self) -> str: ...


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

OTHER_HOST = "chat.example"
"""A name for this machine that browsers trust no more than any other host's."""
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1"]

_numbers = itertools.count(1)
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, shared_server: Server) -> Iterator[Visit]:
    """Opens the page in a browser of its own: `visit()`, `visit(server, width=320, dark=True)`.

    What the browser complains of by the end, code or policy, fails the test.
    """
    visitors: list[Visitor] = []

    def opened(server: At = shared_server, **looks: object) -> Visitor:
        visitor = Visitor(browser, server.url, f"visitor_{next(_numbers)}", **looks)  # type: ignore[arg-type]
        visitors.append(visitor)
        visitor.open()
        return visitor

    yield opened
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    for visitor in visitors:
        visitor.leave()
    assert complaints == []


@pytest.fixture
def ann(visit: Visit) -> Visitor:
    """Somebody who has just signed up."""
    visitor = visit()
    visitor.sign_up()
    return visitor


@pytest.fixture
def bob(visit: Visit) -> Visitor:
    """Somebody else."""
    visitor = visit()
    visitor.sign_up()
    return visitor
