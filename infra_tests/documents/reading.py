"""A document as its blocks of commands, each with what its comment says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
NOTES = frozenset({"fault", "given", "shows", "exit", "leaves", "until", "on"})
_PARTS = re.compile(
    r"^#{2,3} (?P<heading>[^\n]+)$|^(?:<!-- (?P<notes>[^\n]+) -->\n)?```sh\n(?P<typed>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class UnreadableError(ValueError):
    """A comment before a block says something that is not understood."""


@dataclass(frozen=True, slots=True)
class Block:
    """What is typed in one go. `line` is the first one's number in the document."""

    line: int
    typed: str
    notes: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"line {self.line}: {self.typed.splitlines()[0]}"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the blocks under it, in their order."""

    heading: str
    blocks: tuple[Block, ...]


def sections(document: str) -> list[Section]:
    """The sections of docs/`document` that have commands. Raises UnreadableError."""
    found = groupby(blocks((DOCS / document).read_text()), key=lambda pair: pair[0])
    return [Section(heading, tuple(block for _, block in pairs)) for heading, pairs in found]


def blocks(text: str) -> Iterator[tuple[str, Block]]:
    """The blocks of a document's text, each with the heading it is under. Raises UnreadableError."""
    heading = ""
    for part in _PARTS.finditer(text):
        if part["heading"]:
            heading = part["heading"]
        else:
            line = text.count("\n", 0, part.start("typed")) + 1
            yield heading, Block(line, part["typed"], _notes(part["notes"], line))


def _notes(comment: str | None, line: int) -> dict[str, str]:
    pairs = [note.partition(": ") for note in (comment or "").split(" | ") if note]
    notes = {key: value for key, _, value in pairs}
    if len(notes) < len(pairs) or not notes.keys() <= NOTES or not all(notes.values()):
        raise UnreadableError(f"line {line}: {comment}: notes are {', '.join(sorted(NOTES))}, each once")
    return notes
