"""As much of Markdown as the documents use that the manual pages take from: it reads, and gives roff."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from manual import roff

_INLINE = re.compile(r"`(?P<code>[^`]+)`|\[(?P<link>(?:`[^`]*`|[^]`])+)\]\([^)]*\)")
_FENCE = re.compile(r"```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def chapters(document: Path) -> dict[str, str]:
    """What stands below each heading of the second level; below "", what stands before the first."""
    head, *rest = document.read_text(encoding="utf-8").split("\n## ")
    _, _, introduction = head.partition("\n")
    titled = (text.partition("\n") for text in rest)
    return {"": introduction} | {title: text for title, _, text in titled}


def render(text: str) -> str:
    """Paragraphs, examples and tables of two columns as roff."""
    return "".join(_block(block) for block in _blocks(text))


def inline(text: str) -> str:
    """A paragraph's words as roff: code is bold, and of a link only its text is left."""
    parts = []
    end = 0
    for match in _INLINE.finditer(text):
        parts.append(roff.escape(text[end : match.start()]))
        parts.append(roff.bold(match["code"]) if match["code"] else inline(match["link"]))
        end = match.end()
    return "".join(parts) + roff.escape(text[end:])


def rows(text: str) -> list[list[str]]:
    """The cells of the one table in a text, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def commands(text: str) -> str:
    """The shell's lines among a text."""
    return "\n".join(match["code"] for match in _FENCE.finditer(text) if match["language"] == "sh")


def _blocks(text: str) -> Iterator[str]:
    """Examples whole, though they may hold empty lines; between them, what empty lines part."""
    end = 0
    for fence in _FENCE.finditer(text):
        yield from text[end : fence.start()].strip().split("\n\n")
        yield fence[0]
        end = fence.end()
    yield from text[end:].strip().split("\n\n")


def _block(text: str) -> str:
    if fence := _FENCE.fullmatch(text):
        return roff.example(fence["code"])
    if text.startswith("|"):
        return "".join(roff.tagged(inline(name), inline(meaning)) for name, meaning in rows(text))
    return roff.paragraph(inline(" ".join(text.split()))) if text else ""
