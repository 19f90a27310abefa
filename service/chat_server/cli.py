"""The command line: one function per command, no logic. What can be written on it is in arguments.py."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from msgspec.structs import replace

from chat_server import arguments as command_line
from chat_server import terminal
from chat_server.config import Config
from chat_server.configuration import ConfigurationError, create_secret, load, load_without_secret
from chat_server.operations.errors import RefusedError, UntoldError
from chat_server.storage.errors import DatabaseUnusableError, StorageUnavailableError

if TYPE_CHECKING:
    from chat_server.operations.doctor.report import Report
    from chat_server.operations.doctor.site import Site

EXIT_NO = 1
EXIT_FAILURE_FOUND = 2
EXIT_INTERRUPTED = 130

# Each of these says in its text, on one line, what is wrong.
FAILURES: Mapping[type[Exception], int] = {
    ConfigurationError: os.EX_CONFIG,
    RefusedError: EXIT_NO,
    terminal.NoAnswerError: EXIT_NO,
    DatabaseUnusableError: os.EX_NOINPUT,
    StorageUnavailableError: os.EX_TEMPFAIL,
    UntoldError: os.EX_TEMPFAIL,
    terminal.OutputLostError: os.EX_IOERR,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code (sysexits.h where one fits)."""
    arguments = command_line.parser().parse_args(argv)
    try:
        return COMMANDS[arguments.command](arguments)
    except tuple(FAILURES) as error:
        code = next(code for failure, code in FAILURES.items() if isinstance(error, failure))
        return _fail(str(error), code)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _config(arguments: argparse.Namespace) -> Config:
    return load(arguments.config, os.environ)


def _config_without_secret(arguments: argparse.Namespace) -> Config:
    """For what signs nothing: a secret that was spoilt must keep nobody from a backup, nor a monitor from asking."""
    return load_without_secret(arguments.config, os.environ)


def _now() -> int:
    return time.time_ns() // 1_000_000


def _fail(message: str, code: int) -> int:
    print(f"chat-server: {message}", file=sys.stderr)
    return code


# The commands. Each imports only what it needs, so that the quick ones are quick.


def serve(arguments: argparse.Namespace) -> int:
    # Until the server has its own: process 1 of a container ignores a signal that nobody handles.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(os.EX_OK))
    from chat_server import server

    if arguments.create_secret and (file := create_secret(arguments.config, os.environ)):
        terminal.note(f"wrote a fresh secret to {file}")

    def configured() -> Config:
        """The file is read again on SIGHUP; what the command line says goes on."""
        config = _config(arguments)
        level = arguments.log_level or config.server.log_level
        return replace(config, server=replace(config.server, log_level=level))

    return server.serve(configured)


def check_config(arguments: argparse.Namespace) -> int:
    _config(arguments)
    terminal.show(f"{arguments.config}: good")
    return os.EX_OK


def list_users(arguments: argparse.Namespace) -> int:
    from chat_server.operations import users

    found, total = users.list_users(
        _config(arguments), prefix=arguments.search, deleted=arguments.deleted, limit=arguments.limit
    )
    if arguments.json:
        terminal.show_json({"users": found, "total": total})
    else:
        terminal.show_table(users.UserItem, found)
    if len(found) < total:
        terminal.note(f"shown are {len(found):,} of {total:,}: see --limit and --search")
    return os.EX_OK


def create_user(arguments: argparse.Namespace) -> int:
    from chat_server.operations import users

    generated = users.generate_password() if arguments.generate else None
    person = users.create(
        _config(arguments),
        arguments.name,
        choose_password=lambda: generated or terminal.ask_password(arguments.name),
        now=_now(),
    )
    text = f"created {person.username}, {person.user_id}" + (f"\npassword: {generated}" if generated else "")
    return _tell(arguments, text, user_id=person.user_id, username=person.username, password=generated)


def delete_user(arguments: argparse.Namespace) -> int:
    from chat_server.operations import users

    config = _config(arguments)
    person = users.find(config, arguments.name)
    if not arguments.yes:
        terminal.confirm(f"Delete {person.username}, {person.user_id}, for ever?", remedy="add --yes")
    person, ended = users.delete(config, arguments.name, now=_now())
    text = f"deleted {person.username}, sessions ended: {ended}"
    return _tell(arguments, text, user_id=person.user_id, username=person.username, ended_sessions=ended)


def unlock_user(arguments: argparse.Namespace) -> int:
    from chat_server.operations import users

    person, removed = users.unlock(_config(arguments), arguments.name)
    text = f"unlocked {person.username}, failed logins forgotten: {removed}"
    return _tell(arguments, text, user_id=person.user_id, username=person.username, forgotten_failures=removed)


