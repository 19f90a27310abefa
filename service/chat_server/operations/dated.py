"""Names with a date in them: of backups, and of what was moved out of the way. The time in them is UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from chat_server.storage.wal import SIDE_FILES

STAMP = "%Y%m%d-%H%M%S"  # by name is by time: UTC has no hour that comes twice a year


def stamp(now: int) -> str:
    """The time, in ms since the epoch, as names have it."""
    return datetime.fromtimestamp(now / 1000, UTC).strftime(STAMP)


def stamped_at(text: str) -> int:
    """The ms since the epoch of what `stamp` made. Raises ValueError."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def aside(database: Path, word: str, now: int) -> Path:
    """A name beside the database, such as `chat.db.replaced-20261123-044800`, that neither it nor a log has yet."""
    first = f"{database.name}.{word}-{stamp(now)}"
    names = (first if number == 1 else f"{first}-{number}" for number in count(1))
    candidates = (database.with_name(name) for name in names)
    return next(
        candidate
        for candidate in candidates
        if not any(candidate.with_name(candidate.name + suffix).exists() for suffix in ("", *SIDE_FILES))
    )
