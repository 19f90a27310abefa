"""What the server did that it must never do."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["lost", "duplicate", "gap", "order", "mismatch", "receipt"]

MEANINGS: dict[Kind, str] = {
    "lost": "a message was acknowledged, but is not stored or never arrived",
    "duplicate": "a message was stored twice, or pushed twice on one socket",
    "gap": "a number is missing, in a conversation or in what one socket was pushed",
    "order": "messages of one person are not in the order in which they were sent",
    "mismatch": "a number, or a message, is not what it was said to be before",
    "receipt": "a message was called delivered that had not arrived",
}
KEPT_EXAMPLES = 10

log = logging.getLogger("loadtests")


@dataclass
class Findings:
    """Broken promises: how many of each kind, and the first few in words."""

    counts: Counter[Kind] = field(default_factory=Counter)
    examples: dict[Kind, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, text: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] == 1:
            log.error("%s: %s; the summary will say how often", kind, text)
        if self.counts[kind] <= KEPT_EXAMPLES:
            self.examples.setdefault(kind, []).append(text)

    def __bool__(self) -> bool:
        return bool(self.counts)
