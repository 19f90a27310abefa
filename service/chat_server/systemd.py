"""What systemd and the service tell each other: sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_PASSED_DESCRIPTOR = 3


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send a state such as READY=1, or several, a line each. False when nobody listens or takes it.

    Never blocks and never raises: an unreachable systemd is no reason to fail.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    try:
        with socket.socket(socket.AF_UNIX, kind) as datagrams:
            datagrams.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_seconds(environ: Mapping[str, str] = os.environ) -> float:
    """How often to send WATCHDOG=1: half of what systemd waits; 0 when it does not watch this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    microseconds = environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2_000_000 if microseconds.isdecimal() else 0


def passed_sockets(environ: Mapping[str, str] = os.environ) -> list[int]:
    """The descriptors of the sockets that systemd listens on for this process, which children won't inherit."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    passed = list(range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + int(count)))
    for descriptor in passed:
        os.set_inheritable(descriptor, False)
    return passed
