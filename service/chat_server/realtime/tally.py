"""The log's `message sent`: one line a second with counts, for a line each would make journald drop the others."""

from __future__ import annotations

import logging
from collections import Counter

log = logging.getLogger("chat_server.messages")

BUSIEST = 3


class MessageTally:
    """Counts messages between two `report`s, which come once a second."""

    def __init__(self) -> None:
        self._by_sender: Counter[str] = Counter()
        self.per_second = 0
        """Messages in the last second that was reported."""

    def add(self, username: str) -> None:
        self._by_sender[username] += 1

    def report(self) -> None:
        """Logs what was sent since the last report, if anything was."""
        self.per_second = self._by_sender.total()
        if self.per_second:
            busiest = ",".join(f"{name}:{count}" for name, count in self._by_sender.most_common(BUSIEST))
            log.info("message sent", {"count": self.per_second, "busiest": busiest})
            self._by_sender.clear()
