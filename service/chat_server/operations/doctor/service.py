"""Chapter 1, "It stops again and again": the service as systemd sees it, and whether the server answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from chat_server.operations import probe
from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.journal import tells
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import UNIT, Site

STATES: Final = {
    "activating": "keeps ending and starting again, the last time at",
    "deactivating": "ended by itself at",
    "failed": "has failed, and stays down since",
    "inactive": "has been stopped since",
}
# How the server ended, by its exit code: what that means, and the entry that tells more.
EXITS: Final = {
    "66": ("its database is missing, damaged, or may not be opened", "1.7"),
    "69": ("it could not listen on its port", "1.1"),
    "71": ("memory did not suffice for it to start", "1.5"),
    "72": ("a library, or a file of the page, is missing or broken", "1.4"),
    "75": ("its disk is full, or its database busy", "1.6"),
    "78": ("its configuration is refused", "1.3"),
    "127": ("a library is missing", "1.4"),
}
# How systemd says that it ended.
RESULTS: Final = {
    "oom-kill": ("the kernel ended it because memory ran out", "1.5"),
    "watchdog": ("it gave no sign of life, so systemd ended it", "1.7"),
    "timeout": ("it did not start or stop in time", "1.7"),
    "core-dump": ("it crashed", "1.7"),
    "signal": ("it was killed", "1.7"),
}
UNKNOWN: Final = "8.3"
"""The entry for an end that has no known cause: it may show when the server is run by hand."""
EXITED: Final = "1"  # CLD_EXITED, of waitid(2): it ended by itself
# What the server says last, and what systemd says of that.
IN_USE: Final = "another chat-server"
END: Final = re.compile(rf"{re.escape(UNIT)}: Main process exited, code=(\w+), status=(\d+)")
JOURNAL: Final = f"sudo journalctl -u {commands.SERVICE} -n 50 --no-pager"
LONG_AGO_MS: Final = 24 * 3_600_000
OFTEN: Final = 3


def service(site: Site) -> Finding:
    """The unit: running, since when, and how often systemd had to start it again."""
    unit = site.unit
    if not unit:
        raise CannotLookError(f"systemd knows no {UNIT} here")
    match unit.get("ActiveState"):
        case "active" if unit.get("SubState") == "running":
            return _running(site)
        case "active" | "reloading":
            return Finding("ok", f"{UNIT} is {unit.get('SubState')}")
        case "activating" if unit.get("NRestarts", "0") == "0" and unit.get("SubState") != "auto-restart":
            return Finding("warning", f"{UNIT} is starting, since {_time(site, 'StateChangeTimestamp')}", JOURNAL)
        case "deactivating" if unit.get("Result") == "success":
            return Finding("warning", f"{UNIT} is stopping, since {_time(site, 'StateChangeTimestamp')}", JOURNAL)
        case _:
            return _down(site)


def _running(site: Site) -> Finding:
    unit = site.unit
    since = _since(site, "ActiveEnterTimestamp")
    restarts = int(unit.get("NRestarts", 0))
    seen = f"{UNIT} runs since {_time(site, 'ActiveEnterTimestamp')}"
    if restarts and site.now - since < LONG_AGO_MS:
        times = "once" if restarts == 1 else f"{restarts} times"
        reason, entry = _last_words(site)
        return Finding(
            "failure" if restarts >= OFTEN else "warning",
            f"{seen}; systemd had to start it again {times}{reason}",
            f"{JOURNAL}\n{commands.restart(site)}   # once the cause is gone: it forgets the count, too",
            entry,
        )
    if unit.get("UnitFileState") == "disabled":
        return Finding("warning", f"{seen}, but will not start when this host does", commands.systemctl("enable"))
    return Finding("ok", seen)


def _down(site: Site) -> Finding:
    unit = site.unit
    state = STATES.get(unit.get("ActiveState", ""), "has not run since")
    by_hand = unit.get("ActiveState") == "inactive" and unit.get("Result") == "success"
    reason, entry = ("", UNKNOWN) if by_hand else _last_words(site)
    remedy = commands.start(site) if by_hand else f"{JOURNAL}\n{commands.restart(site)}"
    return Finding("failure", f"{UNIT} {state} {_time(site, 'StateChangeTimestamp')}{reason}", remedy, entry)


def _last_words(site: Site) -> tuple[str, str]:
    """Why it ended, as the end of a sentence, and the entry that tells more."""
    exited = site.unit.get("ExecMainCode") == EXITED and site.unit.get("ActiveState") != "active"
    status = site.unit.get("ExecMainStatus", "") if exited else ""
    said = ended = ""
    for line in reversed(site.journal):
        if not said and (tells(line, "cannot start") or line.startswith("chat-server: ")):
            said = line
        if found := END.match(line):
            if ended:  # that is an earlier run
                break
            ended, status = line, status or (found[2] if found[1] == "exited" else "")
    meaning, entry = EXITS.get(status) or RESULTS.get(site.unit.get("Result", "")) or ("", UNKNOWN)
    if IN_USE in said:
        meaning, entry = "another server has its database", "4.1"
    return "".join(f": {part}" for part in (meaning, said or ended) if part), entry


def health(site: Site) -> Finding:
    """Whether the server answers, and can store messages."""
    found = probe.health(site.config.server)
    if found.status == "healthy":
        return Finding("ok", found.detail)
    runs = site.unit.get("ActiveState") == "active" or processes.server_of(site.database) is not None
    if not runs and site.unit:
        raise CannotLookError("no server runs")  # which `service` has said
    if not runs:
        return Finding("failure", f"no server runs: {found.detail}", commands.chat_server(site, "serve"), UNKNOWN)
    if "503" in found.detail:
        return Finding("failure", found.detail, f"df -h {site.database.parent}\n{JOURNAL}", "1.6")
    return Finding("failure", f"{found.detail}, though a server runs", f"{JOURNAL}\n{commands.restart(site)}")


def _since(site: Site, name: str) -> int:
    """A time of the unit's, in ms since the epoch; 0 where systemd has none."""
    return int(site.unit.get(name, "").removeprefix("@") or 0) * 1000


def _time(site: Site, name: str) -> str:
    """The same, to be read."""
    since = _since(site, name)
    return datetime.fromtimestamp(since / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if since else "boot"


QUESTIONS: Final = (
    Question("service", ("1.7", "1.5"), service),
    Question("health", ("1.7",), health),
)
