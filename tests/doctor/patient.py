"""A host that is examined: the real `chat-server doctor`, on the configuration of a real server."""

from __future__ import annotations

import json
import shlex
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.commands.admin import Admin


@dataclass(frozen=True)
class Check:
    """As the JSON has it."""

    id: str
    entries: list[str]
    status: str
    seen: str
    remedy: str
    chapter: str


def ask(config: Path, *ids: str) -> dict[str, Check]:
    """The checks by their ids: those named, or all."""
    only = ("--only", *ids) if ids else ()
    done = Admin(config, config.with_name("chat.db")).run("doctor", "--json", *only)
    checks = {check["id"]: Check(**check) for check in json.loads(done.output)["checks"]}
    assert (done.code == 2) == any(check.status == "failure" for check in checks.values()), done.errors
    return checks


def ask_one(config: Path, check_id: str) -> Check:
    """One check alone."""
    return ask(config, check_id)[check_id]


def run_sql(remedy: str) -> None:
    """Does what `sudo -u USER sqlite3 FILE STATEMENTS` would."""
    words = shlex.split(remedy)
    assert (words[:2], words[3]) == (["sudo", "-u"], "sqlite3"), remedy
    with closing(sqlite3.connect(words[4], isolation_level=None)) as database:
        database.executescript(words[5])
