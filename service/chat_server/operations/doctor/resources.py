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
from chat_server.operations.doctor.leftovers import set_aside
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site
from chat_server.storage.room import LEAST_BYTES, free_bytes

MIB: Final = 2**20
LOW_SHARE, LOWEST_SHARE = 0.10, 0.04
"""Of the host's memory, what may be left before doctor warns, and before it wakes somebody."""
OF_LIMIT: Final = 0.9
LOWEST_FREE_BYTES: Final = 64 * LEAST_BYTES
OUT_OF_MEMORY: Final = re.compile(r"oom-kill|OOM killer|MemoryError|Cannot allocate memory|[Oo]ut of memory")
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
    if lines := [line for line in site.recent if OUT_OF_MEMORY.search(line)]:
        return Finding("failure", f"memory ran out for the server: {lines[-1]}; {seen}", _more(site, swap.total))
    share = host.available / host.total
    if share < LOW_SHARE:
        return Finding("failure" if share < LOWEST_SHARE else "warning", seen, _biggest() + _more(site, swap.total))
    return Finding("ok", seen)


def _more(site: Site, swap_bytes: int) -> str:
    limit = _limit(site)
    raise_limit = f"sudo systemctl set-property {commands.SERVICE} MemoryMax={2 * limit // MIB}M" if limit else ""
    return "\n".join(part for part in (raise_limit, "" if swap_bytes else SWAP, commands.restart(site)) if part)


def _biggest() -> str:
    return "ps -eo rss,pid,user,comm --sort=-rss | head   # what takes most of it\n"


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
        remedy = f"curl -s localhost:{site.config.server.port}/status   # how many sockets are open\n{_more(site, 1)}"
        return Finding("warning", seen, remedy)
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
    kept = [f"sudo rm {shlex.quote(str(file))}   # once nothing is missed" for file in set_aside(site.database)]
    return "\n".join(
        [
            "sudo journalctl --vacuum-time=7d",
            f"sudo find {shlex.quote(str(backups))} -name 'chat-2*.db*' -mtime +{days} ! -samefile {newest} -delete",
            *kept,
            "sudo du -xh --max-depth=2 /var | sort -h | tail",
        ]
    )


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
