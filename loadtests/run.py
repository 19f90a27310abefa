"""The life of a run: prepared, begun when everybody is there, drained, checked, and judged."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import gevent
from gevent import Greenlet
from gevent.event import Event
from gevent.pool import Group, Pool

from loadtests.accounts import Account, Accounts
from loadtests.api import Api, RefusedError, UnreachableError
from loadtests.archive import Archive
from loadtests.device import Device
from loadtests.findings import Findings
from loadtests.host import Host
from loadtests.measurements import Measurements
from loadtests.options import Options
from loadtests.pair import Pair, Setting
from loadtests.schedule import Punctuality, Schedule
from loadtests.storms import Storms

AUDITS_AT_ONCE = 8
TEND_SECONDS = 0.5
POLL_SECONDS = 0.02
CLOSING_SECONDS = 2.0

log = logging.getLogger("loadtests")
clock = time.monotonic


@dataclass(frozen=True)
class Scenario:
    """What a tag stands for.

    `operations` are those whose latency is checked; the rate that is checked is the first one's. `people` is how many
    accounts a Locust user of it takes. `rate` is the default of `--rate`; 0 where that option is not heeded.
    """

    name: str
    operations: tuple[str, ...]
    people: int
    rate: float = 0.0


class Party(Protocol):
    """Who has devices, and expects answers that are to come before the run ends."""

    @property
    def devices(self) -> list[Device]: ...

    @property
    def settled(self) -> bool:
        """Whether all that was asked for has come."""

    def audit(self) -> None:
        """Notes what has not come, and what is not as it should be. Raises RefusedError, UnreachableError."""


class Run:
    """One test, from `prepare` to `finish`. Users of Locust take their people, pairs and schedules from it."""

    def __init__(
        self, host: str, accounts: Accounts, options: Options, tell: Callable[[str, float, str], None]
    ) -> None:
        self.host = host
        self.options = options
        self.scenarios: list[Scenario] = []
        self.findings = Findings()
        self.measurements = Measurements(clock, tell)
        self.punctuality = Punctuality(options.schedule_tolerance_ms / 1000)
        self.api = Api(Host.parse(host), refused=self.measurements.refuse)
        self.begun = Event()
        self.users: Counter[str] = Counter()
        self.expected = 0
        self.started_at = time.time()
        self.seconds = 0.0
        self.unread: list[str] = []
        """Why the stored messages of a conversation could not be compared."""
        self.pairs: list[Pair] = []
        self._accounts = accounts
        self._taken = 0
        self._parties: list[Party] = []
        self._errands = Group()
        self._storms: dict[str, Storms] = {}
        self._greenlets: list[Greenlet[..., object]] = []
        self._archive: Archive | None = None
        self._setting = Setting(self.api, self.measurements, self.findings, secrets.token_hex(4), options.message_bytes)

    def prepare(self, scenarios: list[Scenario], users: int) -> None:
        """Signs everybody in. Raises PreparationError, RefusedError, UnreachableError."""
        self.scenarios, self.expected = scenarios, users
        archivists = 2 if any(scenario.name == "history" for scenario in scenarios) else 0
        self._accounts.prepare(users * max(scenario.people for scenario in scenarios), archivists, self.api)
        if archivists:
            self._archive = Archive(self._accounts.archivists, self.api, self.findings)
            self._archive.grow(self.options.history_messages)
        self.measurements.refusals.clear()  # of sessions that had ended, and so on: they are in order again

    @property
    def devices(self) -> list[Device]:
        return [device for party in self._parties for device in party.devices]

    @property
    def storm_lengths(self) -> dict[str, list[float]]:
        """By scenario: how long each storm took until everybody was back, in seconds."""
        return {name: storms.lengths for name, storms in self._storms.items()}

    @property
    def archive(self) -> Archive:
        assert self._archive is not None, "only the scenario that reads history has one"
        return self._archive

    def take_person(self) -> Account:
        """Somebody nobody else of this run is."""
        self._taken += 1
        return self._accounts.person(self._taken - 1, self.api)

    def take_pair(self) -> Pair:
        """Two who talk with each other in every run, online. Raises RefusedError, UnreachableError."""
        self._taken += self._taken % 2
        pair = Pair((self.take_person(), self.take_person()), self._setting)
        self.pairs.append(pair)
        self.join(pair)
        return pair

    def join(self, party: Party) -> None:
        """Waits until all the party's devices are online; they are looked after from now on."""
        self._parties.append(party)
        for device in party.devices:
            device.online.wait()

    def arrive(self, scenario: Scenario) -> int:
        """A user is ready. When all are, the measuring begins; returns then, with the user's place in the scenario."""
        place = self.users[scenario.name]
        self.users[scenario.name] += 1
        if self.users.total() == self.expected:
            self.measurements.began_at = clock()
            self.spawn(self._tend)
            for storms in self._storms.values():
                self.spawn(storms.run)
            self.begun.set()
            log.info("all %d users are ready: measuring", self.expected)
        self.begun.wait()
        return place

    def schedule(self, scenario: Scenario, place: int) -> Schedule:
        """The arrivals of one user, who takes turns with all others of the scenario."""
        rate, users = self.options.rate or scenario.rate, self.users[scenario.name]
        first = max(clock(), self.measurements.began_at + (place + 1) / rate)
        return Schedule(first=first, interval=users / rate, punctuality=self.punctuality)

    def storms(self, name: str, *, first_after: float) -> Storms:
        """The storms of a scenario; whoever asks has joined."""
        every = self.options.storm_every_seconds
        storms = self._storms.setdefault(name, Storms(first_after=first_after, every=every, clock=clock))
        storms.members += 1
        return storms

    def errand(self, operation: str, since: float, function: Callable[[], object]) -> Greenlet[..., object]:
        """Begins a call of the API that counts as an operation; `since` is when it was to begin."""
        return self._errands.spawn(self._run_errand, operation, since, function)

    def spawn(self, function: Callable[[], object]) -> None:
        """Begins something that goes on until the run is finished."""
        greenlet = gevent.spawn(function)
        greenlet.link_exception(self.measurements.note_crash)
        self._greenlets.append(greenlet)

    def finish(self) -> None:
        """After the users were stopped: waits for what is under way, compares with what is stored, hangs up."""
        self.seconds = clock() - self.measurements.began_at if self.begun.is_set() else 0.0
        gevent.killall(self._greenlets)
        devices = self.devices
        for device in devices:
            device.hurry()
        deadline = clock() + self.options.drain_seconds
        while clock() < deadline and not self._drained(devices):
            gevent.sleep(POLL_SECONDS)
        self._errands.kill()
        for device in devices:
            if not device.online.is_set():
                self.measurements.fail("return", "not back at the end")
        Pool(AUDITS_AT_ONCE).map(self._audit, self._parties)
        for device in devices:
            device.close()
        deadline = clock() + CLOSING_SECONDS
        for device in devices:
            device.join(max(0.0, deadline - clock()))
        self._accounts.save()

    def _drained(self, devices: list[Device]) -> bool:
        everybody = all(party.settled for party in self._parties) and all(one.online.is_set() for one in devices)
        return everybody and not self._errands

    def _run_errand(self, operation: str, since: float, function: Callable[[], object]) -> None:
        try:
            function()
        except RefusedError as error:
            self.measurements.fail(operation, error.code)
        except UnreachableError:
            self.measurements.fail(operation, "unreachable")
        except gevent.GreenletExit:
            self.measurements.fail(operation, "no answer by the end")
        else:
            self.measurements.record(operation, since)

    def _audit(self, party: Party) -> None:
        try:
            party.audit()
        except (RefusedError, UnreachableError) as error:
            self.unread.append(str(error))

    def _tend(self) -> None:
        while True:
            gevent.sleep(TEND_SECONDS)
            for device in self.devices:
                device.tend(time.time())
