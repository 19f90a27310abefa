"""The command line: one function per command, no logic."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

from chat_server import __version__
from chat_server.config import Config, LogLevel
from chat_server.configuration import ConfigurationError, default_path, load

Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; gives the exit code (sysexits.h where one fits)."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.run
    try:
        return command(arguments)
    except ConfigurationError as error:
        return _fail(str(error), os.EX_CONFIG)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chat-server", description="A private chat for two people at a time, on a machine of your own."
    )
    parser.add_argument("--version", action="version", version=f"chat-server {__version__}")
    parser.add_argument("--config", type=Path, metavar="PATH", help="the configuration (default: %(default)s)")
    parser.add_argument("--log-level", choices=get_args(LogLevel), help="instead of the configured one")
    parser.set_defaults(run=serve, config=default_path())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("serve", help="run the server (the default)").set_defaults(run=serve)
    check = commands.add_parser("check-config", help="say whether the configuration is good, without starting")
    check.set_defaults(run=check_config)
    return parser


def _config(arguments: argparse.Namespace) -> Config:
    return load(arguments.config, os.environ)


def _fail(message: str, code: int) -> int:
    print(f"chat-server: {message}", file=sys.stderr)
    return code


def serve(arguments: argparse.Namespace) -> int:
    from chat_server import server  # the other commands need neither gevent nor the time to import it

    return server.serve(lambda: _config(arguments), log_level=arguments.log_level)


def check_config(arguments: argparse.Namespace) -> int:
    _config(arguments)
    print(f"{arguments.config}: good")
    return os.EX_OK
