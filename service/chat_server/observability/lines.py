"""How one log record becomes one line: for a person, for the journal, or as JSON.

Whatever a value holds, it stays within its line and shows no secret: control characters are escaped, fields
with telling names are masked, and so is what looks like a token wherever it stands. That is the last line of
defence, not a licence.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

MASK: Final = "***"
MAX_VALUE_CHARACTERS: Final = 2000
MAX_TRACEBACK_CHARACTERS: Final = 16_000

Render = Callable[[logging.LogRecord], str]

_SENSITIVE_NAME = re.compile(r"(password|secret|token|content|authorization|cookie)s?(_?hash)?$", re.IGNORECASE)
# A token in a URL's query, and anything of the shape of a JSON Web Token.
_SECRETS = re.compile(r"(token=)[^&\s\"'\\]+|eyJ[\w-]+\.[\w-]+\.[\w-]*", re.IGNORECASE)
_NEEDS_QUOTES = re.compile(r'[\s"=\\]')

# syslog(3)'s priorities, the gravest first: the first whose level is reached.
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_PRIORITY_DEBUG = 7


def text_line(record: logging.LogRecord) -> str:
    """For a person: time, level, area, event and fields; a traceback follows, indented, on lines of its own."""
    line = f"{_time(record)} {record.levelname:7} {_event_and_fields(record)}"
    indented = "".join(f"\n    {_escaped(part)}" for part in _traceback(record).split("\n") if part)
    return without_secrets(line + indented)


def journal_line(record: logging.LogRecord) -> str:
    """For journald, which keeps the time itself and takes the priority from the prefix (sd-daemon(3))."""
    priority = next((number for level, number in _PRIORITIES if record.levelno >= level), _PRIORITY_DEBUG)
    line = f"<{priority}>{_event_and_fields(record)}"
    if trace := _traceback(record):
        line += f" traceback={_quoted(trace)}"
    return without_secrets(line)


def json_line(record: logging.LogRecord) -> str:
    """For machines: an object of time, level, area and event, with the fields beside them."""
    own = {"time": _time(record), "level": record.levelname.lower(), "area": _area(record), "event": _event(record)}
    fields = _fields(record)
    if trace := _traceback(record):
        fields["traceback"] = trace
    # First for the order, and again so that no field takes the place of one of these.
    return without_secrets(json.dumps(own | fields | own))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _area(record: logging.LogRecord) -> str:
    return record.name.removeprefix("chat_server.")


def _event(record: logging.LogRecord) -> str:
    # Ours are constant and may hold a per cent sign; other libraries' have arguments to be put in.
    return str(record.msg) if isinstance(record.args, dict) else record.getMessage()


def _event_and_fields(record: logging.LogRecord) -> str:
    words = [f"{_area(record)}: {_escaped(_event(record))}"]
    for name, value in _fields(record).items():
        words.append(f"{_word(name)}={_word(value if isinstance(value, str) else json.dumps(value))}")
    return " ".join(words)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields: dict[str, object] = {}
    if isinstance(record.args, dict):
        fields = {str(name): _presentable(str(name), value) for name, value in record.args.items()}
    if request_id := getattr(record, "request_id", None):
        fields.setdefault("request", request_id)
    return fields


def _presentable(name: str, value: object) -> object:
    """A value of JSON's types, not too long, with all that has a telling name masked."""
    if _is_sensitive(name):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(inner): _presentable(str(inner), within) for inner, within in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_presentable("", item) for item in value]
    text = str(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else text[:MAX_VALUE_CHARACTERS] + "…"


@lru_cache(maxsize=1024)
def _is_sensitive(name: str) -> bool:
    return _SENSITIVE_NAME.search(name) is not None


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    return "".join(traceback.format_exception(record.exc_info[1])).rstrip()[-MAX_TRACEBACK_CHARACTERS:]


def _word(text: str) -> str:
    """As it is when it reads as one word, or else in quotes."""
    return text if text and text.isprintable() and not _NEEDS_QUOTES.search(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _escaped(text: str) -> str:
    """Without what could end the line or upset a terminal: controls, odd separators, marks of direction."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def without_secrets(line: str) -> str:
    """Without what looks like a token, wherever it stands."""
    return _SECRETS.sub(lambda found: (found[1] or "") + MASK, line)
