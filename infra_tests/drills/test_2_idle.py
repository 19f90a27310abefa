"""Chapter 2, what takes minutes: sockets on which nothing is said, at the heartbeat that everybody has."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from infra_tests.drills.disposable import PORT, Disposable, wait_for
from infra_tests.drills.drill import Drill
from infra_tests.drills.proxy import Proxy
from tests.client import Person
from tests.device import Device, online
from tests.faults.line import Line

HEARTBEAT = 'sudo journalctl -u chat-server | grep -i "heartbeat\\|ping\\|pong"'
EVERY_SECONDS = 25
CLOSED_SECONDS = 40
"""The server waits 5 s for a PONG; the rest is for a host that is busy."""
MINUTES = 120
SILENT = 5
"""As many as doctor minds."""

pytestmark = pytest.mark.idle


@dataclass(frozen=True)
class Quiet:
    """Two who have something to say to each other, and wait with it."""

    people: tuple[Person, Person]
    devices: tuple[Device, Device]
    since: float

    def wait(self) -> None:
        """Returns when nothing has been said for minutes, and both are still there."""
        over = self.since + MINUTES
        wait_for("minutes", lambda: bool(self._gone()) or time.monotonic() > over, seconds=MINUTES + 1)
        assert self._gone() == []

    def _gone(self) -> Sequence[object]:
        return [device.closed for device in self.devices if device.closed]


@pytest.fixture(scope="module")
def quiet(disposable: Disposable) -> Iterator[Quiet]:
    """One comes to the server itself, the other by way of nginx; all that is asked of them waits at the same time."""
    proxy = Proxy(disposable.shell)
    ann, bob = (disposable.client().sign_up(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("ann", "bob"))
    with online(disposable, ann) as directly, online(proxy, bob, tls=proxy.tls) as by_nginx:
        yield Quiet((ann, bob), (directly, by_nginx), time.monotonic())


@pytest.mark.entry("2.5")
def test_who_answers_no_ping_is_closed_before_the_next_and_who_does_stays(drill: Drill, quiet: Quiet) -> None:
    carol = drill.client.sign_up(f"carol_{uuid.uuid4().hex[:8]}")
    ann, _ = quiet.people
    with drill.provoked("clients that answer no PING"), ExitStack() as lines:
        opened = time.monotonic()
        silent = [Line(PORT, carol.token, host=drill.shell.address) for _ in range(SILENT)]
        for line in silent:
            lines.callback(line.close)
        assert is_online(ann, carol)
        wait_for("the end of all", lambda: all(line.overhear() for line in silent), seconds=CLOSED_SECONDS)
        assert time.monotonic() - opened > EVERY_SECONDS
        assert not is_online(ann, carol)

    with drill.cured():
        quiet.wait()
        directly, _ = quiet.devices
        directly.say(quiet.people[1], "still here")

    with drill.diagnosed():
        shown = drill.guide(HEARTBEAT).out
        assert shown.count(f"heartbeat missed user={carol.user_id}") == SILENT
    drill.named_by_doctor("heartbeats", status="warning", seen="for want of a heartbeat")


def is_online(who: Person, whom: Person) -> bool:
    """Whether somebody is told that another is there."""
    started = who.client.post("/conversations/start", {"otherUserId": whom.user_id}).succeeded()
    return bool(started["participantIsOnline"])


@pytest.mark.entry("2.7")
def test_an_idle_socket_outlives_a_minute_behind_nginx(drill: Drill, quiet: Quiet) -> None:
    """Where nothing is said otherwise, nginx closes after 60 s."""
    with drill.cured():
        quiet.wait()
        _, by_nginx = quiet.devices
        by_nginx.say(quiet.people[0], "still here, too")
    assert quiet.people[1].user_id not in drill.guide(HEARTBEAT, code=None).out
