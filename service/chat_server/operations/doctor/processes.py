"""Processes of this host: who serves, who listens, who holds the database. Other users' only root sees."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from chat_server.operations.doctor.site import run
from chat_server.storage.lock import ServerLock
from chat_server.storage.wal import SIDE_FILES

# Options of the command line that take a value; what follows them is no command.
VALUED = {"--config", "--log-level"}
WRITE_LOCK_BYTE = 120  # WAL_WRITE_LOCK, of the -shm file (sqlite.org/walformat.html, section 2.3)


@dataclass(frozen=True, slots=True)
class Process:
    """`unit` is the systemd unit whose main process it is, or empty."""

    pid: int
    name: str
    user: str
    unit: str

    def __str__(self) -> str:
        unit = f", {self.unit}" if self.unit else ""
        return f"{self.name} (process {self.pid}, user {self.user}{unit})"

    @property
    def end(self) -> str:
        """The command that ends it: by its unit where it has one, or systemd would start it again."""
        return f"sudo systemctl stop {self.unit}" if self.unit else f"sudo kill {self.pid}"


@dataclass(frozen=True, slots=True)
class Listener:
    """`process` is None where only root may know it."""

    address: str
    process: Process | None


@dataclass(frozen=True, slots=True)
class Server:
    """`config` is what its command line names, or empty."""

    process: Process
    config: str


def process(pid: int) -> Process | None:
    """What is known of it; None when it has ended."""
    try:
        known = psutil.Process(pid)
        return Process(pid, known.name(), known.username(), _unit(pid))
    except psutil.Error:
        return None


def listeners(port: int) -> list[Listener]:
    """Who listens on a TCP port, at any address."""
    found = {
        Listener(connection.laddr.ip, process(connection.pid) if connection.pid else None)
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
    }
    return sorted(found, key=lambda listener: (listener.address, listener.process.pid if listener.process else 0))


def collides(address: str, host: str) -> bool:
    """Whether the server, told to listen at `host`, can't where somebody listens at `address` already."""
    try:
        ours, theirs = ipaddress.ip_address(host), ipaddress.ip_address(address)
    except ValueError:
        return True  # a name, which may be any address
    return ours == theirs or ours.is_unspecified or theirs.is_unspecified


def serving() -> list[Server]:
    """The processes that run `chat-server`, or `chat-server serve`; not those of containers on this host."""
    here = _namespace("self")
    found = []
    for known in psutil.process_iter():
        words = _words(known)
        if _serves(words) and _namespace(known.pid) in {here, ""} and (ran := process(known.pid)):
            found.append(Server(ran, _value_of("--config", words)))
    return found


def server_of(database: Path) -> int | None:
    """The process that has locked the database for itself as a server does."""
    return next(iter(_lockers(ServerLock(database).path, kind="FLOCK")), None)


def writer_of(database: Path) -> int | None:
    """The process that holds the database's write lock at this moment."""
    holders = _lockers(Path(f"{database}-shm"), kind="POSIX", byte=WRITE_LOCK_BYTE)
    return next(iter(holders), None)


def openers_of(database: Path) -> Iterator[int]:
    """The processes that have the database open, or what lies beside it."""
    wanted = {identity for suffix in ("", *SIDE_FILES) if (identity := _identity(Path(f"{database}{suffix}")))}
    for pid in psutil.pids():
        if wanted & set(_open_files(pid)):
            yield pid


def _open_files(pid: int) -> Iterator[tuple[int, int]]:
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if identity := _identity(descriptor):
                yield identity


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _lockers(file: Path, *, kind: str, byte: int = 0) -> Iterator[int]:
    """Who has an exclusive lock on that byte of the file: proc(5), /proc/locks.

    By the inode alone, for a file system of layers shows another device there than to its users.
    """
    identity = _identity(file)
    with suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            fields = line.split()
            if len(fields) == 8 and fields[1] == kind and fields[3] == "WRITE" and identity:
                inode, first = int(fields[5].rpartition(":")[2]), int(fields[6])
                if inode == identity[1] and first <= byte and (fields[7] == "EOF" or byte <= int(fields[7])):
                    yield int(fields[4])


def _words(known: psutil.Process) -> Sequence[str]:
    """Its command line from `chat-server` on; empty where it is another program."""
    try:
        words = known.cmdline()
    except psutil.Error:
        return ()
    match words:
        case [program, *_] if Path(program).name == "chat-server":
            return words
        # As a script, or a module, of an interpreter: in a checkout.
        case [interpreter, script, *_] if _is_python(interpreter) and Path(script).name == "chat-server":
            return words[1:]
        case [interpreter, "-m", "chat_server", *_] if _is_python(interpreter):
            return words[2:]
        case _:
            return ()


def _is_python(program: str) -> bool:
    return bool(re.fullmatch(r"python[0-9.]*", Path(program).name))


def _serves(words: Iterable[str]) -> bool:
    """Whether this command line of ours is that of a server, and not of an admin's command."""
    words = list(words)
    takes_value = False
    for word in words[1:]:
        if takes_value:
            takes_value = False
        elif word in VALUED:
            takes_value = True
        elif not word.startswith("-"):
            return word == "serve"
    return bool(words)


def _value_of(option: str, words: Sequence[str]) -> str:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""


def _namespace(pid: int | str) -> str:
    """Which processes it sees; empty where that may not be known."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""


def _unit(pid: int) -> str:
    """By the name of its control group. What somebody started from a login over SSH is in the group of that, too."""
    try:
        groups = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return ""
    units = re.findall(r"/system\.slice/(?:[^/\n]*\.slice/)*([^/\n]+\.service)", groups)
    main = run("systemctl", "show", "--property=MainPID", "--value", units[-1]) if units else None
    return units[-1] if main and main.text.strip() == str(pid) else ""
