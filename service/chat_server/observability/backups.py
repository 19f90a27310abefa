"""What the backup directory says, for whoever shows it."""

from __future__ import annotations

from pathlib import Path


def last_backup_at(backups: Path) -> int | None:
    """When the newest good backup was made (ms since the epoch): `latest.db` is it. None where there is none."""
    try:
        return (backups / "latest.db").stat().st_mtime_ns // 1_000_000
    except OSError:
        return None
