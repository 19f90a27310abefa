"""The whole firewall as it must be: ufw's own rules as Debian 12 and 13 have them, and those that were asked for."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent
PLACE = "{{ allowed }}"

Allowed = int | Mapping[str, int | str]
"""A port that everybody may reach by TCP, or `{port: 22, from: 192.0.2.0/24}`."""


def rendered(version: Literal[4, 6], allowed: Sequence[Allowed]) -> list[str]:
    """What iptables-save, or ip6tables-save, must print on the host; without comments and counters."""
    rules = [rule for one in allowed for rule in _rules(version, one)]
    text = (FOLDER / f"ipv{version}.rules").read_text().replace(PLACE, "\n".join(sorted(rules)))
    return [line for line in text.splitlines() if line]


def _rules(version: int, allowed: Allowed) -> list[str]:
    chain = "ufw-user-input" if version == 4 else "ufw6-user-input"
    port, source = (allowed, "") if isinstance(allowed, int) else (allowed["port"], str(allowed.get("from", "")))
    if source and ipaddress.ip_network(source).version != version:
        return []
    come_from = f"-s {ipaddress.ip_network(source)} " if source else ""
    return [f"-A {chain} {come_from}-p tcp -m tcp --dport {port} -j ACCEPT"]


def seen(saved: str) -> list[str]:
    """The same of what was printed. Rules that let somebody in are sorted: their order means nothing."""
    lines = [re.sub(r"\[\d+:\d+\]$", "[0:0]", line) for line in saved.splitlines() if not line.startswith("#")]
    let_in = sorted(line for line in lines if re.match(r"-A ufw6?-user-input .* -j ACCEPT$", line))
    others = [line for line in lines if line not in let_in]
    at = next((number for number, line in enumerate(others) if re.match(r"-A ufw6?-user-limit ", line)), len(others))
    return [*others[:at], *let_in, *others[at:]]
