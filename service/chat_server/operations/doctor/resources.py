"""Chapter 1, "It stops again and again": memory, and the disks."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from chat_server.operations.backup import MARGIN_BYTES
from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.journal import tells
from chat_server.operations.doctor.leftovers import set_aside
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import UNIT, Site
from chat_server.storage.room import LEAST_BYTES, free_bytes

MIB: Final = 2**20
LOW_SHARE, LOWEST_SHARE = 0.10, 0.04
"""Of the host's memory, what may be left before doctor warns, and before it wakes somebody."""
OF_LIMIT: Final = 0.9
REPLACED_DAYS: Final = 7
LOWEST_FREE_BYTES: Final = 64 * LEAST_BYTES
# In what systemd says, and the server of itself; then at the begin of a line of a traceback, which the log has
# indented, in quotes or as JSON. A quotation mark that a stranger sends has a backslash before it there.
OUT_OF_MEMORY: Final = re.compile(r"oom-kill|OOM killer|MemoryError|Cannot allocate memory|[Oo]ut of memory")
RAISED: Final = re.compile(
    r'(?:^\s*|(?: traceback=|"traceback": )"Traceback \(.*(?<!\\)\\n)'
    r"(?:MemoryError\b|OSError: \[Errno 12\]|(?:[\w.]+: )?[Oo]ut of memory)"
)
OF_OURSELVES: Final = ("cannot start", "database cannot be written", "the WAL could not be folded into the database")
BIGGEST: Final = "ps -eo rss,pid,user,comm --sort=-rss | head   # what takes most of it"
OUTRANKS: Final = "on a host of Ansible's set chat_server_memory_max instead: this outranks it"
SWAP: Final = """\
sudo fallocate -l 2G /swapfile
sudo chmod 600 /swapfile
sudo mkswap /swapfile
sudo swapon /swapfile
echo '/swapfile none swap sw 0 0' | sudo tee -a /etc/fstab"""


def memory(site: Site) -> Finding:
    """What the host and the unit have left, and whether it ran out of late."""
    host, swap = psutil.virtual_memory(), psutil.swap_memory()
    seen = f"{host.available / MIB:,.0f} of {host.total / MIB:,.0f} MiB available, swap {swap.total / MIB:,.0f} MiB"
    if swap.total:
        seen += f" of which {swap.used / MIB:,.0f} are used"
    if lines := [line for line in site.recent if _ran_out(line)]:
        more = [_more(site, host.total), *([] if swap.total else [SWAP]), commands.restart(site)]
        return Finding("failure", f"memory ran out for the server: {lines[-1]}; {seen}", "\n".join(more))
    share = host.available / host.total
    if share < LOW_SHARE:
        remedy = BIGGEST if swap.total else f"{BIGGEST}\n{SWAP}"
        return Finding("failure" if share < LOWEST_SHARE else "warning", seen, remedy)
    return Finding("ok", seen)


def _ran_out(line: str) -> bool:
    if line.startswith((f"{UNIT}: ", "chat-server: ")) or any(tells(line, event) for event in OF_OURSELVES):
        return OUT_OF_MEMORY.search(line) is not None
    return RAISED.search(line) is not None


def _more(site: Site, host_bytes: int) -> str:
    """A larger limit for the unit, within what the host has; where that is no more, what takes most of it."""
    limit = _limit(site)
    if (raised := min(2 * limit, host_bytes)) > limit:
        return f"sudo systemctl set-property {commands.SERVICE} MemoryMax={raised // MIB}M   # {OUTRANKS}"
    return BIGGEST


def _limit(site: Site) -> int:
    """The unit's MemoryMax in bytes, 0 where it has none."""
    text = site.unit.get("MemoryMax", "")
    return int(text) if text.isdecimal() else 0


def server_memory(site: Site) -> Finding:
    """What the server itself holds, against what the unit may."""
    pid = processes.server_of(site.database)
    if pid is None:
        raise CannotLookError("no server runs")
    resident, limit = psutil.Process(pid).memory_info().rss, _limit(site)
    seen = f"the server holds {resident / MIB:,.0f} MiB" + (f" of {limit / MIB:,.0f} that it may" if limit else "")
    if limit and resident > OF_LIMIT * limit:
        sockets = f"curl -s localhost:{site.config.server.port}/status   # how many sockets are open"
        more = _more(site, psutil.virtual_memory().total)
        return Finding("warning", seen, f"{sockets}\n{more}\n{commands.restart(site)}")
    return Finding("ok", seen)


@dataclass(frozen=True, slots=True)
class Room:
    """What is left where `path` is; `used_percent` as the server's own watch has it."""

    path: Path
    free_bytes: int
    used_percent: int
    free_inodes: int | None

    @classmethod
    def at(cls, path: Path) -> Room:
        disk = os.statvfs(path)
        used = round(100 * (1 - disk.f_bavail / max(disk.f_blocks, 1)))
        return cls(path, free_bytes(path), used, disk.f_favail if disk.f_files else None)

    def __str__(self) -> str:
        files = f", room for {self.free_inodes:,} files" if self.free_inodes is not None else ""
        return f"{self.path}: {self.free_bytes / MIB:,.0f} MiB free, {self.used_percent} % used{files}"


def disk(site: Site) -> Finding:
    """What is left for the database, and for the backups where they are on another disk."""
    rooms = list(_rooms(site))
    seen = "; ".join(map(str, rooms))
    if filling := [room for room in rooms if room.used_percent >= site.config.limits.disk_warning_percent]:
        full = any(room.free_bytes < LOWEST_FREE_BYTES for room in filling)
        return Finding("failure" if full else "warning", seen, _make_room(site))
    if any(room.free_inodes == 0 for room in rooms):
        return Finding("failure", f"no room for another file: {seen}", _make_room(site))
    if rooms[-1].free_bytes < _size(site.database) + MARGIN_BYTES:
        return Finding("warning", f"the next backup does not fit: {seen}", _make_room(site))
    return Finding("ok", seen)


def _rooms(site: Site) -> Iterator[Room]:
    """One for each file system, that of the backups being the last."""
    devices: set[int] = set()
    for path in (site.database.parent, Path(site.config.backup.directory)):
        try:
            device = path.stat().st_dev
            room = Room.at(path)
        except OSError as error:
            raise CannotLookError(f"{path}: {error.strerror}") from None
        if device not in devices:
            yield room
        devices.add(device)


def _make_room(site: Site) -> str:
    backups, days = Path(site.config.backup.directory), site.config.backup.keep_days
    newest = shlex.quote(str(backups / "latest.db"))
    lines = [
        "sudo journalctl --vacuum-time=7d",
        f"sudo find {shlex.quote(str(backups))} -name 'chat-2*.db*' -mtime +{days} ! -samefile {newest} -delete",
    ]
    replaced = f"{site.database.name}.replaced-"
    if any(file.name.startswith(replaced) for file in set_aside(site.database)):
        folder, names = shlex.quote(str(site.database.parent)), shlex.quote(f"{replaced}*")
        lines.append(f"sudo find {folder} -maxdepth 1 -name {names} -mtime +{REPLACED_DAYS} -delete")
    return "\n".join([*lines, "sudo du -xh --max-depth=2 /var | sort -h | tail"])


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


QUESTIONS: Final = (
    Question("memory", ("1.5",), memory),
    Question("server-memory", ("5.3", "5.4"), server_memory),
    Question("disk", ("1.6",), disk),
)
