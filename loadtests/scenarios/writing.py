"""Pairs of people who write to each other."""

from __future__ import annotations

import random

from locust import tag, task

from loadtests.pair import Pair
from loadtests.run import Scenario
from loadtests.scenarios.user import ScheduledUser


class Writers(ScheduledUser):
    """A pair: two people, two sockets, one conversation."""

    abstract = True
    pair: Pair

    def on_start(self) -> None:
        self.pair = self.test.take_pair()
        super().on_start()


class Throughput(Writers):
    """Messages at a fixed rate, over connections that stay."""

    scenario = Scenario("throughput", ("delivery", "ack"), people=2, rate=100)

    @tag("throughput")
    @task
    def write(self) -> None:
        self.pair.write(self.next_arrival())


class Reconnect(Writers):
    """All sockets drop at once and come back, while messages go on."""

    scenario = Scenario("reconnect", ("return",), people=2, rate=20)

    def on_start(self) -> None:
        self.storms = self.test.storms(self.scenario.name, first_after=self.test.options.storm_every_seconds)
        super().on_start()
        self.test.spawn(self.weather_storms)

    def weather_storms(self) -> None:
        """Loses both connections in each storm, and waits until both are back."""
        while True:
            self.storms.wait()
            for device in self.pair.devices:
                device.drop()
            for device in self.pair.devices:
                device.online.wait()
            self.storms.be_back()

    @tag("reconnect")
    @task
    def write(self) -> None:
        self.pair.write(self.next_arrival())


class Soak(Writers):
    """For hours: messages, now and then a look at the history, now and then a lost connection."""

    scenario = Scenario("soak", ("delivery", "ack", "page"), people=2, rate=20)

    @tag("soak")
    @task(200)
    def write(self) -> None:
        self.pair.write(self.next_arrival())

    @tag("soak")
    @task(4)
    def read(self) -> None:
        self.test.errand("page", self.next_arrival(), self.pair.read_back)

    @tag("soak")
    @task(1)
    def lose_connection(self) -> None:
        self.next_arrival()
        random.choice(self.pair.devices).drop()
