"""What systemd and the service tell each other: readiness, watchdog, passed sockets (sd_notify(3), sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_PASSED_DESCRIPTOR = 3


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Sends a state such as READY=1; False where nobody listens. An unreachable systemd is no reason to fail."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagrams:
            datagrams.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float:
    """How often to send WATCHDOG=1: half of what systemd waits; 0 where it does not watch this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdigit() else 0


def passed_sockets(environ: Mapping[str, str] = os.environ) -> list[int]:
    """The descriptors of the sockets that systemd listens on for this process."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return []
    return list(range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + int(count)))
