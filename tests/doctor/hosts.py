"""Hosts with a journal, for a machine that has none: what a real server has logged stands in for it."""

from __future__ import annotations

import re
import time
from pathlib import Path

from chat_server.configuration import load_without_secret
from chat_server.operations.doctor.report import Check, Question, answer
from chat_server.operations.doctor.site import Site
from tests.server import Server

JOURNAL = {"log_format": "journal"}
"""Of a server's configuration: it writes what journald takes, a priority before each line."""


def site(config: Path, *, journal: list[str]) -> Site:
    """A host whose journal has these lines in its last hour."""
    seen = Site(config, load_without_secret(config, {}), "", "", time.time_ns() // 1_000_000)
    seen.__dict__["journal"] = journal
    return seen


def examine(server: Server, question: Question) -> Check:
    """One question about a server that runs, or ran, with `JOURNAL`."""
    lines = [re.sub(r"^<\d>", "", line) for line in server.logged().splitlines()]
    return answer(question, site(server.config, journal=lines))
