"""Chapter 8: what the log tells, whether it is kept, and which server writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chat_server import __version__
from chat_server.observability.lines import without_secrets
from chat_server.operations import probe
from chat_server.operations.doctor.commands import restart, start, systemctl
from chat_server.operations.doctor.journal import KEPT, VOLATILE, check_readable, files_in, tells
from chat_server.operations.doctor.processes import listeners, serving
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.settings import change, settings
from chat_server.operations.doctor.site import UNIT, Site, run

SHOWN: Final = 3
SHOWN_CHARACTERS: Final = 200
WARNING_PRIORITY: Final = 4
VERBOSE: Final = ("debug", "trace")
# Each has a question of its own.
ELSEWHERE: Final = ("failed login", "slow query")


def log_level(site: Site) -> Finding:
    """Whether more is logged than in daily use."""
    level = settings(site).server.log_level
    overridden = _level_told(site)
    effective = overridden or level
    seen = f"log_level is {effective}" + (", by the command line of the server that runs" if overridden else "")
    if effective not in VERBOSE:
        return Finding("ok", seen)
    told = '[server] log_level = "info", when you have seen enough'
    remedy = systemctl("cat") if overridden else change(site, told, reloaded=True)
    return Finding("warning", f"{seen}: it names everybody's doings, fills the journal and costs time", remedy)


def journal(_site: Site) -> Finding:
    """Whether the log can be read, and outlives a restart of the host."""
    if not files_in(KEPT) and files_in(VOLATILE):
        return Finding(
            "warning",
            f"the journal is kept in memory ({VOLATILE}), and gone when the host restarts",
            f"sudo mkdir -p {KEPT} && sudo systemctl restart systemd-journald && sudo journalctl --flush",
        )
    check_readable()
    used = run("journalctl", "--disk-usage")
    told = f": {used.text.strip().rstrip('.')}" if used and not used.code else ""
    return Finding("ok", f"the journal is kept in {KEPT}{told}")


def journal_errors(_site: Site) -> Finding:
    """Errors and warnings of the service in the last hour, but those that have a question of their own."""
    check_readable()
    shown = run(
        *("journalctl", "--quiet", f"--unit={UNIT}", "--since=-1h", f"--priority={WARNING_PRIORITY}"),
        *("--output=json", "--output-fields=MESSAGE,PRIORITY", "--no-pager", "--lines=20000"),
    )
    if shown is None or shown.code:
        raise CannotLookError("journalctl does not answer")
    entries = [entry for line in shown.text.splitlines() if (entry := _entry(line))]
    entries = [(priority, text) for priority, text in entries if not any(tells(text, event) for event in ELSEWHERE)]
    errors = [text for priority, text in entries if priority < WARNING_PRIORITY]
    seen = f"in the journal of the last hour: errors: {len(errors)}, warnings: {len(entries) - len(errors)}"
    if not entries:
        return Finding("ok", seen)
    last = "; ".join(dict.fromkeys(_short(text) for text in (errors or [text for _, text in entries])[-SHOWN:]))
    return Finding(
        "warning" if errors else "ok",
        f"{seen}, the last: {last}",
        "sudo journalctl -u chat-server --since=-1h --priority=warning" if errors else "",
    )


def foreground(site: Site) -> Finding:
    """Whether the server that answers is the one that systemd looks after."""
    port = site.config.server.port
    processes = [server.process for server in serving()]
    strangers = [one for one in processes if one.unit != UNIT and one.pid in _listening(port)]
    state = site.unit.get("ActiveState", "")
    if not site.unit:
        raise CannotLookError(f"no {UNIT} here: the server is looked after by something else, or nothing")
    if strangers:
        told = ", ".join(str(one) for one in strangers)
        return Finding(
            "warning",
            f"a server that nobody looks after has port {port}: {told}; {UNIT} is {state}. It ends with its terminal",
            f"Press Ctrl-C where it runs, or: {strangers[0].end}\n{start(site)}",
        )
    if state != "active" and probe.running(site.config.server):
        return Finding(
            "warning",
            f"a server answers at port {port}, but {UNIT} is {state}: somebody runs it in the foreground",
            f"sudo ss -ltnp 'sport = :{port}'\nPress Ctrl-C where that runs.\n{start(site)}",
        )
    return Finding("ok", f"{UNIT} is {state}, and no server runs beside it")


def version(site: Site) -> Finding:
    """Whether the version that runs is the one that is installed."""
    running = probe.running(site.config.server)
    if running is None:
        raise CannotLookError(f"version {__version__} is installed; no server answers to say which runs")
    if running.version != __version__:
        return Finding(
            "warning",
            f"version {running.version} runs, {__version__} is installed: it was not restarted since",
            restart(site),
        )
    return Finding("ok", f"version {__version__} is installed and runs")


def _level_told(site: Site) -> str:
    """The level that the running service's command line says, which wins over the configuration."""
    try:
        words = Path(f"/proc/{int(site.unit.get('MainPID') or 0)}/cmdline").read_text(encoding="utf-8").split("\0")
    except (OSError, ValueError):
        return ""
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option == "--log-level":
            return value
        if option.startswith("--log-level="):
            return option.partition("=")[2]
    return ""


def _listening(port: int) -> set[int]:
    return {listener.process.pid for listener in listeners(port) if listener.process}


def _entry(line: str) -> tuple[int, str] | None:
    """Priority and text of a line of the journal's JSON; what is no text is left out."""
    try:
        entry = json.loads(line)
        return int(entry.get("PRIORITY", WARNING_PRIORITY)), str(entry["MESSAGE"])
    except (ValueError, KeyError, AttributeError):
        return None


def _short(text: str) -> str:
    shown = without_secrets(text)
    return shown if len(shown) <= SHOWN_CHARACTERS else f"{shown[:SHOWN_CHARACTERS]}…"


QUESTIONS: Final[Sequence[Question]] = (
    Question("log-level", ("8.1",), log_level),
    Question("journal", ("8.2",), journal),
    Question("journal-errors", ("8.2", "8.1"), journal_errors),
    Question("foreground", ("8.3",), foreground),
    Question("version", ("8.4",), version),
)
