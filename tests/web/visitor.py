"""A person before the page: what they do, in their words, and what they see."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.client import PASSWORD, Client, Person

PATIENCE_MS = 15_000

NO_SERVICE_WORKER = {"service_workers": "block"}
"""Options of a visitor whose requests are held up: Playwright misses some that pass by a service worker."""

# What a server that is away on purpose makes every browser say, and one without service workers.
EXPECTED = ("net::ERR_", "WebSocket connection to", "Failed to load resource", "Service Worker registration blocked")


class Visitor:
    """One person in a browser profile of their own. `name` is the username that they take."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        name: str,
        *,
        width: int = 1200,
        height: int = 800,
        dark: bool = False,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.complaints: list[str] = []
        looks: Any = {"color_scheme": "dark" if dark else "light", "viewport": {"width": width, "height": height}}
        self.context = browser.new_context(**looks, locale="en-GB", reduced_motion="reduce", **(options or {}))
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.on("console", self._heard)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.context.on("requestfailed", lambda request: print(f"{name}: {request.url}: {request.failure}"))
        self.page = self.context.new_page()

    def open(self, page: Page | None = None) -> None:
        """Opens the page."""
        (page or self.page).goto(self.url)

    def another_tab(self) -> Page:
        """A second tab of the same browser."""
        page = self.context.new_page()
        self.open(page)
        return page

    def looks_elsewhere(self) -> None:
        """Has another tab before them. Playwright's pages believe that they have the focus unless told otherwise."""
        self.context.new_cdp_session(self.page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        self.another_tab().bring_to_front()

    def leave(self) -> None:
        """Closes the browser."""
        self.context.close()

    def waits_for(self, promise: str, argument: object = None) -> None:
        """Waits until what the page promises is true. (Playwright's own waiting takes any promise for truth.)"""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(promise, argument):
            assert time.monotonic() < deadline, promise
            self.page.wait_for_timeout(50)

    # Coming and going.

    def sign_up(self, password: str = PASSWORD, invite: str = "") -> None:
        """Makes an account, and comes in."""
        self.page.get_by_role("button", name="I have no account yet").click()
        self.fill_in(password, invite)
        self.page.get_by_role("button", name="Create an account").click()
        expect(self.account).to_be_visible()

    def sign_in(self, password: str = PASSWORD) -> None:
        """Comes in with the account there is."""
        self.fill_in(password)
        self.page.get_by_role("button", name="Sign in").click()

    def fill_in(self, password: str, invite: str = "") -> None:
        self.page.get_by_label("Username").fill(self.name)
        self.page.get_by_label("Password").fill(password)
        if invite:
            self.page.get_by_label("Invite code").fill(invite)

    @property
    def person(self) -> Person:
        """Who they are to the API, with the token that the page has."""
        kept = json.loads(self.page.evaluate("localStorage['chat-session']"))
        client = Client("127.0.0.1", urlsplit(self.url).port or 80, kept["token"])
        return Person(kept["userId"], kept["username"], kept["token"], client)

    @property
    def account(self) -> Locator:
        """The way to one's account, which those have who are in."""
        return self.page.get_by_role("link", name=self.name, exact=True)

    def open_account(self) -> None:
        self.account.click()
        expect(self.page.get_by_role("heading", name="Devices you are signed in on")).to_be_visible()

    # People.

    def find(self, name: str) -> None:
        """Looks for somebody by name, and opens the conversation with them."""
        self.page.get_by_label("Find people").fill(name)
        self.page.get_by_label("People found").get_by_role("button", name=name, exact=True).click()
        expect(self.page.get_by_label(f"Message to {name}")).to_be_visible()

    def row(self, name: str) -> Locator:
        """The conversation with somebody, in the list."""
        return self.page.get_by_label("Conversations").get_by_role("link").filter(has_text=name)

    def open_conversation(self, name: str) -> None:
        self.row(name).click()
        expect(self.page.get_by_role("heading", name=name)).to_be_visible()

    # Messages.

    @property
    def composer(self) -> Locator:
        return self.page.locator("#compose")

    def write(self, *texts: str) -> None:
        """Writes messages in the conversation that is open."""
        for text in texts:
            self.composer.fill(text)
            self.composer.press("Enter")
            expect(self.composer).to_have_value("")

    def bubble(self, text: str) -> Locator:
        """The message with exactly this text."""
        return self.page.locator(".messages > li").filter(has=self.page.get_by_text(text, exact=True))

    def sees(self, *texts: str) -> None:
        """Waits until the conversation's messages are these, in this order."""
        expect(self.page.locator(".messages .content")).to_have_text(list(texts))

    def sees_status(self, text: str, status: str) -> None:
        """Waits until the message is marked as `pending`, `sent`, `delivered`, `read` or `failed`."""
        expect(self.bubble(text).locator(".mark")).to_have_attribute("data-status", status)

    def texts(self) -> Sequence[str]:
        """The messages on the screen, now."""
        return self.page.locator(".messages .content").all_inner_texts()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(known in message.text for known in EXPECTED):
            self.complaints.append(message.text)


Visit = Callable[..., Visitor]
"""Opens the page in a browser of its own."""
