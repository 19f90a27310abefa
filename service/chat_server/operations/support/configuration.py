"""config.toml as others may see it: the values of keys that are known to be harmless, and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chat_server.config import SECRETS, Config
from chat_server.observability.lines import MASK

VARIABLE: Final = "CHAT_SERVER_"
LONGEST_NAME: Final = 40
"""A longer one is no misspelt key, but a secret in the wrong place."""

_HARMLESS = {
    (section.name, key.name)
    for section in msgspec.structs.fields(Config)
    for key in msgspec.structs.fields(section.type)
} - SECRETS
_HEADING = re.compile(r"\s*\[\s*([\w-]+)\s*\]\s*(?:#.*)?")
_ASSIGNMENT = re.compile(r"\s*([\w-]+)\s*=\s*(.*)")
_TRIPLE_QUOTES = re.compile(r'"""|' + "'''")


def shown(text: str, environ: Mapping[str, str]) -> str:
    """The file, and the variables that override it, without comments and secrets.

    Where it is no TOML each line is judged by itself, and numbered, for the error names a line.
    """
    try:
        lines = list(_parsed_shown(tomllib.loads(text)))
    except tomllib.TOMLDecodeError:
        lines = [f"{number:4}  {line}" for number, line in enumerate(_lines_shown(text), start=1)]
    variables = [
        f"{name} = {_value_shown(*place, value)}"
        for name, value in sorted(environ.items())
        if (place := _place(name)) is not None
    ]
    return "\n".join([*lines, *(["", "# variables of the environment", *variables] if variables else [])]) + "\n"


def secrets(text: str, environ: Mapping[str, str]) -> set[str]:
    """What must be in no part of the bundle: all values that are not harmless, and their parts."""
    given = {value for name, value in environ.items() if (place := _place(name)) and not _is_harmless(*place)}
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        given |= set(_line_secrets(text))
    else:
        for section, keys in parsed.items():
            given |= set(_texts(keys)) if not isinstance(keys, dict) else set()
            for key, value in keys.items() if isinstance(keys, dict) else ():
                if key == "jwt_secret_file" and isinstance(value, str):
                    given.add(_content(Path(value)))
                elif (section, key) == ("alerts", "command") and isinstance(value, list):
                    given |= set(_texts(value[1:]))
                elif not _is_harmless(section, key):
                    given |= set(_texts(value))
    return {part for value in given for part in (value, *_parts_of_address(value))}


def _parsed_shown(parsed: Mapping[str, object]) -> Iterator[str]:
    for section, keys in parsed.items():
        if not isinstance(keys, dict):
            yield f"{_name(section)} = {MASK}"
            continue
        yield f"\n[{_name(section)}]"
        for key, value in keys.items():
            yield f"{_name(key)} = {_value_shown(section, key, value)}"


def _lines_shown(text: str) -> Iterator[str]:
    section, within_text = "", False
    for line in text.splitlines():
        was_within, within_text = within_text, within_text ^ (len(_TRIPLE_QUOTES.findall(line)) % 2 == 1)
        if was_within:
            yield MASK
        elif heading := _HEADING.fullmatch(line):
            section = heading[1]
            yield f"[{_name(section)}]"
        elif assignment := _ASSIGNMENT.fullmatch(line):
            yield f"{_name(assignment[1])} = {_line_value_shown(section, assignment[1], line)}"
        else:
            yield MASK if line.strip() else ""


def _line_value_shown(section: str, key: str, line: str) -> str:
    try:
        return _value_shown(section, key, tomllib.loads(line)[key])
    except (tomllib.TOMLDecodeError, KeyError):
        return MASK


def _value_shown(section: str, key: str, value: object) -> str:
    """That nothing is given is no secret, and often the answer."""
    if value and not _is_harmless(section, key):
        return MASK
    if value and (section, key) == ("alerts", "command"):
        words = value if isinstance(value, list) else [MASK]
        return json.dumps([*words[:1], *(MASK for _ in words[1:])])
    return json.dumps(value, default=str)


def _line_secrets(text: str) -> Iterator[str]:
    """Of each line that is not known to be harmless, what is in quotes, or behind the sign, or long.

    Comments are shown nowhere, and words of theirs (a path) would take much away with them.
    """
    section = ""
    for line in text.splitlines():
        if heading := _HEADING.fullmatch(line):
            section = heading[1]
            continue
        key, value = found.groups() if (found := _ASSIGNMENT.fullmatch(line)) else ("", "")
        if key == "jwt_secret_file":
            yield _content(Path(value.strip("\"' ")))
        elif not line.lstrip().startswith("#") and (not _is_harmless(section, key) or key == "command"):
            yield value.strip("\"' ")
            yield from (text for pair in re.findall(r"\"([^\"]+)\"?|'([^']+)'?", line) for text in pair)
            yield from re.findall(r"[^\s\"',=\[\]#]{20,}", line)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for inner in value.values() for text in _texts(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in _texts(inner))


def _parts_of_address(value: str) -> Iterator[str]:
    """What is secret in a URL stands behind the host or before it."""
    try:
        parts = urlsplit(value)
    except ValueError:
        return
    if parts.scheme and parts.netloc:
        yield from (part for part in (parts.path, parts.query, parts.password) if part)
        yield from (word for word in re.split(r"[/&=?]", parts.path + "/" + parts.query) if len(word) >= 16)


def _content(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(65_536).strip()
    except OSError:
        return ""


def _is_harmless(section: str, key: str) -> bool:
    return (section, key) in _HARMLESS


def _name(text: str) -> str:
    return text if re.fullmatch(rf"[\w-]{{1,{LONGEST_NAME}}}", text) else MASK


def _place(variable: str) -> tuple[str, str] | None:
    """Section and key of a variable of ours."""
    section, separator, key = variable.removeprefix(VARIABLE).lower().partition("__")
    return (section, key) if variable.startswith(VARIABLE) and separator else None
