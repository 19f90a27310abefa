"""A real browser: Debian's Chromium, as somebody has it on the machine that runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserType, Page, expect, sync_playwright

from rig.machine import PATH

PROGRAMS: Final = {"chromium": "chromium", "certutil": "libnss3-tools"}
"""What the browser needs on that machine, each program with its Debian package."""
OTHER_SITES: Final = ("app.example.org", "other.example.org")
"""In a drill's browser these names lead to the machine that it runs on."""
QUIET: Final = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
ROOTS: Final = Path(".local/share/pki/nssdb")
"""Below the home directory: the certificates that somebody has told the browser to believe."""
SECONDS: Final = 20


class Browser:
    """Given to a drill as `browser`. Nothing in it is left from another drill."""

    def __init__(self, chromium: BrowserType, home: Path, names: Mapping[str, str]) -> None:
        """`names` lead to these addresses, and no other name to any."""
        self._chromium = chromium
        self._home = home
        self._rules = ", ".join([*(f"MAP {name} {address}" for name, address in names.items()), "MAP * ~NOTFOUND"])
        self.console: list[str] = []
        """What the pages' consoles have shown, F12."""
        self._start()

    @classmethod
    @contextmanager
    def started(cls, home: Path, names: Mapping[str, str]) -> Iterator[Browser]:
        """One for the length of the block; `home` is the home directory of whoever uses it."""
        missing = [package for program, package in PROGRAMS.items() if not shutil.which(program, path=PATH)]
        assert not missing, f"the browser is missing on this machine: apt install {' '.join(missing)}"
        expect.set_options(timeout=SECONDS * 1000)
        with sync_playwright() as driver:
            browser = cls(driver.chromium, home, names)
            try:
                yield browser
            finally:
                browser.close()

    def page(self, *, careful: bool = True, scripts: bool = True, lacks: str = "") -> Page:
        """A new window, which shares nothing with the others.

        Who is not `careful` goes on past a warning of certificates. Without `scripts`, JavaScript is switched off.
        `lacks`: what this browser's scripts do not find, `WebSocket`.
        """
        context = self._browser.new_context(ignore_https_errors=not careful, java_script_enabled=scripts)
        context.set_default_timeout(SECONDS * 1000)
        if lacks:
            context.add_init_script(f"delete window.{lacks};")
        page = context.new_page()
        page.on("console", lambda message: self.console.append(message.text))
        return page

    def trust(self, certificate: Path) -> None:
        """Has the browser believe an authority, as its settings do; it is started anew for that."""
        roots = self._home / ROOTS
        roots.mkdir(parents=True, exist_ok=True)
        adding = ["certutil", "-d", f"sql:{roots}", "-A", "-n", certificate.stem, "-t", "C,,", "-i", str(certificate)]
        subprocess.run(adding, check=True, stdin=subprocess.DEVNULL, env={**os.environ, "PATH": PATH})
        self.close()
        self._start()

    def close(self) -> None:
        """Ends it."""
        self._browser.close()

    def _start(self) -> None:
        self._browser = self._chromium.launch(
            executable_path=shutil.which("chromium", path=PATH),
            env={**os.environ, "HOME": str(self._home)},
            chromium_sandbox=os.geteuid() != 0,  # root's Chromium has none
            args=[*QUIET, f"--host-resolver-rules={self._rules}"],
        )


def wait_until_it_says(page: Page, words: str) -> None:
    """Returns when the server's own page says so in the line about its state."""
    expect(page.get_by_role("status")).to_contain_text(words)


def wait_until_one_can_come_in(page: Page) -> None:
    """Returns when the server's own page offers to sign in."""
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
