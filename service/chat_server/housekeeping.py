"""What a running server does by the clock: saving, forgetting, watching the disk."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import gevent

from chat_server.chat.logins import prune_auth_logs
from chat_server.chat.presence import save_last_seen
from chat_server.chat.sessions import prune_sessions
from chat_server.realtime.parts import Parts
from chat_server.storage.errors import StorageUnavailableError

log = logging.getLogger("chat_server")

SECONDS_PER_ROUND = 1
ROUNDS_PER_SWEEP = 60


class Housekeeping:
    """One round a second; a sweep a minute."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._disk_was_low = False

    def run(self) -> None:
        """For ever; a task that fails is logged and tried again the next time."""
        rounds = 0
        while True:
            gevent.sleep(SECONDS_PER_ROUND)
            rounds += 1
            self._try(self._save_departures)
            self._parts.writer.look()  # what the admin changed from outside is heeded within a second
            self._try(self._parts.tally.report)
            if rounds % ROUNDS_PER_SWEEP == 0:
                self._try(self._sweep)

    def finish(self) -> None:
        """The last round, when everybody has left."""
        self._try(self._save_departures)
        self._try(self._parts.tally.report)

    def _try(self, task: Callable[[], None]) -> None:
        try:
            task()
        except StorageUnavailableError:
            pass  # the writer has said so, once
        except Exception:
            log.exception("housekeeping failed")

    def _save_departures(self) -> None:
        departures = self._parts.presence.take_departures()
        if not departures:
            return
        try:
            self._parts.writer.write(save_last_seen, departures)
        except StorageUnavailableError:
            self._parts.presence.give_back_departures(departures)
            raise

    def _sweep(self) -> None:
        now = self._parts.clock()
        auth = self._parts.config.auth
        self._parts.messages.forget_idle(now)
        self._parts.writer.write(prune_sessions, now - auth.session_idle_seconds * 1000)
        self._parts.writer.write(prune_auth_logs, now)
        self._watch_disk()

    def _watch_disk(self) -> None:
        disk = os.statvfs(Path(self._parts.config.database.path).parent)
        used_percent = round(100 * (1 - disk.f_bavail / max(disk.f_blocks, 1)))
        low = used_percent >= self._parts.config.limits.disk_warning_percent
        if low and not self._disk_was_low:
            free_mib = disk.f_bavail * disk.f_frsize // 2**20
            log.warning("disk is filling up", {"used_percent": used_percent, "free_mib": free_mib})
        self._disk_was_low = low
