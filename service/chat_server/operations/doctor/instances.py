"""Chapter 4, "The database is locked": who has it open, and who keeps it for themselves."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.processes import Process, Server
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import UNIT, Site

SAMPLES: Final = 6
SAMPLE_SECONDS: Final = 0.1


def instances(site: Site) -> Finding:
    """One server, and it is the one that systemd started."""
    holder, started = processes.server_of(site.database), int(site.unit.get("MainPID", 0))
    others = [server for server in processes.serving() if server.process.pid not in {holder, started}]
    holding = processes.process(holder) if holder else None
    if holding and site.unit and holder != started:
        return Finding(
            "failure",
            f"a server that {UNIT} did not start has the database: {holding}, so the service can't start",
            f"{_end(holding)}\n{commands.start(site)}",
        )
    if second := [server.process for server in others if _is_of(site, server)]:
        seen = f"beside the server with this database there is another: {', '.join(map(str, second))}"
        return Finding("warning", seen, "\n".join(_end(server) for server in second))
    elsewhere = f"; with other databases: {len(others)}" if others else ""
    return Finding("ok", (f"one server runs: {holding}" if holding else "no server runs") + elsewhere)


def _is_of(site: Site, server: Server) -> bool:
    """Whether it was started with our configuration, by all that can be told from outside."""
    return (Path(server.config) if server.config else commands.INSTALLED) == site.config_path.absolute()


def _end(server: Process) -> str:
    """By the signal that lets it finish: also one that another unit, or somebody's shell, started."""
    return server.end if server.unit and server.unit != UNIT else f"sudo kill {server.pid}"


def openers(site: Site) -> Finding:
    """Nobody but the server, and commands of ours, has the database open."""
    if not site.is_root:
        raise CannotLookError("only root sees who has the database open")
    ours = {processes.server_of(site.database), os.getpid()}
    others = [
        found for pid in processes.openers_of(site.database) if pid not in ours if (found := processes.process(pid))
    ]
    others = [found for found in others if found.name != commands.SERVICE]
    if not others:
        return Finding("ok", "no other program has the database open")
    return Finding(
        "warning",
        f"{', '.join(map(str, others))} has the database open: it may lock it, and keeps its log from shrinking",
        "\n".join(other.end for other in others),
    )


def write_lock(site: Site) -> Finding:
    """Nobody but the server holds the write lock for longer than a moment."""
    server, first = processes.server_of(site.database), processes.writer_of(site.database)
    stays = first not in {None, server} and all(_again(site, first) for _ in range(SAMPLES - 1))
    holder = processes.process(first) if first and stays else None
    if holder is None:
        return Finding("ok", "nobody keeps the database locked")
    return Finding(
        "failure",
        f"{holder} has kept the database locked for {SAMPLES * SAMPLE_SECONDS:.1f} s or more: no message can be stored",
        holder.end,
    )


def _again(site: Site, pid: int | None) -> bool:
    """Whether it is still the same one, a moment later."""
    time.sleep(SAMPLE_SECONDS)
    return processes.writer_of(site.database) == pid


QUESTIONS: Final = (
    Question("instances", ("4.1",), instances),
    Question("write-lock", ("4.1",), write_lock),
    Question("open-elsewhere", ("4.1", "4.2"), openers),
)
