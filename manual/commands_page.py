"""chat-server(8): the commands as --help knows them, and what docs/commands.md says around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from manual import roff
from manual.command_line import Argument, Command
from manual.markdown import commands, render

_EXIT_CODE = re.compile(r"^  (\d+) +(\S.*(?:\n {4,}\S.*)*)", re.MULTILINE)


def commands_page(top: Command, *, exit_codes: str, chapters: Mapping[str, str], version: str, at: int | None) -> str:
    """The page. `exit_codes` are as --help ends with them, `chapters` those of docs/commands.md."""
    name, _, description = top.description.partition("\n\n")
    leaves = [command for command in top.walk() if not command.commands]
    sections = [
        roff.section("Name", rf"chat\-server \- {roff.escape(name.strip().rstrip('.'))}" + "\n"),
        roff.section("Synopsis", _synopsis(top)),
        roff.section("Description", roff.paragraph(roff.escape(" ".join(description.split())))),
        roff.section("Options", *_arguments(top)),
        roff.section("Commands", *(_command(leaf) for leaf in leaves)),
        roff.section("Output", render(_without_tables(chapters["Output and exit codes"]))),
        roff.section("Exit status", *_exit_codes(exit_codes)),
        *(roff.section(title, render(chapters[title])) for title in ("Signals", "Environment", "Files")),
        roff.section("Examples", *_examples(leaves, chapters)),
        roff.section(
            "See also", roff.paragraph(r"\fBchat\-server.toml\fR(5), \fBsystemctl\fR(1), \fBjournalctl\fR(1)")
        ),
    ]
    return roff.page("chat-server", 8, version=version, at=at, sections=sections)


def _synopsis(command: Command) -> str:
    """What may be written, options before operands."""
    parts = [roff.bold(" ".join(("chat-server", *command.words)))]
    shown: set[str] = set()
    for option in command.options:
        if not shown.isdisjoint(option.names) or "--help" in option.names:
            continue
        rivals = [rival for rival in command.options if not set(rival.names).isdisjoint(option.instead_of)]
        shown.update(name for rival in rivals for name in rival.names)
        parts.append("[" + " | ".join(_usage(one) for one in (option, *rivals)) + "]")
    parts += [_usage(operand) if operand.required else f"[{_usage(operand)}]" for operand in command.operands]
    if command.commands:
        parts.append(r"[\fICOMMAND\fR ...]")
    return roff.paragraph(" ".join(parts))


def _usage(argument: Argument, *, names: int = 1) -> str:
    """An argument as it is written, with the last of its names or so many of them."""
    flags = ", ".join(roff.bold(name) for name in argument.names[-names:])
    return f"{flags} {roff.italic(argument.value)}".strip() if argument.value else flags


def _command(command: Command) -> str:
    return roff.subsection(
        roff.bold(" ".join(command.words)),
        _synopsis(command),
        roff.paragraph(roff.escape(command.description)),
        *_arguments(command),
    )


def _arguments(command: Command) -> Iterator[str]:
    for argument in (*command.operands, *command.options):
        if command.words and "--help" in argument.names:
            continue
        tag = _usage(argument, names=len(argument.names))
        yield roff.tagged(tag, roff.escape(_sentence(argument.help)))


def _sentence(text: str) -> str:
    """--help's way of speaking as a page's."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _exit_codes(text: str) -> Iterator[str]:
    for code, meaning in _EXIT_CODE.findall(text):
        yield roff.tagged(roff.bold(code), roff.escape(" ".join(meaning.split())))


def _examples(leaves: list[Command], chapters: Mapping[str, str]) -> Iterator[str]:
    """Those of docs/commands.md, which a test runs."""
    for leaf in leaves:
        words = " ".join(leaf.words)
        if shown := commands(chapters.get(words, "")):
            yield roff.paragraph(roff.bold(words))
            yield roff.example(shown)


def _without_tables(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))
