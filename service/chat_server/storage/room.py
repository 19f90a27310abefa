"""Room on the disk: how much there is, and waiting for it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

log = logging.getLogger("chat_server.storage")

LEAST_BYTES = 1024 * 1024
"""With less, nothing is written any more: not healthy, and no start."""
LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0


def free_bytes(directory: Path) -> int:
    """What a user may still write there. Raises OSError."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def wait_for_room(directory: Path) -> None:
    """Returns once there is room to start, at once where the directory can't be looked at.

    A full disk would fail every start, and systemd gives up after some; waiting, the server is back as soon as
    somebody has made room.
    """
    told_at = -TELL_SECONDS
    while (free := _known_free_bytes(directory)) < LEAST_BYTES:
        if time.monotonic() - told_at >= TELL_SECONDS:
            told_at = time.monotonic()
            log.error("disk is full, waiting for room", {"directory": str(directory), "free_bytes": free})
        time.sleep(LOOK_SECONDS)


def _known_free_bytes(directory: Path) -> int:
    try:
        return free_bytes(directory)
    except OSError:  # the start that follows says what is wrong with it
        return LEAST_BYTES
