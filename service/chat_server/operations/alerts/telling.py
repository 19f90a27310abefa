"""From a report to those who must know: each is told once of each change, and again only of what did not reach them."""

from __future__ import annotations

import platform
from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from chat_server import __version__
from chat_server.config import AlertsSection
from chat_server.operations.alerts.hooks import Hook, HookError, hooks
from chat_server.operations.alerts.news import News, changes, told_after
from chat_server.operations.doctor.report import Check, Report, report
from chat_server.operations.errors import RefusedError, UntoldError
from chat_server.operations.owner import act_as_owner
from chat_server.storage.durable import write_whole

LARGEST_FILE: Final = 4_194_304
LOG: Final = "log"
EXAMINATION: Final = "examination"


class State(msgspec.Struct, frozen=True):
    """What is remembered from one run to the next.

    `told` has for each way to tell the ids of the checks that it was told fail. `alerts` are those of the last good
    configuration: one that was spoilt must not keep anybody from hearing of it.
    """

    told: dict[str, list[str]] = {}
    alerts: AlertsSection = AlertsSection()


def tell(found: Report, *, alerts: AlertsSection | None, state_file: Path, log: Hook, now: int) -> None:
    """Tells the hooks of `alerts` what turned, or where the configuration is bad (None) those known from before.

    `log` gets its news each time, even if nothing turned. Root becomes the owner of the state first, so no hook runs
    as root. Raises UntoldError, RefusedError.
    """
    _become_teller(state_file)
    state = _read_state(state_file)
    alerts = state.alerts if alerts is None else alerts
    log(_news(found, state.told.get(LOG, ()), now))
    told, failures = {LOG: told_after(found, state.told.get(LOG, ()))}, []
    for name, hook in hooks(alerts).items():
        known = state.told.get(name, ())
        news = _news(found, known, now)
        try:
            if news.changes:
                hook(news)
        except HookError as failure:
            failures.append(f"[alerts] {name}: {failure}")
            told[name] = sorted(known)
        else:
            told[name] = told_after(found, known)
    try:
        write_whole(state_file, msgspec.json.encode(State(told, alerts)), mode=0o600)
    except OSError as error:
        failures.append(f"{state_file}: {error.strerror}: all of it is told again next time")
    if failures:
        raise UntoldError("; ".join(failures))


def tell_test(alerts: AlertsSection, *, state_file: Path, now: int) -> list[str]:
    """Sends a test by each hook, as `tell` would; gives their names. Raises UntoldError, RefusedError."""
    configured = hooks(alerts)
    if not configured:
        raise RefusedError("nobody is to be told: [alerts] names neither mail_to nor webhook_url nor command")
    _become_teller(state_file)
    news = News(platform.node(), __version__, now, "ok", [], test=True)
    failures = []
    for name, hook in configured.items():
        try:
            hook(news)
        except HookError as failure:
            failures.append(f"[alerts] {name}: {failure}")
    if failures:
        raise UntoldError("; ".join(failures))
    return list(configured)


def save(found: Report, file: Path) -> None:
    """Writes a report for `saved`; whoever is of the process's group may read it. Raises RefusedError."""
    try:
        write_whole(file, msgspec.json.encode(found), mode=0o640)
    except OSError as error:
        raise RefusedError(f"{file}: {error.strerror}") from None


def forget(file: Path) -> None:
    """Removes a saved report, lest it be taken for one that is not made. Raises RefusedError."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise RefusedError(f"{file}: {error.strerror}") from None


def saved(file: Path) -> Report:
    """A report that was saved. Where there is none, or none that can be read, that is the failure to tell of."""
    try:
        found = msgspec.json.decode(_read(file), type=Report)
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no report of doctor's"
        return report([_examination(f"{file}: {reason}", "journalctl -u chat-server-doctor -n 50")])
    return report([*found.checks, _examination("doctor has looked at everything", "")])


def _news(found: Report, known: Collection[str], now: int) -> News:
    return News(platform.node(), __version__, now, found.status, changes(found, known))


def _examination(seen: str, remedy: str) -> Check:
    """Whether doctor itself did its work, as one check more."""
    return Check(EXAMINATION, [], "failure" if remedy else "ok", seen, remedy, "")


def _become_teller(state_file: Path) -> None:
    if not state_file.parent.is_dir():
        raise RefusedError(
            f"{state_file.parent}: there is no such directory: make it, owned by the user who is to tell, "
            "or name another file with --state"
        )
    act_as_owner(state_file)


def _read_state(file: Path) -> State:
    """One that can't be read counts as none: all that fails is told again, which is better than not at all."""
    try:
        return msgspec.json.decode(_read(file), type=State)
    except (OSError, msgspec.DecodeError):
        return State()


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(LARGEST_FILE)
