"""Somebody who types a document on the host, section by section."""

from __future__ import annotations

import json
import ssl
import time
import urllib.request
from collections.abc import Mapping

from infra_tests.documents.faults import CONFIG, FAULTS, WORDS, Fault
from infra_tests.documents.people import GIVEN, AtHand
from infra_tests.documents.reading import Block, Section
from infra_tests.drills.disposable import Disposable
from infra_tests.drills.running import Running
from infra_tests.shell import Shell

BLOCK_SECONDS = 180
WELL_SECONDS = 30
NOTHING = AtHand()


class Reader:
    """`placeholders`: what the documents' example names are on this host."""

    def __init__(self, shell: Shell, placeholders: Mapping[str, str]) -> None:
        self.shell = shell
        self._placeholders = placeholders

    def types(self, block: Block) -> str:
        """Types a block, and holds it to what its comment says; gives what was to be seen."""
        notes = block.notes
        if "on" in notes and notes["on"] != self.shell.suite:
            return ""
        if fault := notes.get("fault"):
            self.provoke(FAULTS[fault])
        at_hand = GIVEN[notes["given"]](self.shell) if "given" in notes else NOTHING
        line = f"{at_hand.variables}\nset -e\n{self.here(block.typed)}"
        if until := notes.get("until"):
            return self._types_until(line, until)
        typed = self.shell.types(line, given=at_hand.standard_input, seconds=BLOCK_SECONDS)
        assert typed.code == int(notes.get("exit", "0")), f"{block} ended with {typed.code}: {typed.text}"
        assert notes.get("shows", "") in typed.text, f"{block} does not show {notes['shows']!r}: {typed.text}"
        if left := notes.get("leaves"):
            assert left in self.shell.root(f"cat {CONFIG}").splitlines(), f"{block} does not leave {left!r}"
        return typed.text

    def provoke(self, fault: Fault) -> None:
        """Breaks the host in that way."""
        self._as_root(fault.breaks)

    def mend(self, section: Section) -> None:
        """Takes away what the section's faults have put on the host beside what its commands cure."""
        for block in section.blocks:
            if "fault" in block.notes and (mends := FAULTS[block.notes["fault"]].mends):
                self._as_root(mends)

    def here(self, text: str) -> str:
        """The text with this host's names."""
        for placeholder, value in self._placeholders.items():
            text = text.replace(placeholder, value)
        return text

    def _as_root(self, script: str) -> None:
        self.shell.root(f"{WORDS}\n{self.here(script)}", seconds=BLOCK_SECONDS)

    def _types_until(self, line: str, phrase: str) -> str:
        typing = Running(self.shell.command(f"stty sane\n{line}", terminal=True))  # else Ctrl-C is but a character
        try:
            seen = typing.wait_for(phrase)
            typing.press_ctrl_c()
        finally:
            typing.end()
        return seen


def wait_until_well(host: Disposable, domain: str) -> None:
    """Returns when the service is healthy on the port it is configured for, and people reach it through the proxy."""
    deadline = time.monotonic() + WELL_SECONDS
    while said := _unwell(host, domain):
        assert time.monotonic() < deadline, f"not well after {WELL_SECONDS} s: {said}"
        time.sleep(0.2)


def answers_outside(shell: Shell, domain: str) -> dict[str, object]:
    """What the site says of itself over the network: its status alone. Whose certificate it has is not looked at."""
    anybody = ssl._create_unverified_context()
    request = urllib.request.Request(f"https://{shell.address}/health", headers={"Host": domain})
    with urllib.request.urlopen(request, timeout=5, context=anybody) as answer:
        return {"status": json.loads(answer.read())["status"]}


def _unwell(host: Disposable, domain: str) -> str:
    asked = host.shell.types("sudo chat-server healthcheck")
    if asked.code:
        return asked.text
    try:
        said = answers_outside(host.shell, domain)
    except OSError as failure:
        return f"from outside: {failure}"
    return "" if said == {"status": "healthy"} else str(said)
