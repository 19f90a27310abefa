"""People who all log in at once."""

from __future__ import annotations

from locust import tag, task

from loadtests.accounts import Account
from loadtests.run import Scenario, clock
from loadtests.scenarios.user import ScenarioUser


class Login(ScenarioUser):
    """Everybody logs in with their password at the same moment, and comes back later when told so."""

    scenario = Scenario("login", ("login",), people=1)
    person: Account
    token = ""

    def on_start(self) -> None:
        self.person = self.test.take_person()
        self.storms = self.test.storms(self.scenario.name, first_after=0.0)
        self.test.arrive(self.scenario)

    @tag("login")
    @task
    def log_in(self) -> None:
        began = self.storms.wait()
        self.test.errand("login", began, self.enter).join()
        if self.token:  # or else the sessions would pile up
            self.test.errand("logout", clock(), self.leave).join()
        self.storms.be_back()

    def enter(self) -> None:
        """Logs in, however long that takes. Raises RefusedError, UnreachableError."""
        credentials = {"username": self.person.username, "password": self.person.password}
        self.token = self.test.api.call_patiently("POST", "/auth/login", credentials)["token"]

    def leave(self) -> None:
        """Ends that session. Raises RefusedError, UnreachableError."""
        token, self.token = self.token, ""
        self.test.api.call("POST", "/auth/logout", token=token)
