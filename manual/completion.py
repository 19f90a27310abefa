"""Completion for bash, zsh and fish, all of it static: pressing Tab starts no program.

The library for this, shtab, knows no fish, and its function for bash leaves a dozen variables in the admin's shell.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from manual.command_line import Argument, Command

_BASH = """\
# bash completion for chat-server(8), written by scripts/write-manual.
# shellcheck shell=bash

_chat_server() {{
    local word words=() command="" offers="" options=""
    # bash takes "=" for a word of its own: --log-level=info is three.
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD}}"; do
        [[ $word == "=" ]] || words+=("$word")
    done
    [[ ${{COMP_WORDS[COMP_CWORD]}} == "=" ]] && words+=("")
    local current=${{words[-1]}}

    # The command so far, and what the option before the cursor takes.
    for word in "${{words[@]:0:${{#words[@]}}-1}}"; do
        if [[ $offers ]]; then
            offers=""
            continue
        fi
        case "$command $word" in
{steps}
        esac
    done
    if [[ ! $offers ]]; then
        case $command in
{ends}
        esac
        [[ $offers && $current != -* ]] || offers=$options
    fi

    COMPREPLY=()
    case $offers in
        {file}) compopt -o default ;;
        {anything}) ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$offers" -- "$current") ;;
    esac
}}

complete -F _chat_server chat-server
"""
_FILE, _ANYTHING = "'<file>'", "'<anything>'"

_ZSH = """\
#compdef chat-server
# zsh completion for chat-server(8), written by scripts/write-manual.

{functions}
_chat-server "$@"
"""
_ZSH_GROUP = """\
{name}() {{
    local curcontext=$curcontext state line
    local -a commands=(
{commands}
    )
    _arguments -C \\
{arguments} \\
        '1:command:->command' \\
        '*::argument:->arguments'
    case $state in
        command) _describe command commands ;;
        arguments) (( $+functions[{name}-$line[1]] )) && {name}-$line[1] ;;
    esac
}}
"""
_ZSH_LEAF = """\
{name}() {{
    _arguments \\
{arguments}
}}
"""


def bash(top: Command) -> str:
    steps = [f"            {pattern}) {does} ;;" for pattern, does in _bash_steps(top)]
    ends = [
        f"            {shlex.quote(_path(command))}) offers={_bash_offer(command)} options={_flags(command)} ;;"
        for command in top.walk()
    ]
    return _BASH.format(steps="\n".join(steps), ends="\n".join(ends), file=_FILE, anything=_ANYTHING)


def zsh(top: Command) -> str:
    return _ZSH.format(functions="\n".join(_zsh_function(command) for command in top.walk()))


def fish(top: Command) -> str:
    head = ["# fish completion for chat-server(8), written by scripts/write-manual.", "complete -c chat-server -f"]
    lines = [line for command in top.walk() for line in _fish_lines(command)]
    return "\n".join([*head, *lines, ""])


def _path(command: Command) -> str:
    """As the function for bash has it: a space before each word."""
    return "".join(f" {word}" for word in command.words)


def _flags(command: Command) -> str:
    return shlex.quote(" ".join(name for option in command.options for name in option.names))


def _bash_steps(top: Command) -> Iterator[tuple[str, str]]:
    """What a word that was typed means where it stands: patterns, and what is done about it."""
    yield " | ".join(shlex.quote(_path(command)) for command in top.walk() if command.words), 'command+=" $word"'
    for command in top.walk():
        for option in command.options:
            if option.value:
                names = (shlex.quote(f"{_path(command)} {name}") for name in option.names)
                yield " | ".join(names), f"offers={_bash_value(option)}"


def _bash_value(argument: Argument) -> str:
    if argument.is_file:
        return _FILE
    return shlex.quote(" ".join(argument.choices)) if argument.choices else _ANYTHING


def _bash_offer(command: Command) -> str:
    """What may stand behind a command, beside its options."""
    if command.commands:
        return shlex.quote(" ".join(below.words[-1] for below in command.commands))
    return _FILE if any(operand.is_file for operand in command.operands) else "''"


def _zsh_function(command: Command) -> str:
    name = "-".join(("_chat-server", *command.words))
    arguments = " \\\n".join(
        f"        {shlex.quote(_zsh_argument(argument))}" for argument in (*command.options, *command.operands)
    )
    if not command.commands:
        return _ZSH_LEAF.format(name=name, arguments=arguments)
    commands = "\n".join(f"        {shlex.quote(f'{below.words[-1]}:{below.summary}')}" for below in command.commands)
    return _ZSH_GROUP.format(name=name, arguments=arguments, commands=commands)


def _zsh_argument(argument: Argument) -> str:
    """A spec of _arguments, zshcompsys(1)."""
    value = f":{argument.value}:{_zsh_value(argument)}" if argument.value else ""
    if not argument.names:
        return value if argument.required else f":{value}"
    excluded = f"({' '.join(argument.instead_of)})" if argument.instead_of else ""
    name = argument.names[-1] + ("=" if argument.value else "")
    return f"{excluded}{name}[{_zsh_escaped(argument.help)}]{value}"


def _zsh_value(argument: Argument) -> str:
    if argument.is_file:
        return "_files"
    return f"({' '.join(argument.choices)})" if argument.choices else " "


def _zsh_escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")


def _fish_lines(command: Command) -> Iterator[str]:
    start = f"complete -c chat-server -n {shlex.quote(_fish_condition(command))}"
    for below in command.commands:
        yield f"{start} -a {below.words[-1]} -d {_fish_quoted(below.summary)}"
    for option in command.options:
        names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
        yield " ".join([start, names, *_fish_value(option), "-d", _fish_quoted(option.help)])
    if any(operand.is_file for operand in command.operands):
        yield f"{start} -F"


def _fish_condition(command: Command) -> str:
    """That these words stand there, and none of the next level."""
    seen = [f"__fish_seen_subcommand_from {word}" for word in command.words]
    below = " ".join(below.words[-1] for below in command.commands)
    return "; and ".join([*seen, *([f"not __fish_seen_subcommand_from {below}"] if below else [])])


def _fish_value(option: Argument) -> list[str]:
    if option.is_file:
        return ["-r"]
    if not option.value:
        return []
    return ["-x", *(["-a", _fish_quoted(" ".join(option.choices))] if option.choices else [])]


def _fish_quoted(text: str) -> str:
    """Where sh doubles an apostrophe's quotes, fish wants a backslash."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
