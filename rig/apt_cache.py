"""The cache that guests get Debian's packages through: each is fetched once, and guests need no way out.

One apt-cacher-ng serves all rigs on the machine. The first that needs it starts it, the last ends it; which one
that is shows by a lock that all its users share.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rig.archive import setting
from rig.locks import RUN, locked
from rig.machine import BUILD, RigError, processes, run

ADDRESS = "10.231.0.1"
"""On the loopback device: hosts reach it through their gateway, and nobody else does."""
PORT = 3143
URL = f"http://{ADDRESS}:{PORT}"

CACHE = BUILD / "apt-cache"
SETTINGS = RUN / "apt-cache"
TURN = RUN / "apt-cache.turn"
USERS = RUN / "apt-cache.users"
SECONDS = 60


@contextmanager
def apt_cache() -> Iterator[str]:
    """The cache, for the length of the block: gives its URL. Raises RigError where it does not start."""
    with ExitStack() as use:
        with locked(TURN):
            # First: without it, whoever is asked for it may be a gateway that takes any connection.
            run("ip", "address", "replace", f"{ADDRESS}/32", "dev", "lo")
            if not _answers():
                _start()
            use.enter_context(locked(USERS, shared=True))
        try:
            yield URL
        finally:
            with locked(TURN):
                use.close()
                _end_unless_used()


def _answers() -> bool:
    try:
        socket.create_connection((ADDRESS, PORT), timeout=1).close()
    except OSError:
        return False
    return True


def _start() -> None:
    log = CACHE / "log"
    for directory in (log, SETTINGS):
        directory.mkdir(parents=True, exist_ok=True)
    # No `Remap-` lines: they would ask mirrors of the cache's choice. The archive may stand behind any port.
    options = {
        "BindAddress": ADDRESS,
        "Port": PORT,
        "SocketPath": RUN / "apt-cache.socket",
        "CacheDir": CACHE / "packages",
        "LogDir": log,
        "AllowUserPorts": 0,
        "Proxy": _way_out(),
    }
    lines = [f"{name}: {value}\n" for name, value in options.items() if value != ""]
    (SETTINGS / "acng.conf").write_text("".join(lines))
    run("apt-cacher-ng", "-c", SETTINGS)
    deadline = time.monotonic() + SECONDS
    while not _answers():
        if time.monotonic() > deadline:
            raise RigError(f"apt-cacher-ng does not answer at {URL}; its log is in {log}")
        time.sleep(0.02)


def _way_out() -> str:
    """The proxy that this machine's apt asks, if any."""
    proxy = setting("Acquire::http::Proxy")
    return "" if proxy == "DIRECT" else proxy


def _end_unless_used() -> None:
    try:
        with locked(USERS, wait=False):
            _end()
    except BlockingIOError:
        return


def _end() -> None:
    deadline = time.monotonic() + SECONDS
    for pid in processes(str(SETTINGS)):
        os.kill(pid, signal.SIGTERM)
    while pids := processes(str(SETTINGS)):
        if time.monotonic() > deadline:
            raise RigError(f"apt-cacher-ng does not end: process {pids[0]}")
        time.sleep(0.02)
    run("ip", "address", "flush", "to", f"{ADDRESS}/32", "dev", "lo")
