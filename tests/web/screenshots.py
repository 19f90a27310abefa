"""`python -m tests.web.screenshots FOLDER`: the page's screens, light and dark, on a desktop and on a phone."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.device import online
from tests.server import Server, running_server
from tests.web.conftest import CHROMIUM
from tests.web.visitor import Visitor

SIZES = {"desktop": (1200, 760), "phone": (390, 780)}
WORDS = (
    ("ben", "Are you coming on Saturday?"),
    ("ada", "Yes! I'll bring the big pot."),
    (
        "ada",
        "Shall I ask Mei as well? She makes the best dumplings I know, and she lives round the corner now.",
    ),
    ("ben", "Please do 🥟"),
    ("ben", "The way there: https://example.org/way?to=the+lake"),
)


def main(folder: Path) -> int:
    """Leaves the pictures in the folder, and names them."""
    if CHROMIUM is None:
        print("there is no chromium: apt install chromium", file=sys.stderr)
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for size in SIZES:
            for dark in (False, True):
                with (
                    tempfile.TemporaryDirectory() as directory,
                    running_server(Path(directory), rate_limit={"enabled": False}) as server,
                ):
                    _screens(browser, server, folder, size, dark=dark)
        browser.close()
    return 0


def _screens(browser: Browser, server: Server, folder: Path, size: str, *, dark: bool) -> None:
    width, height = SIZES[size]
    ada = Visitor(browser, server.url, "ada", width=width, height=height, dark=dark)

    def take(name: str) -> None:
        file = folder / f"{name}-{size}-{'dark' if dark else 'light'}.png"
        ada.page.screenshot(path=file)
        print(file)

    ada.open()
    expect(ada.page.get_by_role("button", name="Sign in")).to_be_visible()
    take("entrance")
    ada.sign_up()
    ben, mei = (server.client().sign_up(name) for name in ("ben", "mei"))
    with online(server, ben) as bens, online(server, mei) as meis:
        meis.say(ada.person, "The pot is back, thank you!")
        ada.find("ben")
        for who, text in WORDS:
            if who == "ada":
                ada.write(text)
                ada.sees_status(text, "delivered")
            else:
                bens.say(ada.person, text)
        bens.send("read", {"conversationId": ada.page.url.rpartition("/")[2], "upToSeq": len(WORDS)})
        ada.sees_status(WORDS[2][1], "read")
        ada.composer.fill("See you there")
        take("conversation")
        ada.page.get_by_role("button", name="Search this conversation").click()
        ada.page.get_by_role("searchbox", name="Search this conversation").fill("the")
        expect(ada.page.locator("mark").first).to_be_visible()
        take("search")
        ada.page.goto(f"{server.url}/#/")
        take("list")
        ada.open_account()
        take("account")
    ada.leave()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
