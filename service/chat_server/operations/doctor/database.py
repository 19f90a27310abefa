"""Chapters 1 and 4: whether the database is whole, ours, and on a disk that works."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Final

from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.reading import DamageError, Words, read, read_for
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site, run
from chat_server.storage.database import schema_of
from chat_server.storage.errors import DatabaseUnusableError
from chat_server.storage.migrations import VERSIONS

INTEGRITY_SECONDS: Final = 20
DISK_ERROR: Final = re.compile(
    r"I/O error|Buffer I/O|EXT4-fs error|XFS .*(?:corrupt|error)|BTRFS.*error|Remounting filesystem read-only|"
    r"critical (?:medium|target) error|UncorrectableError|nvme.*(?:timeout|abort)",
    re.IGNORECASE,
)


def schema(site: Site) -> Finding:
    """The database is one of ours, of the version that this server has."""

    def version_of(connection: sqlite3.Connection) -> Words:
        try:
            yield schema_of(connection, site.database), ""
        except DatabaseUnusableError as error:
            yield None, str(error)

    if not _exists(site):
        return Finding("warning", f"there is no database {site.database} yet", commands.start(site))
    try:
        [(version, refusal)] = read(site, version_of)
    except DamageError as error:
        return _damaged(site, str(error))
    if version is None:
        return Finding("failure", refusal, f"sudo nano {site.config_path}")
    if version < len(VERSIONS):
        seen = f"schema {version}, which a server of this version brings to {len(VERSIONS)} when it starts"
        return Finding("warning", seen, commands.systemctl("restart"))
    return Finding("ok", f"schema {version}, the newest")


def integrity(site: Site) -> Finding:
    """Every page and index of the database, as far as the time suffices."""
    if not _exists(site):
        raise CannotLookError(f"there is no database {site.database}")
    before = processes.server_of(site.database)
    try:
        told = read_for(site, _check, seconds=INTEGRITY_SECONDS)
    except DamageError as error:
        return _damaged(site, str(error))
    checked = [table for table, verdict in told.words if verdict == "ok"]
    broken = [f"{table}: {verdict}" for table, verdict in told.words if verdict != "ok"]
    if broken and processes.server_of(site.database) == before:
        return _damaged(site, "; ".join(broken))
    if broken:
        raise CannotLookError("the server started or stopped meanwhile: ask again")
    if not told.complete:
        seen = f"whole, as far as was read in {INTEGRITY_SECONDS} s: {', '.join(checked)}; each backup checks all of it"
        return Finding("ok", seen)
    return Finding("ok", f"whole: {', '.join(checked)}")


def _check(connection: sqlite3.Connection) -> Words:
    """Table by table, so that it can be told how far it came; the large one last."""
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
        if not name.startswith("sqlite_")
    ]
    for table in ["sqlite_schema", *sorted(tables, key=lambda name: (name == "messages", name))]:
        (verdict,) = connection.execute(f'PRAGMA integrity_check("{table}")').fetchone()
        yield table, " ".join(verdict.split())


def _damaged(site: Site, words: str) -> Finding:
    """By the newest backup; where there is none, by what can still be read."""
    source, entry, rescue = Path(site.config.backup.directory) / "latest.db", "4.4", []
    if not source.exists():
        source, entry = site.database.with_name("rescued.db"), "4.5"
        rescue = _rescue(site, source)
    steps = [commands.systemctl("stop"), *rescue, commands.chat_server(site, "restore", str(source))]
    remedy = "\n".join([*steps, commands.start(site)])
    return Finding("failure", f"{site.database} is damaged: {words}", remedy, entry)


def _rescue(site: Site, into: Path) -> list[str]:
    """By `.recover`, or where Debian's sqlite3 is built without it, by all that `.dump` reads."""
    shell, fresh = commands.sqlite(site, site.database), commands.sqlite(site, into)
    tried = run("sqlite3", ":memory:", ".recover")
    if tried is None or "SQL logic error" not in tried.text:
        return [f"{shell} .recover | {fresh}"]
    kept = "; ".join(f"PRAGMA {name} = $({shell} 'PRAGMA {name}')" for name in ("application_id", "user_version"))
    return [f"{shell} .dump | sed 's/^ROLLBACK;.*/COMMIT;/' | {fresh}", f'{fresh} "{kept}"']


def disk_errors(site: Site) -> Finding:
    """What the kernel says of its disks since it started."""
    shown = run("journalctl", "--quiet", "--dmesg", "--boot", "--output=cat", "--no-pager", "--priority=err")
    if shown is None or shown.code or "not seeing messages" in shown.text:
        shown = run("dmesg", "--level=emerg,alert,crit,err")
    if shown is None or shown.code:
        raise CannotLookError("the kernel's log can't be read here")
    lines = [line for line in shown.text.splitlines() if DISK_ERROR.search(line)]
    if not lines:
        return Finding("ok", "the kernel tells of no disk error")
    return Finding(
        "warning",
        f"disk errors in the kernel's log: {len(lines)}, the last: {lines[-1]}",
        f"sudo dmesg --level=err,warn | tail -50\n{commands.chat_server(site, 'backup')}",
    )


def _exists(site: Site) -> bool:
    try:
        return site.database.exists()
    except PermissionError:
        raise CannotLookError(f"{site.database}: Permission denied") from None


QUESTIONS: Final = (
    Question("schema", ("1.7", "4.4"), schema),
    Question("integrity", ("1.7", "4.4", "4.5"), integrity),
    Question("disk-errors", ("4.1", "1.7"), disk_errors),
)
