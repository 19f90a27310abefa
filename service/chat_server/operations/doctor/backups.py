"""Chapters 1 and 4: whether there is a backup, young enough and good, and whether the next one will be made."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Final

from chat_server.observability.backups import last_attempt
from chat_server.operations.backup_directory import BackupDirectory
from chat_server.operations.doctor import commands
from chat_server.operations.doctor.reading import DamageError, Words, bounded, read
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site, run
from chat_server.operations.owner import act_as_owner
from chat_server.operations.verification import examine
from chat_server.storage.errors import DatabaseUnusableError

HOUR_MS: Final = 3_600_000
OLD_HOURS: Final = 48
VERIFY_SECONDS: Final = 10
SCHEDULE: Final = Path("/etc/cron.d/chat-server")
LOG: Final = "sudo journalctl -t chat-server-backup -n 20 --no-pager"


def age(site: Site) -> Finding:
    """The newest backup is at most two days old."""
    directory = BackupDirectory(Path(site.config.backup.directory))
    make = commands.chat_server(site, "backup")
    try:
        latest = directory.latest.stat()
    except FileNotFoundError:
        seen = f"there is no backup in {directory.path}"
        if _oldest_account_hours(site) < OLD_HOURS:
            return Finding("warning", f"{seen} yet", make)
        return Finding("failure", seen, f"{make}\n{LOG}")
    except OSError as error:
        raise CannotLookError(f"{directory.latest}: {error.strerror}") from None
    hours = (site.now - latest.st_mtime_ns // 1_000_000) // HOUR_MS
    seen = f"the newest backup, of {latest.st_size / 2**20:,.1f} MiB, is {hours} hours old"
    return Finding("failure", seen, f"{make}\n{LOG}") if hours >= OLD_HOURS else Finding("ok", seen)


def _oldest_account_hours(site: Site) -> float:
    """How long somebody has had something to lose; 0 where nobody has, and for ever where that can't be read."""

    def first(connection: sqlite3.Connection) -> Words:
        yield from connection.execute("SELECT created_at FROM users ORDER BY rowid LIMIT 1")

    try:
        rows = read(site, first)
    except (CannotLookError, DamageError):
        return 0.0 if not site.database.exists() else float("inf")
    return (site.now - rows[0][0]) / HOUR_MS if rows else 0.0


def attempt(site: Site) -> Finding:
    """The last time, a backup was made, and its copy where one is wanted."""
    last = last_attempt(Path(site.config.backup.directory))
    if last is None:
        raise CannotLookError("no backup was tried yet")
    hours = (site.now - last.at) // HOUR_MS
    failure = last.failure or (f"its copy: {last.copy_failure}" if last.copy_failure else "")
    if failure:
        remedy = f"{LOG}\n{commands.chat_server(site, 'backup')}"
        return Finding("failure", f"the last backup, {hours} hours ago, failed: {failure}", remedy)
    copied = " and copied" if site.config.backup.copy_to or site.config.backup.encrypt_to else ""
    return Finding("ok", f"the last backup was made{copied} {hours} hours ago")


def restorability(site: Site) -> Finding:
    """The newest backup is a whole database of ours."""
    latest = BackupDirectory(Path(site.config.backup.directory)).latest
    try:
        size = latest.stat().st_size
    except FileNotFoundError:
        raise CannotLookError("there is no backup to look at") from None
    except OSError as error:
        raise CannotLookError(f"{latest}: {error.strerror}") from None

    def verify() -> Words:
        act_as_owner(site.database)
        try:
            yield True, str(examine(latest, called=latest))
        except DatabaseUnusableError as error:
            yield False, str(error)

    told = bounded(verify, seconds=VERIFY_SECONDS)
    if not told.words:
        return Finding("ok", f"{latest}, of {size / 2**20:,.0f} MiB, is too large to be read in {VERIFY_SECONDS} s")
    [(good, words)] = told.words
    if good:
        return Finding("ok", f"{latest} can be restored ({words})")
    return Finding("failure", words, f"{commands.chat_server(site, 'backup')}\nls -l {latest.parent}")


def schedule(site: Site) -> Finding:
    """Cron makes the next backup."""
    if not site.unit:
        raise CannotLookError("without systemd, whoever runs the server plans its backups")
    again = "sudo apt install --reinstall -o Dpkg::Options::=--force-confmiss chat-server"
    try:
        lines = SCHEDULE.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Finding("failure", f"{SCHEDULE} is missing, so no backup is made by itself", again)
    except OSError as error:
        raise CannotLookError(f"{SCHEDULE}: {error.strerror}") from None
    planned = [line for line in lines if re.match(r"\s*[^#\s].*chat-server\b.*\bbackup\b", line)]
    if not planned:
        return Finding("failure", f"{SCHEDULE} makes no backup", f"sudo rm {SCHEDULE}\n{again}")
    state = run("systemctl", "is-active", "cron.service")
    if state and state.text.strip() in {"inactive", "failed"}:
        return Finding("failure", "cron does not run, so no backup is made", "sudo systemctl enable --now cron")
    return Finding("ok", f"cron makes a backup at: {' '.join(planned[0].split()[:5])}")


QUESTIONS: Final = (
    Question("backup-age", ("4.4", "1.7", "1.6"), age),
    Question("backup-attempt", ("4.4",), attempt),
    Question("backup-restorable", ("4.4", "1.7"), restorability),
    Question("backup-schedule", ("4.4",), schedule),
)
