"""Manual pages in man(7), as groff and mandoc read them. What is called roff here is escaped already."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

# A hyphen that stays one: pages are full of options, to be found and copied (groff_char(7), man-pages(7)).
_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", '"': r"\(dq", "^": r"\(ha", "~": r"\(ti"}
)


def escape(text: str) -> str:
    """Text as roff that shows it, sign by sign."""
    ascii_only = (sign if sign.isascii() else f"\\[u{ord(sign):04X}]" for sign in text.translate(_ESCAPES))
    return "".join(ascii_only)


def bold(text: str) -> str:
    """What is typed as it stands."""
    return rf"\fB{escape(text)}\fR"


def italic(text: str) -> str:
    """What something else is put in place of."""
    return rf"\fI{escape(text)}\fR"


def paragraph(roff: str) -> str:
    return f".PP\n{_line(roff)}\n"


def tagged(tag: str, roff: str) -> str:
    """An entry of a list, its tag in the margin."""
    return f".TP\n{_line(tag)}\n{_line(roff)}\n"


def example(code: str) -> str:
    """Lines shown as they are, indented."""
    lines = "\n".join(_line(escape(line)) for line in code.splitlines())
    return f".PP\n.RS 4\n.EX\n{lines}\n.EE\n.RE\n"


def section(title: str, *blocks: str) -> str:
    return f".SH {escape(title.upper())}\n{''.join(blocks)}"


def subsection(title: str, *blocks: str) -> str:
    """Its title is roff."""
    return f".SS {title}\n{''.join(blocks)}"


def page(name: str, number: int, *, version: str, at: int | None, sections: Iterable[str]) -> str:
    """A whole page of chapter `number`; `at` is its date, in seconds since the epoch."""
    date = "" if at is None else datetime.fromtimestamp(at, UTC).date().isoformat()
    fields = (name.upper(), str(number), date, f"chat-server {version}", "chat-server")
    head = " ".join(f'"{escape(field)}"' for field in fields)
    return f'.\\" Written by scripts/write-manual.\n.TH {head}\n{"".join(sections)}'


def _line(roff: str) -> str:
    """One line, which a dot at its beginning would make a request (an apostrophe never is there: it is escaped)."""
    return rf"\&{roff}" if roff.startswith(".") else roff
