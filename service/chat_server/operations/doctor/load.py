"""Chapter 5, "It is slow": what the server has to do, and what it is refused or kept waiting for."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path
from typing import Final

import psutil

from chat_server.operations import probe
from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.figures import figures
from chat_server.operations.doctor.journal import fields, tells
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site

SAMPLE_SECONDS: Final = 1.0
BUSY_PERCENT: Final = 80
REFUSED_PER_SECOND: Final = 10
FULL_SHARE: Final = 0.8
BUSIEST: Final = re.compile(r"(\S+?):(\d+)")


def flood(site: Site) -> Finding:
    """How busy the server is at this moment: processor, messages, and what is refused because it comes too fast."""
    pid, running = processes.server_of(site.database), probe.running(site.config.server)
    if pid is None or running is None:
        raise CannotLookError("no server answers")
    before, began, process = figures(site), time.monotonic(), psutil.Process(pid)
    percent = process.cpu_percent(SAMPLE_SECONDS)
    after, seconds = figures(site), time.monotonic() - began
    stored, refused = (
        (after.total(name, **labels) - before.total(name, **labels)) / seconds
        for name, labels in (("chat_messages_total", {"result": "stored"}), ("chat_rate_limited_total", {}))
    )
    seen = (
        f"{percent:.0f} % of a processor, {stored:,.0f} messages/s from {running.connected_sockets:,} sockets, "
        f"{refused:,.0f}/s refused for their rate, {running.queue_depth:,} waiting to be stored"
    )
    if percent < BUSY_PERCENT and refused < REFUSED_PER_SECOND:
        return Finding("ok", seen)
    senders = _busiest(site)
    who = f"; the busiest senders: {', '.join(senders)}" if senders else ""
    remedy = [
        f"sudo journalctl -u {commands.SERVICE} --since=-10min | grep 'message sent' | tail -20",
        f"sudo ss -Htn state established 'sport = :{site.config.server.port}' | sort -k4 | tail -20",
        "sudo ufw prepend deny from ADDRESS   # of who floods",
    ]
    if senders:
        remedy.insert(1, commands.chat_server(site, "users", "sessions", senders[0].partition(" ")[0]))
    return Finding("warning", f"{seen}{who}", "\n".join(remedy))


def _busiest(site: Site) -> list[str]:
    """Who sent most within the hour, as far as the log tells: "ada (1,200)"."""
    sent: Counter[str] = Counter()
    for line in site.journal:
        if tells(line, "message sent") and (found := BUSIEST.match(fields(line).get("busiest", ""))):
            sent[found[1]] += int(found[2])
    return [f"{name} ({count:,})" for name, count in sent.most_common(3)]


def slow_queries(site: Site) -> Finding:
    """Queries that took longer than they may, within the last hour or since somebody restarted the server."""
    slow = [line for line in site.recent if tells(line, "slow query")]
    if not slow:
        counted = figures(site).total("chat_slow_queries_total")
        more = f", {counted:,} since the server started" if counted else ""
        return Finding("ok", f"no slow query in the journal{more}")
    worst = max(slow, key=lambda line: int((re.search(r"ms=(\d+)", line) or [0, 0])[1]))
    return Finding(
        "warning",
        f"{len(slow):,} slow queries within the last hour, the slowest: {worst}",
        f"{commands.chat_server(site, 'doctor', '--only', 'indexes', 'size', 'integrity')}\n"
        f"sudo journalctl -u {commands.SERVICE} --since=-1h | grep 'slow query' | tail -20",
    )


def connections(site: Site) -> Finding:
    """Sockets against how many there may be, and descriptors against how many the process gets."""
    running, most = probe.running(site.config.server), site.config.limits.max_connections
    if running is None:
        raise CannotLookError("no server answers")
    seen = f"{running.connected_sockets:,} of {most:,} sockets are open"
    open_files, may_open = _descriptors(site)
    if may_open:
        seen += f", {open_files:,} of {may_open:,} descriptors are in use"
    edit = f"sudo nano {site.config_path}   # [limits] max_connections\n{commands.restart(site)}"
    if running.connected_sockets >= FULL_SHARE * most or open_files > FULL_SHARE * may_open:
        return Finding("warning", seen, f"sudo ss -Htn state established 'sport = :{site.config.server.port}'\n{edit}")
    if may_open and may_open < most:
        return Finding("warning", f"{seen}: fewer descriptors than [limits] max_connections allows sockets", edit)
    return Finding("ok", seen)


def _descriptors(site: Site) -> tuple[int, int]:
    """How many the server has, and how many it may have; 0 where only root may know."""
    pid = processes.server_of(site.database)
    try:
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0, 0
    found = re.search(r"^Max open files +(\d+)", limits, re.MULTILINE)
    return used, int(found[1]) if found else 0


QUESTIONS: Final = (
    Question("load", ("5.1",), flood),
    Question("slow-queries", ("5.2",), slow_queries),
    Question("connections", ("5.3",), connections),
)
