"""People who are online and say nothing."""

from __future__ import annotations

import random
import secrets

from locust import tag, task

from loadtests.accounts import Account
from loadtests.device import Device
from loadtests.line import Frame, Line
from loadtests.measurements import Measurements
from loadtests.run import Run, Scenario, clock
from loadtests.scenarios.user import ScheduledUser
from loadtests.schedule import Schedule


class Bystander:
    """Somebody whose device only asks, now and then, whether the connection still works."""

    def __init__(self, person: Account, test: Run) -> None:
        self.heartbeat_seconds = 0.0
        """What the server asks for."""
        self._measurements: Measurements = test.measurements
        self._asked: dict[str, float] = {}
        self._line: Line | None = None
        self._device = Device(person, test.api, test.measurements, self)

    @property
    def devices(self) -> list[Device]:
        """The one (Party)."""
        return [self._device]

    @property
    def settled(self) -> bool:
        """Whether every heartbeat was answered (Party)."""
        return not self._asked

    def audit(self) -> None:
        """Notes which were not (Party)."""
        for _ in self._asked:
            self._measurements.fail("heartbeat", "not answered")

    def beat(self, intended: float) -> None:
        """Sends a heartbeat that was to be sent at this time."""
        if self._line is None or not self._device.online.is_set():
            self._measurements.fail("heartbeat", "offline")
            return
        frame_id = secrets.token_hex(8)
        self._asked[frame_id] = intended
        self._line.send("heartbeat", {}, frame_id)

    def ready(self, line: Line, data: Frame) -> None:
        """The device is connected (Attendant)."""
        self._line = line
        self.heartbeat_seconds = data["heartbeatSeconds"]

    def take(self, frame: Frame) -> None:
        """A frame has come (Attendant)."""
        intended = self._asked.pop(frame["id"], None)
        if intended is None:
            return
        if frame["type"] == "heartbeat":
            self._measurements.record("heartbeat", intended)
        else:
            self._measurements.refuse(frame["data"]["code"])
            self._measurements.fail("heartbeat", frame["data"]["code"])


class Idle(ScheduledUser):
    """A socket that is open, with a heartbeat at the server's pace."""

    scenario = Scenario("idle", ("heartbeat",), people=1)

    def on_start(self) -> None:
        self.bystander = Bystander(self.test.take_person(), self.test)
        self.test.join(self.bystander)
        self.test.arrive(self.scenario)
        interval = self.test.options.heartbeat_seconds or self.bystander.heartbeat_seconds
        first = clock() + random.uniform(0.0, interval)
        self.schedule = Schedule(first=first, interval=interval, punctuality=self.test.punctuality)

    @tag("idle")
    @task
    def beat(self) -> None:
        self.bystander.beat(self.next_arrival())
