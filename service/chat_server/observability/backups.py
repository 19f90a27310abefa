"""What the backup directory says, for whoever shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec

ATTEMPT = ".last-attempt.json"


class Attempt(msgspec.Struct, frozen=True, rename="camel"):
    """The last `chat-server backup`: when it began (ms since the epoch), and why it, or its copy, failed.

    Each reason is one line, and empty where nothing failed.
    """

    at: int
    failure: str
    copy_failure: str


def last_backup_at(backups: Path) -> int | None:
    """When the newest good backup was made (ms since the epoch): `latest.db` is it. None where there is none."""
    try:
        return (backups / "latest.db").stat().st_mtime_ns // 1_000_000
    except OSError:
        return None


def last_attempt(backups: Path) -> Attempt | None:
    """What is recorded there; None where nothing is that can be read."""
    try:
        return msgspec.json.decode((backups / ATTEMPT).read_bytes(), type=Attempt)
    except (OSError, msgspec.DecodeError):
        return None


def record_attempt(backups: Path, attempt: Attempt) -> None:
    """It takes the place of the one before. Raises OSError."""
    written = backups / f"{ATTEMPT}.new"
    written.unlink(missing_ok=True)
    written.touch(mode=0o600)
    written.write_bytes(msgspec.json.encode(attempt))
    written.rename(backups / ATTEMPT)
