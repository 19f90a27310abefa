"""Taking secrets out of text: those that are known, and what looks like one."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import quote

from chat_server.observability.lines import MASK

SHORTEST_SECRET: Final = 8
"""A shorter one would take harmless words away with it, and none that short is in use."""

_NAMES = "pass(?:word|wd|phrase)?|secret|token|authorization|cookie|content|credential|(?:api|private|access)[_-]?key"
# On its line: a quote that is never closed must not take the rest of a log away.
_QUOTED = r"\\\"(?:(?!\\\")[^\n])*\\\"|\"(?:\\[^\n]|[^\"\\\n])*\"?|'(?:\\[^\n]|[^'\\\n])*'?"
_LOOK_LIKE_SECRETS: Final = (
    # What has a telling name: password=..., "token": "...", content='...', Authorization: Bearer ...
    (
        rf"((?:{_NAMES})s?(?:_?hash)?\\?[\"']?\s?[=:]\s?)(?:{_QUOTED}|(?:(?:Bearer|Basic)\s)?[^\s,;&\"'\\]+)",
        rf"\g<1>{MASK}",
    ),
    # The same as an option of a command line: --token abc
    (rf"(--?[\w-]*(?:{_NAMES})s?\s)\S+", rf"\g<1>{MASK}"),
    (r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}", rf"\g<1> {MASK}"),
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]*", MASK),  # a JSON Web Token
    (r"(://)[^/\s@\"']+@", rf"\g<1>{MASK}@"),  # name and password in an address
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", MASK),
)
_PATTERNS = [(re.compile(pattern, re.IGNORECASE | re.DOTALL), shown) for pattern, shown in _LOOK_LIKE_SECRETS]


def scrubbed(text: str, secrets: Collection[str]) -> str:
    """The text without the secrets, however they are written in it, and without what looks like one."""
    # The longest first: one may be a part of another.
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text


def environment_masked(text: str) -> str:
    """What systemd tells of a unit, with the names of its variables alone."""
    return re.sub(r"^(Environment=)(.+)$", lambda found: found[1] + _variables(found[2]), text, flags=re.MULTILINE)


def _variables(assignments: str) -> str:
    """Quoted as systemd does it, which is as shells do."""
    try:
        words = shlex.split(assignments)
    except ValueError:
        return MASK
    return " ".join(f"{word.partition('=')[0]}={MASK}" if "=" in word else MASK for word in words)


def _forms(secret: str) -> Iterator[str]:
    """As it is, in an address, in JSON, on one line."""
    if len(secret) < SHORTEST_SECRET:
        return
    yield secret
    yield quote(secret, safe="")
    yield quote(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (line for line in secret.splitlines() if len(line) >= SHORTEST_SECRET)
