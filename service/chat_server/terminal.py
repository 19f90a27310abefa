"""What the commands show and ask. A dataclass's field names say how its values are shown.

`..._at` is a time in ms since the epoch, shown in local time; `..._bytes` is a size. JSON has the numbers as they
are, under the camelCase names that the API uses too.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class NoAnswerError(Exception):
    """A person was asked and gave no usable answer, or there is nobody to ask. Its text is one line."""


class OutputLostError(Exception):
    """What should be shown could not be written. Its text is one line."""


def show(text: str) -> None:
    """Raises OutputLostError; a reader that has gone (`| head`) has seen enough."""
    encoding = sys.stdout.encoding
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _give_up_output()
    except OSError as error:
        _give_up_output()
        raise OutputLostError(f"standard output: {error.strerror}") from error


def _give_up_output() -> None:
    """What could not be written is tried again when Python exits, which would fail with a code of its own."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def note(text: str) -> None:
    """Something to know beside the output, which a program may be reading."""
    sys.stderr.write(text + "\n")


def show_progress(share: float) -> None:
    """How much of something long is done, from 0 to 1, where a person watches. At 1 the line goes away again."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{share:4.0%}" if share < 1 else "\r    \r")
        sys.stderr.flush()


def show_json(document: dict[str, Any]) -> None:
    """One JSON document. Dataclasses become objects, snake_case becomes camelCase."""
    show(json.dumps(_as_json(document), indent=2))


def show_table(row_type: type[DataclassInstance], rows: Sequence[DataclassInstance]) -> None:
    """A line per row, below the names of the fields; every column as wide as its widest value."""
    names = [field.name for field in fields(row_type)]
    lines = [[_heading(name).upper() for name in names]]
    lines += [[_cell(name, getattr(row, name)) for name in names] for row in rows]
    _show_aligned(lines)


def show_facts(*facts: DataclassInstance) -> None:
    """A line per field: its name and its value."""
    named = [(field.name, getattr(part, field.name)) for part in facts for field in fields(part)]
    _show_aligned([[_heading(name), _cell(name, value)] for name, value in named])


def ask_password(username: str) -> str:
    """A new password: typed twice without echo, or the first line of what is no terminal. Raises NoAnswerError."""
    if not sys.stdin.isatty():
        return _first_line_of_input()
    try:
        password = getpass.getpass(f"New password for {username}: ")
        again = getpass.getpass("Again: ")
    except EOFError:
        raise NoAnswerError("no password was given") from None
    if password != again:
        raise NoAnswerError("the two passwords differ")
    return password


def confirm(question: str, *, remedy: str) -> None:
    """Returns if a person says yes. Raises NoAnswerError: they don't, or nobody is there, which `remedy` is for."""
    if not sys.stdin.isatty():
        raise NoAnswerError(f"nobody is here to confirm it: {remedy}")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NoAnswerError("not confirmed; nothing was changed")


def _first_line_of_input() -> str:
    try:
        line = sys.stdin.buffer.readline().decode()
    except UnicodeDecodeError:
        raise NoAnswerError("the password on standard input is not UTF-8 text") from None
    password = line.removesuffix("\n").removesuffix("\r")
    if not password:
        raise NoAnswerError("no password on standard input")
    return password


def _show_aligned(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True))
        show("  ".join(padded).rstrip())


def _heading(name: str) -> str:
    return name.removesuffix("_at").removesuffix("_bytes").replace("_", " ")


def _cell(name: str, value: object) -> str:
    match value:
        case None | "":
            return "-"
        case int() if name.endswith("_at"):
            return datetime.fromtimestamp(value / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case int() if name.endswith("_bytes"):
            return f"{value / 2**20:,.1f} MiB"
        case int() | float():
            return f"{value:,}"
        case _:
            return _printable(str(value))


def _printable(text: str) -> str:
    """Others chose it (a device's name): escape sequences must not reach the admin's terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _width(text: str) -> int:
    """Columns of a terminal."""
    return sum(
        2 if unicodedata.east_asian_width(character) in "WF" else not unicodedata.combining(character)
        for character in text
    )


def _as_json(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return _as_json(asdict(value))
    if isinstance(value, dict):
        return {_camel(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    return value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
