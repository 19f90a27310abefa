"""What a bundle is made of: each part a file in it, and how to get it."""

from __future__ import annotations

import grp
import json
import pwd
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from chat_server import __version__
from chat_server.operations.doctor.examination import examine
from chat_server.operations.doctor.exchange import NoAnswerError, ask, here
from chat_server.operations.doctor.reading import DamageError, Words, read_for
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import UNIT, Site, run
from chat_server.operations.support import configuration, proxy
from chat_server.operations.support.masking import environment_masked

COUNT_SECONDS: Final = 20
PROGRAM_SECONDS: Final = 20
MOST_FILES: Final = 1000
PACKAGES: Final = (
    "chat-server",
    "libc6",
    "libsqlite3-0",
    "libssl3",
    "libssl3t64",
    "nginx",
    "openssl",
    "python3",
    "systemd",
)


class UnavailableError(Exception):
    """A part can't be had here. Its text is one line."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the bundle, what it holds in a few words, and what makes its text.

    `take` raises UnavailableError, or what the doctor's own readings raise.
    """

    name: str
    about: str
    take: Callable[[], str]


def parts(site: Site, environ: Mapping[str, str], *, lines: int, progress: Callable[[float], None]) -> Sequence[Part]:
    """All of them. `lines` is how many of each log; `progress` is told how far doctor is."""
    server = here(site.config.server)

    def programs(*commands: tuple[str, ...]) -> Callable[[], str]:
        return lambda: "\n".join(_output(*command) for command in commands)

    def log(*selection: str) -> Callable[[], str]:
        return lambda: _journal(*selection, lines=lines)

    def answer(path: str) -> Callable[[], str]:
        return lambda: (
            f"{(given := ask(server, path)).body.decode(errors='replace')}\n({path} answers {given.status})\n"
        )

    show, status = ("systemctl", "show", UNIT), ("systemctl", "status", "--no-pager", "--full", "--lines=0", UNIT)
    ours = "chat-server*"
    return (
        Part("doctor.json", "what `chat-server doctor --json` says", lambda: _doctor(site, progress)),
        Part("version.txt", "versions of chat-server and of what it runs on", lambda: _versions(site)),
        Part("logs/chat-server.log", "the server's journal", log(f"--unit={UNIT}")),
        Part("logs/backup.log", "what backups said", log("--identifier=chat-server-backup")),
        Part(
            "logs/doctor.log",
            "what turned bad, and was well again",
            log("--unit=chat-server-doctor", "--unit=chat-server-alert"),
        ),
        Part("logs/kernel.log", "the kernel's errors since it started", log("--dmesg", "--priority=err")),
        Part("config.toml", "the configuration, secrets and comments left out", lambda: _config(site, environ)),
        Part("server/health.json", "/health of the running server", answer("/health")),
        Part("server/status.json", "/status of the running server", answer("/status")),
        Part("server/metrics.txt", "/metrics of the running server", answer("/metrics")),
        Part("database.txt", "schema, settings and number of rows; no row", lambda: _database(site)),
        Part("files.txt", "names, sizes, modes and owners of the data and the backups", lambda: _files(site)),
        Part("unit/status.txt", "the service's state", programs(status)),
        Part("unit/show.txt", "all that systemd knows of it", lambda: environment_masked(_output(*show))),
        Part(
            "unit/files.txt",
            "its unit files and drop-ins",
            lambda: environment_masked(_output("systemctl", "cat", ours)),
        ),
        Part("unit/timers.txt", "when doctor looks next", programs(("systemctl", "list-timers", "--all", ours))),
        Part("unit/security.txt", "how it is confined", programs(("systemd-analyze", "security", "--no-pager", UNIT))),
        Part("host/system.txt", "kernel and Debian", programs(("uname", "-a"), ("cat", "/etc/os-release"))),
        Part("host/uptime.txt", "since when it is up, and its load", programs(("uptime",))),
        Part("host/clock.txt", "its clock", programs(("timedatectl", "--no-pager"))),
        Part("host/memory.txt", "memory", programs(("free", "-h"))),
        Part("host/disks.txt", "disks: space, and room for files", programs(("df", "-h"), ("df", "-i"))),
        Part("host/processes.txt", "processes by name, without their arguments", programs(_PROCESSES)),
        Part("network/addresses.txt", "its addresses", programs(("ip", "-brief", "address"))),
        Part(
            "network/listening.txt", "who listens", programs(("ss", "--listening", "--tcp", "--numeric", "--processes"))
        ),
        Part("network/firewall.txt", "ufw's rules", programs(("ufw", "status", "verbose"))),
        Part("network/nginx.conf", "nginx's configuration, what could be secret left out", proxy.shown),
    )


