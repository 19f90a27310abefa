"""How large everything is."""

from __future__ import annotations

from msgspec import Struct


class Plan(Struct, frozen=True):
    """Sizes and durations (seconds) of one run."""

    rounds: int = 3
    """The systems are measured in turn, so that a machine that is busy for a while is so for all of them."""
    sockets: int = 200
    seconds: float = 2.5
    warm_up: float = 0.5
    rates: tuple[int, ...] = (1000, 5000)
    rate_seconds: float = 10
    late_seconds: float = 0.005
    """A message that leaves later than this after it was due is late; one in a hundred may be."""
    stored: int = 1_000_000
    long_messages: int = 100_000
    pages: int = 1000
    idle_sockets: int = 5000
    idle_seconds: float = 25
    """As long as a heartbeat's interval: each socket has its PING."""
    sign_ups: int = 50
    slow_disk_seconds: float = 5


FULL = Plan()
QUICK = Plan(
    rounds=1,
    sockets=20,
    seconds=0.5,
    warm_up=0.2,
    rates=(100, 200),
    rate_seconds=1,
    late_seconds=10,
    stored=5000,
    long_messages=1000,
    pages=20,
    idle_sockets=50,
    idle_seconds=1,
    sign_ups=3,
    slow_disk_seconds=1,
)
"""Everything once, to see that it works. What it prints says nothing about speed."""
