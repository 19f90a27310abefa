"""Chapter 4: what lies beside the database."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site
from chat_server.storage.wal import LOGS, LogNotFoldableError, beside, check_log

MIB: Final = 2**20
KEPT: Final = "set-aside"
LARGE_LOG_BYTES: Final = 256 * MIB
"""SQLite cuts the log back to 64 MiB when nobody reads for long."""


def log(site: Site) -> Finding:
    """The write-ahead log: its size while the server runs, and that none is left when it does not."""
    try:
        size = sum(file.stat().st_size for file in beside(site.database) if file.name.endswith(LOGS))
    except OSError as error:
        raise CannotLookError(f"{error.filename}: {error.strerror}") from None
    checkpoint = commands.chat_server(site, "checkpoint")
    if processes.server_of(site.database):
        if size < LARGE_LOG_BYTES:
            return Finding("ok", f"the write-ahead log has {size / MIB:,.1f} MiB")
        truncate = commands.sql(site, "PRAGMA wal_checkpoint(TRUNCATE);")
        who = (
            f"sudo fuser -v {shlex.quote(str(site.database))}   # a program that reads for ever keeps it from shrinking"
        )
        return Finding("warning", f"the write-ahead log has grown to {size / MIB:,.0f} MiB", f"{who}\n{truncate}")
    try:
        check_log(site.database)
    except LogNotFoldableError as error:
        return Finding("failure", f"{error}; it can't start like this", checkpoint, "4.3")
    except OSError as error:
        raise CannotLookError(f"{error.filename}: {error.strerror}") from None
    if size:
        seen = f"no server runs and {size / MIB:,.1f} MiB of log, with the last messages, are not in the database yet"
        return Finding("warning", f"{seen}: remove nothing", f"{checkpoint}\n{commands.start(site)}", "4.3")
    return Finding("ok", "no log is left beside the database")


def remains(site: Site) -> Finding:
    """Databases and logs that were moved out of the way."""
    try:
        files = set_aside(site.database)
    except OSError as error:
        raise CannotLookError(f"{error.filename}: {error.strerror}") from None
    if not files:
        return Finding("ok", "nothing was set aside")
    total = sum(file.stat().st_size for file in files)
    seen = f"set aside, {total / MIB:,.1f} MiB in all: {', '.join(file.name for file in files)}"
    if logs := [file for file in files if ".unfolded-" in file.name]:
        kept = f"{seen}; a log among them may hold messages that the database lacks: keep it until none is missed"
        return Finding("warning", kept, _keep(site, logs), "4.5")
    return Finding("ok", f"{seen}; remove them once nothing is missed")


def _keep(site: Site, logs: list[Path]) -> str:
    """On the same disk, where a move takes no room and can't stop half way, and still the service's own."""
    owner, place = shlex.quote(commands.service_user(site)), site.database.parent / KEPT
    folder = shlex.quote(str(place))
    moves = [f"sudo -u {owner} mv -n {shlex.quote(str(file))} {shlex.quote(str(place / file.name))}" for file in logs]
    return "\n".join([f"sudo -u {owner} mkdir -p -m 700 {folder}", *moves])


def set_aside(database: Path) -> list[Path]:
    """Files beside the database with its name and a word behind it, the oldest first. Raises OSError."""
    known = {database.name, f"{database.name}.lock", *(file.name for file in beside(database))}
    found = [file for file in database.parent.iterdir() if file.name.startswith(f"{database.name}.")]
    return sorted(file for file in found if file.name not in known)


QUESTIONS: Final = (
    Question("log", ("4.2", "4.3"), log),
    Question("set-aside", ("4.3", "4.5"), remains),
)
