"""A hub that does not turn any more stops telling systemd that it does, and so is restarted."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

from tests.server import running_server

WATCHDOG_SECONDS = 3.0


def test_the_watchdog_is_fed_in_time_until_the_hub_is_stuck(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(WATCHDOG_SECONDS)
        with running_server(
            tmp_path,
            command=(sys.executable, "-m", "tests.faults.broken_server", "stuck_hub"),
            environ={
                "NOTIFY_SOCKET": systemd.getsockname(),
                "WATCHDOG_USEC": str(round(WATCHDOG_SECONDS * 1_000_000)),
            },
        ) as server:
            assert feedings(systemd, at_most=3) == 3
            server.process.send_signal(signal.SIGUSR1)
            # Some may have been on their way when the hub got stuck.
            assert feedings(systemd, at_most=5) < 5
            server.kill()


def feedings(systemd: socket.socket, *, at_most: int) -> int:
    """How often the watchdog is fed before it would bark."""
    for count in range(at_most):
        try:
            systemd.recv(4096)
        except TimeoutError:
            return count
    return at_most
