"""What a running server exposes."""

from __future__ import annotations

import re

from tests.server import Server


def names_in(server: Server) -> set[str]:
    """The names of its metrics."""
    page = server.client().request("GET", "/metrics").body.decode()
    return set(re.findall(r"^# TYPE (\w+) \w+$", page, re.MULTILINE))
