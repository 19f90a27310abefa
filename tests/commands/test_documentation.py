"""docs/commands.md has every command and option there is, and no other; its examples work."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_server.arguments import EXIT_CODES, parser
from chat_server.cli import COMMANDS, FAILURES
from tests.commands.admin import CHAT_SERVER
from tests.server import running_server

REFERENCE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()


def commands_below(parser: argparse.ArgumentParser, words: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be run, and what parses its options."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if words and not groups:
        yield words, parser
    for group in groups:
        for name, command in group.choices.items():
            yield from commands_below(command, f"{words} {name}".strip())


def options(parser: argparse.ArgumentParser) -> set[str]:
    """As the reference's first column has them: `NAME`, `--yes`, `--limit N`."""
    return {
        f"{' '.join(action.option_strings[-1:])} {action.metavar or ''}".strip()
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    }


def documented(text: str) -> set[str]:
    """The first column of the table of options."""
    return set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))


SECTIONS = {text.partition("\n")[0]: text for text in REFERENCE.split("\n## ")[1:]}
for about_no_command in ("Output and exit codes", "Signals", "Environment", "Files", "Manual pages and completion"):
    SECTIONS.pop(about_no_command)
PARSERS = dict(commands_below(parser()))


def test_every_command_has_its_section_and_its_function() -> None:
    assert set(SECTIONS) == set(PARSERS) == set(COMMANDS)


@pytest.mark.parametrize("command", PARSERS)
def test_a_commands_options_are_those_of_its_section(command: str) -> None:
    assert documented(SECTIONS[command]) == options(PARSERS[command])


def test_the_options_of_all_commands_are_documented() -> None:
    assert documented(REFERENCE.partition("\n## ")[0]) == options(parser()) | {"--help"}


def test_the_exit_codes_are_those_of_the_help_and_of_the_code() -> None:
    in_reference = [int(code) for code in re.findall(r"^\| (\d+) \|", REFERENCE, re.MULTILINE)]
    in_help = [int(code) for code in re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)]
    assert in_reference == in_help
    assert set(FAILURES.values()) <= set(in_help)


@pytest.mark.parametrize("command", PARSERS)
def test_help_says_what_a_command_does_in_sentences(command: str) -> None:
    said = PARSERS[command].format_help()
    assert re.search(r"^usage: chat-server ", said)
    assert PARSERS[command].description
    assert str(PARSERS[command].description).endswith(".")
    assert all(action.help for action in PARSERS[command]._actions)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is missing; install it: apt install openssl")
def test_the_examples_work_in_their_order(tmp_path: Path) -> None:
    examples = "\n".join(re.findall(r"^```sh\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL))
    # A server must be stopped for a restore: docs/backup.md has the steps, and its own test.
    assert {command for command in PARSERS if f"chat-server {command}" not in examples} == {"serve", "restore"}
    executable = tmp_path / "bin" / "chat-server"
    executable.parent.mkdir()
    with running_server(tmp_path) as server:
        executable.write_text(f'#!/bin/sh\nexec {CHAT_SERVER} --config {server.config} "$@"\n')
        executable.chmod(0o755)
        path = f"{executable.parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-eu", "-c", examples],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "healthy: " in done.stdout
