"""The service's log of the last hour, as events with their fields."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site

KEPT = Path("/var/log/journal")
VOLATILE = Path("/run/log/journal")

# The area, behind time and level where lines are for people.
_HEAD = re.compile(r"(?:\S+ [A-Z]+ +)?[\w.]+: (.*)")
_FIELD = re.compile(r'(\w+)=("(?:\\.|[^"\\])*"|\S+)')


def events(site: Site, event: str) -> list[Mapping[str, str]]:
    """The fields of each line of the last hour that tells of this event. Raises CannotLookError without a journal."""
    return [fields(line) for line in lines(site) if tells(line, event)]


def tells(line: str, event: str) -> bool:
    """Whether the line is of this event: what strangers chose stands in its fields, and may hold the same words."""
    if line.startswith("{"):
        return fields(line).get("event") == event
    head = _HEAD.match(line)
    return head is not None and f"{head[1]} ".startswith(f"{event} ")


def lines(site: Site) -> list[str]:
    """The lines of the last hour. Raises CannotLookError where no journal can be read."""
    if not site.journal:
        check_readable()
    return site.journal


def check_readable() -> None:
    """Raises CannotLookError where there is no journal, or none for the user who asks."""
    files = [*files_in(KEPT), *files_in(VOLATILE)]
    if not files:
        raise CannotLookError("no journal here: the log goes wherever the server was started to write it")
    if not any(os.access(file, os.R_OK) for file in files if file.name == "system.journal"):
        raise CannotLookError("the journal can't be read by this user: run doctor as root")


def files_in(place: Path) -> list[Path]:
    """The journal's files there."""
    return list(place.glob("*/*.journal"))


def fields(line: str) -> dict[str, str]:
    """What stands behind the event, by name."""
    if line.startswith("{"):
        try:
            return {name: str(value) for name, value in json.loads(line).items()}
        except (ValueError, AttributeError):
            return {}
    return {name: value.strip('"') for name, value in _FIELD.findall(line)}
