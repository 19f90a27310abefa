"""What the Locust users of all scenarios share."""

from __future__ import annotations

from typing import ClassVar

import gevent
from locust import User

from loadtests.run import Run, Scenario, clock
from loadtests.schedule import Schedule


class ScenarioUser(User):
    """A user of a scenario."""

    abstract = True
    scenario: ClassVar[Scenario]
    test: ClassVar[Run]
    """The run that is under way."""


class ScheduledUser(ScenarioUser):
    """A user whose tasks begin on a schedule: each at its time, whatever became of those before."""

    abstract = True
    schedule: Schedule

    def on_start(self) -> None:
        place = self.test.arrive(self.scenario)
        self.schedule = self.test.schedule(self.scenario, place)

    def wait_time(self) -> float:
        """In seconds, for Locust, which waits so long between tasks."""
        return self.schedule.wait(clock())

    def next_arrival(self) -> float:
        """Waits until it is time; gives when that was to be."""
        while seconds := self.schedule.wait(clock()):
            gevent.sleep(seconds)  # the clock of gevent's timers runs a little ahead
        return self.schedule.take(clock())
