"""Chapter 1, "It does not start": the configuration, the port, the libraries; permissions.py has who may open what."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import chat_server
from chat_server.operations import probe
from chat_server.operations.doctor import commands, processes
from chat_server.operations.doctor.reading import bounded
from chat_server.operations.doctor.report import Finding, Question
from chat_server.operations.doctor.site import Site, run

# What the server needs and doctor may not have noticed the lack of.
MODULES: Final = (
    "argon2",
    "falcon",
    "gevent",
    "geventwebsocket",
    "jwt",
    "msgspec",
    "peewee",
    "prometheus_client",
    "psutil",
    "sqlite3",
    "ssl",
    "websockets",
)
IMPORT_SECONDS = 10
PACKAGE = "chat-server"
LIBRARIES: Final = Path(chat_server.__file__).parents[1]
REINSTALL = "sudo apt install --reinstall chat-server"


def configuration(site: Site) -> Finding:
    """The server reads it again at its next start; until then a mistake is asleep."""
    error = site.config_error or site.secret_error
    if not error:
        return Finding("ok", f"{site.config_path} is good")
    edit = f"sudo nano {site.config_path}"
    check = commands.chat_server(site, "check-config")
    awake = site.unit.get("ActiveState") == "active"
    return Finding(
        "failure",
        f"{error}{' (the running server still has what it read before)' if awake else ''}",
        f"{edit}\n{check}\n{commands.restart(site)}",
    )


def port(site: Site) -> Finding:
    """Of the configured port: free, ours, or somebody else's."""
    host, number = site.config.server.host, site.config.server.port
    there = [found for found in processes.listeners(number) if processes.collides(found.address, host)]
    ours = {processes.server_of(site.database), int(site.unit.get("MainPID", 0))}
    if not there:
        return Finding("ok", f"nobody listens on port {number}: it is free for the server")
    strangers = [found.process for found in there if found.process and not _is_ours(found.process, ours)]
    if strangers:
        return _taken(site, strangers[0])
    where = ", ".join(sorted({found.address for found in there}))
    if any(found.process for found in there) or probe.running(site.config.server):
        return Finding("ok", f"the server listens on {where}, port {number}")
    return Finding(
        "warning",
        f"somebody listens on {where}, port {number}, and does not answer as a chat-server does; only root sees who",
        commands.chat_server(site, "doctor", "--only", "port"),
    )


def _is_ours(process: processes.Process, ours: set[int | None]) -> bool:
    """With chat-server.socket it is systemd that listens, and the server with it."""
    return process.pid in ours or process.name == "systemd"


def _taken(site: Site, stranger: processes.Process) -> Finding:
    start = commands.restart(site)
    return Finding(
        "failure",
        f"port {site.config.server.port} is taken by {stranger}, so the server can't listen there",
        f"{stranger.end}\n{start}\nor change [server] port:\nsudo nano {site.config_path}\n{start}",
    )


def libraries(site: Site) -> Finding:
    """What the program is made of is there, and as the package brought it."""
    broken = [*_not_importable(), *_not_linkable()]
    missing, changed = _not_as_packed()
    if broken or missing:
        lost = [f"of the package's files {len(missing)} are missing, the first {missing[0]}"] if missing else []
        seen = "; ".join([*broken, *lost])
        return Finding("failure", seen, f"{REINSTALL}\n{commands.restart(site)}")
    if changed:
        seen = f"not as the package brought it: {len(changed)} files, the first {changed[0]}"
        return Finding("warning", seen, REINSTALL)
    return Finding("ok", f"{len(MODULES)} libraries can be loaded")


def _not_importable() -> list[str]:
    """Tried in a process of its own: a broken extension may crash it."""

    def load() -> Iterator[str]:
        for name in MODULES:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001  whatever a library's own code raises
                yield f"the library {name} can't be loaded: {error}"
            else:
                yield ""

    tried = bounded(load, seconds=IMPORT_SECONDS)
    problems = [problem for problem in tried.words if problem]
    if not tried.complete:
        problems.append(f"loading the library {MODULES[len(tried.words)]} crashes or hangs")
    return problems


def _not_linkable() -> list[str]:
    """What the executable, or one of the libraries beside it, is linked with and does not find."""
    files = [sys.executable, *map(str, LIBRARIES.rglob("*.so"))] if LIBRARIES.name == "lib" else [sys.executable]
    shown = run("ldd", *files)
    missing = re.findall(r"^\s*(\S+) => not found", shown.text, re.MULTILINE) if shown else []
    return [f"the system library {name} is missing" for name in dict.fromkeys(missing)]


def _not_as_packed() -> tuple[list[str], list[str]]:
    """The package's files that are missing, and those that somebody changed; not what an admin may change."""
    shown = run("dpkg", "--verify", PACKAGE)
    lines = shown.text.splitlines() if shown else []
    # Not the documents, which an image may do without.
    missing = [found[1] for line in lines if (found := re.fullmatch(r"missing +(/(?:opt|lib|usr/s?bin)/.+)", line))]
    changed = [found[1] for line in lines if (found := re.fullmatch(r"\S*5\S* +(/.+)", line))]
    return missing, changed


QUESTIONS: Final = (
    Question("configuration", ("1.3",), configuration),
    Question("port", ("1.1",), port),
    Question("libraries", ("1.4",), libraries),
)