def reset_password(arguments: argparse.Namespace) -> int:
    from chat_server.operations import users

    generated = users.generate_password() if arguments.generate else None
    person, ended = users.reset_password(
        _config(arguments),
        arguments.name,
        choose_password=lambda: generated or terminal.ask_password(arguments.name),
    )
    text = f"{person.username} has another password, sessions ended: {ended}"
    return _tell(
        arguments,
        text + (f"\npassword: {generated}" if generated else ""),
        user_id=person.user_id,
        username=person.username,
        ended_sessions=ended,
        password=generated,
    )


def show_sessions(arguments: argparse.Namespace) -> int:
    from chat_server.chat.sessions import SessionItem
    from chat_server.operations import users

    config = _config(arguments)
    if arguments.end_all or arguments.end:
        person, ended = users.end_sessions(config, arguments.name, only=arguments.end)
        text = f"{person.username}: sessions ended: {ended}"
        return _tell(arguments, text, user_id=person.user_id, username=person.username, ended_sessions=ended)
    person, found = users.list_sessions(config, arguments.name, now=_now())
    if arguments.json:
        terminal.show_json({"user_id": person.user_id, "username": person.username, "sessions": found})
    else:
        terminal.show_table(SessionItem, found)
    return os.EX_OK


def create_invite(arguments: argparse.Namespace) -> int:
    from chat_server.operations import invites

    config, now = _config(arguments), _now()
    expires_at = now + arguments.expires_in if arguments.expires_in else None
    invite_id, code = invites.create(config, note=arguments.note, expires_at=expires_at, now=now)
    if config.auth.registration != "invite":
        terminal.note(f'registration is "{config.auth.registration}": a code has no effect until it is "invite"')
    return _tell(arguments, f"{invite_id}\ncode: {code}", invite_id=invite_id, code=code, expires_at=expires_at)


def list_invites(arguments: argparse.Namespace) -> int:
    from chat_server.operations import invites

    found = invites.list_invites(_config(arguments), now=_now())
    if arguments.json:
        terminal.show_json({"invites": found})
    else:
        terminal.show_table(invites.InviteItem, found)
    return os.EX_OK


def revoke_invite(arguments: argparse.Namespace) -> int:
    from chat_server.operations import invites

    item = invites.revoke(_config(arguments), arguments.invite_id, now=_now())
    text = f"{item.invite_id}: {item.state}" + (f" by {item.used_by} before" if item.used_by else "")
    return _tell(arguments, text, invite_id=item.invite_id, state=item.state, used_by=item.used_by)


def show_stats(arguments: argparse.Namespace) -> int:
    from chat_server.operations import probe, stats

    config = _config(arguments)
    figures, server = stats.stats(config, now=_now()), probe.running(config.server)
    if arguments.json:
        terminal.show_json({**asdict(figures), "server": server})
    else:
        terminal.show_facts(*([figures, server] if server else [figures]))
    if not server:
        terminal.note(f"no server answers at {probe.address(config.server)}")
    return os.EX_OK


def make_backup(arguments: argparse.Namespace) -> int:
    from chat_server.operations.backup import backup

    config = _config_without_secret(arguments)
    made = backup(config, now=_now(), progress=terminal.show_progress, only_here=arguments.only_here)
    if made.contents.broken_references:
        terminal.note(f"rows that refer to none, here as in the database: {made.contents.broken_references:,}")
    if arguments.json:
        terminal.show_json(asdict(made))
    else:
        removed = f"; too old, so removed: {', '.join(made.removed)}" if made.removed else ""
        copied = f"; copied to {made.copy}" if made.copy else ""
        terminal.show(f"backup made: {made.file}, {made.size_bytes:,} bytes, {made.contents}{copied}{removed}")
    if made.copy_failure:
        return _fail(f"the backup is good, but its copy failed: {made.copy_failure}", os.EX_UNAVAILABLE)
    return os.EX_OK


def restore_backup(arguments: argparse.Namespace) -> int:
    from chat_server.operations.restore import restore

    config = _config_without_secret(arguments)

    def confirm(found: object) -> None:
        if not arguments.yes:
            question = f"Replace {config.database.path} by {arguments.file} ({found})?"
            terminal.confirm(question, remedy="add --yes")

    done = restore(config, arguments.file, confirm=confirm, now=_now())
    if arguments.json:
        terminal.show_json(asdict(done))
    else:
        kept = f"; what was there is {done.kept}" if done.kept else ""
        terminal.show(f"restored: {done.database}, {done.contents}{kept}")
    return os.EX_OK


