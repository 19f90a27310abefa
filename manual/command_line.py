"""The command line as pages and shells need it: what argparse knows, in plain values."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Argument:
    """An option or, without names, an operand."""

    names: tuple[str, ...]
    value: str
    """What stands for what it takes, in capitals; empty for a flag."""
    choices: tuple[str, ...]
    required: bool
    is_file: bool
    instead_of: tuple[str, ...]
    """Options that it can't be given with."""
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command, a group of commands, or the whole."""

    words: tuple[str, ...]
    """As they are typed: ("users", "create"). Empty for the whole."""
    summary: str
    """In a few words, as lists of commands have it."""
    description: str
    options: tuple[Argument, ...]
    operands: tuple[Argument, ...]
    commands: tuple[Command, ...]

    def walk(self) -> Iterator[Command]:
        """This, and all below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def command(parser: argparse.ArgumentParser, *, words: tuple[str, ...] = (), summary: str = "") -> Command:
    """What a parser parses. argparse has no public way to ask it."""
    below: list[Command] = []
    arguments: list[Argument] = []
    for action in parser._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for choice in action._choices_actions:  # noqa: SLF001
                inner = action.choices[choice.dest]
                below.append(command(inner, words=(*words, choice.dest), summary=choice.help or ""))
        else:
            arguments.append(_argument(action, parser))
    return Command(
        words=words,
        summary=summary,
        description=parser.description or "",
        options=tuple(argument for argument in arguments if argument.names),
        operands=tuple(argument for argument in arguments if not argument.names),
        commands=tuple(below),
    )


def _argument(action: argparse.Action, parser: argparse.ArgumentParser) -> Argument:
    rivals = [
        rival
        for group in parser._mutually_exclusive_groups  # noqa: SLF001
        if action in group._group_actions  # noqa: SLF001
        for rival in group._group_actions  # noqa: SLF001
        if rival is not action
    ]
    return Argument(
        names=tuple(action.option_strings),
        value="" if action.nargs == 0 else str(action.metavar or action.dest.upper()),
        choices=tuple(str(choice) for choice in action.choices or ()),
        required=action.required,
        is_file=action.type is Path,
        instead_of=tuple(name for rival in rivals for name in rival.option_strings),
        help=(action.help or "") % vars(action),
    )
