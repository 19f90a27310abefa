"""What a document tells an admin to type, so that tests type exactly that."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def commands(document: str, heading: str) -> list[str]:
    """The shell blocks under one heading of docs/`document`. Fails where there is no such heading, or no block."""
    sections = re.split(r"^#+ (.+)\n", (DOCS / document).read_text(), flags=re.MULTILINE)
    under = dict(zip(sections[1::2], sections[2::2], strict=True))
    blocks = re.findall(r"^```sh\n(.*?)^```$", under[heading], re.MULTILINE | re.DOTALL)
    assert blocks, f"{document}: no command under {heading!r}"
    return blocks
