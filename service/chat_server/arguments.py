"""What can be written on the command line: every command, option and word of help."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import get_args

from chat_server import __version__
from chat_server.config import LogLevel
from chat_server.configuration import default_path

DESCRIPTION = """\
A private chat for two people at a time, on a machine of your own.

Without a command it serves. The other commands work on the configured database, whether the server runs or not;
run them as root or as the server's user. A running server heeds what they change within about a second.
"""

EXIT_CODES = """\
exit codes:
  0   done; for healthcheck: healthy
  1   refused, and nothing was changed: no such user, a name that is taken, a weak password, not confirmed, ...;
      for healthcheck: unhealthy
  2   the command line is wrong; for doctor: it found a failure
  66  the database, or the file to restore, is missing, unreadable, damaged, another program's or another version's
  69  serve: the address or port cannot be listened on
  71  serve: there is not enough memory to start
  72  a library, or a file of the page, is missing or broken: install the package again
  74  the output could not be written
  75  the database is busy, or its disk is full: try again; for doctor: an alert reached nobody, and is told again
  78  the configuration is wrong
  130 interrupted
"""

MS_PER_UNIT = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
MOST_MS = 100 * 365 * MS_PER_UNIT["d"]
USERS_SHOWN = 100
MOST_LINES = 100_000


def parser() -> argparse.ArgumentParser:
    """Parses into a namespace whose `command` is the command's words: "users create"."""
    top = argparse.ArgumentParser(
        prog="chat-server",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"chat-server {__version__}")
    top.add_argument("--config", type=Path, metavar="PATH", help="the configuration (default: %(default)s)")
    levels = get_args(LogLevel)
    top.add_argument(
        "--log-level",
        choices=levels,
        metavar="LEVEL",
        help=f"what serve logs, instead of the configured level: {', '.join(levels)}",
    )
    top.set_defaults(command="serve", config=default_path(), create_secret=False)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")

    serve = commands.add_parser(
        "serve",
        help="run the server (the default)",
        description="Runs the server until SIGTERM or Ctrl-C. SIGHUP reloads the log level and the limits.",
    )
    serve.add_argument(
        "--create-secret",
        action="store_true",
        help="write a fresh secret into the configured jwt_secret_file first, where there is no such file",
    )
    serve.set_defaults(command="serve")
    check_config = commands.add_parser(
        "check-config",
        help="say whether the configuration is good, without starting",
        description="Reads the configuration as serve does, and says what is wrong with it in one line.",
    )
    check_config.set_defaults(command="check-config")
    _users(commands.add_parser("users", help="look after accounts", description="Looks after accounts."))
    _invites(
        commands.add_parser(
            "invites",
            help="make and revoke invites",
            description='Makes and revokes the codes that let people sign up where registration is "invite".',
        )
    )
    stats = commands.add_parser(
        "stats",
        help="show how much there is",
        description="Shows how many users, conversations and messages there are, how large the database is, when it "
        "was last backed up, and what a running server says of itself.",
    )
    _leaf(stats, "stats")
    making = commands.add_parser(
        "backup",
        help="back the database up, while the server runs",
        description="Copies the database into the backups' directory while the server writes, verifies the copy, makes "
        "it latest.db, removes backups that are too old, and makes the copy for another host that is configured.",
    )
    making.add_argument("--only-here", action="store_true", help="make no copy for another host")
    _leaf(making, "backup")
    _restore(
        commands.add_parser(
            "restore",
            help="put a backup in the database's place",
            description="Verifies a backup and puts a copy of it in the database's place, after asking, while the "
            "server is stopped. The database that was there is kept under another name.",
        )
    )
    clearing = commands.add_parser(
        "checkpoint",
        help="fold what a crashed server left into the database",
        description="Folds the write-ahead log that a crashed server left into the database, or moves aside one that "
        "can't be. Does nothing while a server runs. systemd runs it whenever the server has ended.",
    )
    _leaf(clearing, "checkpoint")
    healthcheck = commands.add_parser(
        "healthcheck",
        help="ask the running server whether it is healthy",
        description="Asks the server on this machine for /health and waits 8 seconds at most: exit code 0 when it "
        "is healthy, 1 when it is not or does not answer. For containers and monitors.",
    )
    _leaf(healthcheck, "healthcheck")
    _doctor(
        commands.add_parser(
            "doctor",
            help="say what is wrong here, and what cures it",
            description="Walks the troubleshooting guide on this host, whether the server runs or not, and says what "
            "is wrong and what cures it. It changes nothing. Run it as root: another user may not see everything.",
        )
    )
    bundling = commands.add_parser(
        "support-bundle",
        help="gather what support needs into one file, without secrets",
        description="Gathers versions, logs, the configuration, doctor's report, and figures of the server, the "
        "database and the host into one file, for who is to find out from afar what is wrong. It holds user names and "
        "addresses, but no message, password, token or secret. Run it as root: another user may not see everything.",
    )
    bundling.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to write it (default: chat-server-support-TIME.tar.gz in the current directory)",
    )
    bundling.add_argument(
        "--lines",
        type=_lines,
        default=1000,
        metavar="N",
        help="so many lines of each log, the newest (default: %(default)s)",
    )
    _leaf(bundling, "support-bundle")
    return top