def checkpoint(arguments: argparse.Namespace) -> int:
    from chat_server.operations import checkpoint as operation

    done = operation.checkpoint(_config_without_secret(arguments), now=_now())
    if arguments.json:
        terminal.show_json(asdict(done))
    elif done.running:
        terminal.show("a server uses the database: nothing to do")
    elif done.folded_bytes:
        terminal.show(f"write-ahead log folded into the database: {done.folded_bytes:,} bytes")
    return os.EX_OK


def healthcheck(arguments: argparse.Namespace) -> int:
    from chat_server.operations import probe

    health = probe.health(_config_without_secret(arguments).server)
    _tell(arguments, f"{health.status}: {health.detail}", status=health.status, detail=health.detail)
    return os.EX_OK if health.status == "healthy" else EXIT_NO


def doctor(arguments: argparse.Namespace) -> int:
    from chat_server.operations.doctor import text

    if arguments.test_alert:
        return _test_alert(arguments)
    site = _site(arguments)
    found = _report(arguments, site)
    if arguments.alert:
        _alert(arguments, site, found)
    elif arguments.json:
        terminal.show_json(asdict(found))
    else:
        for line in text.lines(found):
            terminal.show(line)
    return EXIT_FAILURE_FOUND if found.status == "failure" else os.EX_OK


def _report(arguments: argparse.Namespace, site: Site) -> Report:
    from chat_server.operations.alerts import telling
    from chat_server.operations.doctor.examination import examine

    if arguments.report:
        return telling.saved(arguments.report)
    if arguments.save:
        telling.forget(arguments.save)
    found = examine(site, only=arguments.only, progress=terminal.show_progress)
    if arguments.save:
        telling.save(found, arguments.save)
    return found


def _alert(arguments: argparse.Namespace, site: Site, found: Report) -> None:
    from chat_server.operations.alerts import telling
    from chat_server.operations.alerts.news import News

    def log(news: News) -> None:
        if arguments.json:
            terminal.show_json(asdict(news))
        elif news.changes:
            terminal.show(news.text)

    alerts = None if site.config_error else site.config.alerts
    telling.tell(found, alerts=alerts, state_file=arguments.state, log=log, now=_now())


def _test_alert(arguments: argparse.Namespace) -> int:
    from chat_server.operations.alerts import telling

    ways = telling.tell_test(_config_without_secret(arguments).alerts, state_file=arguments.state, now=_now())
    if arguments.json:
        terminal.show_json({"told": ways})
    else:
        terminal.show(f"a test was sent: {', '.join(ways)}")
    return os.EX_OK


def _site(arguments: argparse.Namespace) -> Site:
    """What doctor looks at: also with a configuration that is not good, for that may be what is wrong."""
    from chat_server.operations.doctor.site import Site
    from chat_server.salvage import salvage

    config_error = secret_error = ""
    try:
        config = _config_without_secret(arguments)
    except ConfigurationError as error:
        config, config_error = salvage(arguments.config), str(error)
    else:
        try:
            _config(arguments)
        except ConfigurationError as error:
            secret_error = str(error)
    return Site(arguments.config, config, config_error, secret_error, _now())


def support_bundle(arguments: argparse.Namespace) -> int:
    from chat_server.operations.support.bundle import gather

    made = gather(
        _site(arguments),
        file=arguments.output,
        lines=arguments.lines,
        environ=os.environ,
        progress=terminal.show_progress,
    )
    if arguments.json:
        terminal.show_json(asdict(made) | {"file": str(made.file)})
    else:
        terminal.show(f"support bundle: {made.file}, {made.size_bytes:,} bytes, {len(made.parts)} files in it")
        for part in made.missing:
            terminal.show(f"  without {part.name}: {part.reason}")
    terminal.note(
        "It holds user names and addresses: give it only to those who may know them. Messages, passwords, tokens and "
        "secrets are left out."
    )
    return os.EX_OK


def _tell(arguments: argparse.Namespace, text: str, **facts: str | int | None) -> int:
    """What was done: the text for a person, or the facts as JSON."""
    if arguments.json:
        terminal.show_json(facts)
    else:
        terminal.show(text)
    return os.EX_OK


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "serve": serve,
    "check-config": check_config,
    "users list": list_users,
    "users create": create_user,
    "users delete": delete_user,
    "users unlock": unlock_user,
    "users reset-password": reset_password,
    "users sessions": show_sessions,
    "invites create": create_invite,
    "invites list": list_invites,
    "invites revoke": revoke_invite,
    "stats": show_stats,
    "backup": make_backup,
    "restore": restore_backup,
    "checkpoint": checkpoint,
    "healthcheck": healthcheck,
    "doctor": doctor,
    "support-bundle": support_bundle,
}