_PROCESSES = ("ps", "-e", "--sort=-pcpu", "-o", "pid,ppid,user:16,stat,etime,rss,vsz,pcpu,nlwp,comm")


def _output(*command: str) -> str:
    """What a program says, below its command line; also what it says when it fails."""
    done = run(*command, seconds=PROGRAM_SECONDS)
    if done is None:
        raise UnavailableError(f"{command[0]} is not installed, or gave no answer in {PROGRAM_SECONDS} s")
    if done.code and not done.text.strip():
        raise UnavailableError(f"{' '.join(command)} ended with {done.code}")
    return f"$ {' '.join(command)}\n{done.text}" + (f"(ended with {done.code})\n" if done.code else "")


def _journal(*selection: str, lines: int) -> str:
    done = run(
        "journalctl", *selection, f"--lines={lines}", "--no-pager", "--output=short-iso", seconds=PROGRAM_SECONDS
    )
    if done is None:
        raise UnavailableError(f"journalctl is not installed, or gave no answer in {PROGRAM_SECONDS} s")
    if "No journal files were" in done.text:
        raise UnavailableError("there is no journal here, or this user may not read it: try as root")
    if done.code:
        raise UnavailableError(f"journalctl ended with {done.code}: {' '.join(done.text.split()[:40])}")
    return done.text


def _doctor(site: Site, progress: Callable[[float], None]) -> str:
    return json.dumps(asdict(examine(site, only=(), progress=progress)), indent=2) + "\n"


def _versions(site: Site) -> str:
    ours = f"chat-server {__version__}\nPython {sys.version}\nSQLite {sqlite3.sqlite_version}\n"
    known = run("dpkg-query", "--show", *PACKAGES)
    packages = [line for line in (known.text if known else "").splitlines() if not line.startswith("dpkg-query:")]
    return ours + f"configuration: {site.config_path}\n" + "\n".join(packages) + "\n"


def _config(site: Site, environ: Mapping[str, str]) -> str:
    try:
        text = site.config_path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UnavailableError(f"{site.config_path}: {error.strerror}") from None
    complaints = [f"# {complaint}\n" for complaint in (site.config_error, site.secret_error) if complaint]
    return "".join(complaints) + configuration.shown(text, environ)


def _database(site: Site) -> str:
    try:
        told = read_for(site, _contents, seconds=COUNT_SECONDS)
    except DamageError as error:
        raise UnavailableError(f"{site.database} is damaged: {error}") from None
    return "\n".join([*told.words, *([] if told.complete else [f"(not all was read in {COUNT_SECONDS} s)"])]) + "\n"


def _contents(connection: sqlite3.Connection) -> Words:
    for name in ("user_version", "journal_mode", "page_size", "page_count", "freelist_count", "encoding"):
        (value,) = connection.execute(f"PRAGMA {name}").fetchone()
        yield f"{name}: {value}"
    schema = connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    yield from (f"{sql or f'-- {kind} {name}'};" for kind, name, sql in schema)
    for table in (name for kind, name, _ in schema if kind == "table"):
        (count,) = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608  a table's name
        yield f"{table}: {count:,} rows"


def _files(site: Site) -> str:
    places = dict.fromkeys((site.database.parent, Path(site.config.backup.directory)))
    listed = [line for place in places for line in _listed(place.absolute())]
    return "\n".join([*listed, _line(site.config_path, str(site.config_path.absolute()))]) + "\n"


def _listed(place: Path) -> Iterator[str]:
    """A directory as `ls -la` shows it, in UTC. One that can't be read is a line, for others may be."""
    yield f"{place}:"
    try:
        names = sorted(entry.name for entry in place.iterdir())
    except OSError as error:
        yield f"    {error.strerror}"
        return
    yield from (_line(place / name, name) for name in (".", *names[:MOST_FILES]))
    if len(names) > MOST_FILES:
        yield f"    and {len(names) - MOST_FILES:,} more"


def _line(file: Path, name: str) -> str:
    name = ascii(name)[1:-1]
    try:
        found = file.lstat()
    except OSError as error:
        return f"    {name}: {error.strerror}"
    changed = datetime.fromtimestamp(found.st_mtime, UTC).strftime("%Y-%m-%d %H:%M:%S")
    owner, group = _user(found.st_uid), _group(found.st_gid)
    return f"    {stat.filemode(found.st_mode)} {owner} {group} {found.st_size:>14,} {changed} {name}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


REASONS: Final = (UnavailableError, CannotLookError, NoAnswerError)
"""What says in words why a part can't be had."""
