"""People who scroll through a long conversation."""

from __future__ import annotations

from locust import tag, task

from loadtests.run import Scenario
from loadtests.scenarios.user import ScheduledUser


class History(ScheduledUser):
    """Pages from anywhere in a long conversation, at a fixed rate."""

    scenario = Scenario("history", ("page",), people=0, rate=20)

    @tag("history")
    @task
    def read(self) -> None:
        self.test.errand("page", self.next_arrival(), self.test.archive.read)