def _users(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    listing = commands.add_parser(
        "list", help="list accounts", description="Lists accounts by name, with when they were made and last seen."
    )
    listing.add_argument("--deleted", action="store_true", help="the deleted accounts instead")
    listing.add_argument("--search", type=_text, default="", metavar="PREFIX", help="only names that begin so")
    listing.add_argument(
        "--limit", type=_count, default=USERS_SHOWN, metavar="N", help="so many at most (default: %(default)s)"
    )
    _leaf(listing, "users list")

    creating = commands.add_parser(
        "create",
        help="make an account",
        description="Makes an account, also where registration is closed. The password is asked for twice on a "
        "terminal, and else is the first line of standard input.",
    )
    _named(creating)
    _generating(creating)
    _leaf(creating, "users create")

    deleting = commands.add_parser(
        "delete",
        help="delete an account for ever",
        description="Deletes an account, after asking. There is no way back: the name is never given out again, the "
        'messages stay, signed "Deleted User".',
    )
    _named(deleting)
    deleting.add_argument("--yes", action="store_true", help="don't ask; needed where there is no terminal")
    _leaf(deleting, "users delete")

    unlocking = commands.add_parser(
        "unlock",
        help="let somebody log in again who is locked out",
        description="Forgets the failed logins by a name, which lifts its lockout at once.",
    )
    _named(unlocking)
    _leaf(unlocking, "users unlock")

    resetting = commands.add_parser(
        "reset-password",
        help="give somebody another password",
        description="Gives an account another password and ends all its sessions. The password is asked for as by "
        "users create.",
    )
    _named(resetting)
    _generating(resetting)
    _leaf(resetting, "users reset-password")

    signed_in = commands.add_parser(
        "sessions",
        help="show where somebody is signed in, or sign them out",
        description="Lists the devices on which somebody is signed in, or signs them out.",
    )
    _named(signed_in)
    ending = signed_in.add_mutually_exclusive_group()
    ending.add_argument("--end", type=_text, metavar="ID", help="sign this one out instead")
    ending.add_argument("--end-all", action="store_true", help="sign all of them out instead")
    _leaf(signed_in, "users sessions")


def _invites(group: argparse.ArgumentParser) -> None:
    commands = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    creating = commands.add_parser(
        "create",
        help="make an invite",
        description="Makes a code with which one person can sign up, and prints it this once.",
    )
    creating.add_argument("--note", type=_text, default="", metavar="TEXT", help="who it is for, shown by invites list")
    creating.add_argument(
        "--expires-in",
        type=_duration,
        metavar="TIME",
        help="for how long it is good: 12h, 7d, 2w, a number with s, m, h, d or w (default: until used or revoked)",
    )
    _leaf(creating, "invites create")

    listing = commands.add_parser(
        "list", help="list invites", description="Lists all invites, the latest first. Their codes are not stored."
    )
    _leaf(listing, "invites list")

    revoking = commands.add_parser(
        "revoke",
        help="make an invite useless",
        description="Makes an invite useless. An account that was made with it stays.",
    )
    revoking.add_argument("invite_id", type=_text, metavar="ID", help="as shown by invites list")
    _leaf(revoking, "invites revoke")


def _restore(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", type=Path, metavar="FILE", help="the backup, such as latest.db")
    command.add_argument("--yes", action="store_true", help="don't ask; needed where there is no terminal")
    _leaf(command, "restore")


def _doctor(command: argparse.ArgumentParser) -> None:
    doing = command.add_mutually_exclusive_group()
    doing.add_argument("--only", nargs="+", type=_text, default=(), metavar="ID", help="make these checks alone")
    doing.add_argument(
        "--alert", action="store_true", help="tell whom [alerts] names what turned bad since it was told, or well again"
    )
    doing.add_argument("--test-alert", action="store_true", help="send a test to whom [alerts] names, and do no more")
    source = command.add_mutually_exclusive_group()
    source.add_argument("--save", type=Path, metavar="FILE", help="write the report into a file, too")
    source.add_argument("--report", type=Path, metavar="FILE", help="take a report that was saved instead of looking")
    command.add_argument(
        "--state",
        type=Path,
        default=Path("/var/lib/chat-server-doctor/told.json"),
        metavar="FILE",
        help="where --alert keeps who was told what (default: %(default)s)",
    )
    _leaf(command, "doctor")


def _leaf(command: argparse.ArgumentParser, words: str) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON document, times in ms since the epoch")
    command.set_defaults(command=words)


def _named(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", type=_text, metavar="NAME", help="the username; upper and lower case are the same")


def _generating(command: argparse.ArgumentParser) -> None:
    command.add_argument("--generate", action="store_true", help="make the password up, and print it this once")


def _text(argument: str) -> str:
    if not argument.isprintable():  # nor are bytes printable that were not UTF-8
        raise argparse.ArgumentTypeError(f"{argument!r} is not printable text")
    return argument


def _count(argument: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,8}", argument, re.ASCII):
        raise argparse.ArgumentTypeError(f"{argument!r} is no number from 1 to 999999999")
    return int(argument)


def _lines(argument: str) -> int:
    count = _count(argument)
    if count > MOST_LINES:
        raise argparse.ArgumentTypeError(f"{argument} lines are too many: {MOST_LINES} at most")
    return count


def _duration(argument: str) -> int:
    """In milliseconds."""
    match = re.fullmatch(r"([1-9][0-9]{0,9})([smhdw])", argument, re.ASCII)
    duration = int(match[1]) * MS_PER_UNIT[match[2]] if match else 0
    if not 0 < duration <= MOST_MS:
        raise argparse.ArgumentTypeError(f"{argument!r} is no time: write 12h, 7d or 2w, 100 years at most")
    return duration
