"""People far away who write to one another in pairs, each from an address of their own, and come back by the rules.

`python3 -m infra_tests.drills.commuters HOST ADDRESS…` tells, a line each, who has lost the connection and who is back.
Ctrl-C ends it: nothing new is written, what is under way comes to its end, and each message must be there once, in
order. The last line is JSON: how many were acknowledged, and for each address how often it tried to come back in vain.
"""

from __future__ import annotations

import json
import select
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from loadtests.back_off import BackOff
from system_tests.packages.conversation import check
from tests.client import Client
from tests.faults.correspondent import Correspondent
from tests.faults.line import LineLostError

PORT = 8080
TURN_SECONDS = 0.05
QUIET_SECONDS = 5
"""A server that sends a PING every two seconds, and was not heard for so long, is out of reach."""
END_SECONDS = 45
"""Who is cut off once more may rest for 30 s before they come back."""


@dataclass
class Commuter(Correspondent):
    """One of them, who comes back later and later."""

    in_vain: int = 0
    _back_off: BackOff = field(default_factory=BackOff)
    _next_try: float = 0.0
    _came_at: float = 0.0
    _heard_at: float = 0.0

    def try_to_come(self, now: float) -> None:
        """Connects, if it is time for that."""
        if now < self._next_try:
            return
        try:
            self.connect(PORT)
        except (OSError, LineLostError) as lost:
            self.in_vain += 1
            self._rest(now, held=0)
            self._tell(f"in vain: {lost}")
        else:
            self._came_at = self._heard_at = time.monotonic()
            self._tell("is there")

    def hear(self, now: float, *, writing: bool) -> None:
        """Something has come."""
        self._heard_at = now
        self.attend(writing=writing)

    def look(self, now: float) -> None:
        """Lets go of a connection that is lost."""
        if self.line and now - self._heard_at > QUIET_SECONDS:
            self.hang_up()
        if self.line is None and self._came_at:
            self._rest(now, held=now - self._came_at)
            self._came_at = 0.0
            self._tell("was cut off")

    def is_done(self, all_of_them: Sequence[Commuter]) -> bool:
        everything = max(max(one.known, default=0) for one in all_of_them)
        return self.line is not None and not self.unacknowledged and self.reached == everything

    def _rest(self, now: float, *, held: float) -> None:
        self._next_try = now + self._back_off.pause(held)

    def _tell(self, what: str) -> None:
        print(self.address, what, flush=True)


def turn(everybody: Sequence[Commuter], *, writing: bool) -> None:
    """What is due now."""
    for one in everybody:
        if one.line is None:
            one.try_to_come(time.monotonic())
    lines = {one.line: one for one in everybody if one.line}
    readable = select.select(lines, [], [], TURN_SECONDS)[0] if lines else []
    time.sleep(TURN_SECONDS)  # people think before they write
    for line in readable:
        lines[line].hear(time.monotonic(), writing=writing)
    for one in everybody:
        one.look(time.monotonic())


def main() -> None:
    """Goes on until Ctrl-C."""
    host, *addresses = sys.argv[1:]
    pairs = [couple(host, *two) for two in list(pairwise(addresses))[::2]]
    everybody = [one for pair in pairs for one in pair]
    ending = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: ending.set())  # between two turns, not in the middle of one
    while not ending.is_set():
        turn(everybody, writing=True)
    print("ending", flush=True)
    deadline = time.monotonic() + END_SECONDS
    while not all(one.is_done(pair) for pair in pairs for one in pair):
        assert time.monotonic() < deadline, [(one.address, len(one.unacknowledged)) for one in everybody]
        turn(everybody, writing=False)
    for pair in pairs:
        check(pair)
    found = {"acknowledged": sum(len(one.acknowledged) for one in everybody)}
    print(json.dumps({**found, "in vain": {one.address: one.in_vain for one in everybody}}), flush=True)


def couple(host: str, *addresses: str) -> list[Commuter]:
    """Two who write to each other."""
    client = Client(host, PORT)
    ann, bob = (client.sign_up(f"commuter_{uuid.uuid4().hex[:8]}") for _ in range(2))
    return [
        Commuter(one, other, window=2, address=address)
        for one, other, address in zip((ann, bob), (bob, ann), addresses, strict=True)
    ]


if __name__ == "__main__":
    main()
