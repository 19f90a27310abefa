"""Locust's events, in the order in which they come: from the command line to the exit code."""

from __future__ import annotations

import logging
import signal
import sys
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.event import Events
from locust.exception import StopTest
from locust.runners import LocalRunner

from loadtests import options, page, report, verdict
from loadtests.accounts import Accounts, PreparationError, default_file
from loadtests.api import RefusedError, UnreachableError
from loadtests.run import Run
from loadtests.scenarios.user import ScenarioUser

DEFAULT_TAG = "throughput"
DEFAULT_SPAWN_RATE = 100.0

log = logging.getLogger("loadtests")


class OperationFailedError(Exception):
    """What Locust's own figures say of an operation that failed."""


class Lifecycle:
    """Prepares runs, lets Locust's users do theirs, and has them judged."""

    def __init__(self) -> None:
        self._held = ExitStack()
        self._accounts: Accounts | None = None
        self._run: Run | None = None
        self._summary = ""

    def listen(self, events: Events) -> None:
        """Joins in with all that Locust does."""
        events.init_command_line_parser.add_listener(self.add_options)
        events.init.add_listener(self.set_up)
        events.test_start.add_listener(self.start)
        events.test_stop.add_listener(self.finish)
        events.quitting.add_listener(self.stop)
        events.quit.add_listener(self.conclude)

    def add_options(self, parser: ArgumentParser) -> None:
        options.add_to(parser)

    def set_up(self, environment: Environment, **_: Any) -> None:  # noqa: ANN401  as Locust has it
        """Picks the scenarios. Without the web page, all is prepared here, before Locust's clock runs."""
        parsed = _parsed(environment)
        try:
            classes = _scenarios(environment)
            host = (environment.host or "").rstrip("/")
            if not host.startswith(("http://", "https://")):
                raise PreparationError("name the server: --host https://chat.example.org")
            self._open_accounts(parsed.accounts or default_file(host), host)
            environment.user_classes[:] = classes
            if parsed.headless:
                parsed.spawn_rate = parsed.spawn_rate or DEFAULT_SPAWN_RATE
                self._prepare(environment, parsed.num_users or 1)
        except (PreparationError, RefusedError, UnreachableError) as error:
            log.error("the run cannot begin: %s", error)  # noqa: TRY400  the line says it all
            sys.exit(verdict.NOT_BEGUN)
        # Python would raise it in whichever greenlet runs: a connection would end, and count as the server's failure.
        gevent.signal_handler(signal.SIGINT, gevent.kill, gevent.getcurrent(), KeyboardInterrupt)

    def start(self, environment: Environment, **_: Any) -> None:  # noqa: ANN401  as Locust has it
        """A test begins; one that was begun on the web page is prepared only now."""
        if self._run is None:
            assert environment.runner is not None
            try:
                self._prepare(environment, environment.runner.target_user_count)
            except (PreparationError, RefusedError, UnreachableError) as error:
                raise StopTest(f"the run cannot begin: {error}") from None

    def finish(self, environment: Environment, **_: Any) -> None:  # noqa: ANN401  as Locust has it
        """The users were stopped: the run is drained, compared, judged and reported."""
        run, self._run = self._run, None
        if run is None:
            return
        log.info("waiting for what is under way, and comparing it with what is stored")
        run.finish()
        assert environment.runner is not None
        errors = [str(error["msg"]) for error in environment.runner.exceptions.values()]
        judged = verdict.judge(run, errors)
        document = report.describe(run, judged)
        if run.options.json_report:
            report.write_json(document, run.options.json_report)
        if run.options.html_report:
            page.write_html(document, run.options.html_report)
        self._summary = report.summarize(document)
        environment.process_exit_code = judged.code
        if not _parsed(environment).headless:
            self.conclude()

    def stop(self, environment: Environment, **_: Any) -> None:  # noqa: ANN401  as Locust has it
        """Locust quits, perhaps because of Ctrl-C in the middle of a run, which then ends as any other."""
        if environment.runner is not None:
            environment.runner.stop()

    def conclude(self, **_: Any) -> None:  # noqa: ANN401  as Locust has it
        """The last word, behind Locust's tables."""
        sys.stderr.write(self._summary)
        self._summary = ""

    def _open_accounts(self, file: Path, host: str) -> None:
        self._held.enter_context(Accounts(file, host).locked())
        self._accounts = Accounts.load(file, host)

    def _prepare(self, environment: Environment, users: int) -> None:
        assert self._accounts is not None

        def tell(name: str, seconds: float, failure: str) -> None:
            environment.events.request.fire(
                request_type="chat",
                name=name,
                response_time=1000 * seconds,
                response_length=0,
                exception=OperationFailedError(failure) if failure else None,
                context={},
            )

        host, chosen = self._accounts.host, options.Options.of(_parsed(environment))
        run = Run(host, self._accounts, chosen, tell)
        scenarios = [scenario.scenario for scenario in environment.user_classes if issubclass(scenario, ScenarioUser)]
        run.prepare(scenarios, users)
        ScenarioUser.test = run
        self._run = run


def _parsed(environment: Environment) -> Namespace:
    """The options. Locust's main program always gives them."""
    assert isinstance(environment.parsed_options, Namespace)
    return environment.parsed_options


def _scenarios(environment: Environment) -> list[type[ScenarioUser]]:
    """The classes that the tags, or the names on the command line, stand for. Raises PreparationError."""
    if not isinstance(environment.runner, LocalRunner):
        raise PreparationError("a run is one process; for more load, start several, each with --accounts of its own")
    parsed = _parsed(environment)
    classes = {cls.scenario.name: cls for cls in environment.user_classes if issubclass(cls, ScenarioUser)}
    tags = set(parsed.tags or ()) or (set(classes) if parsed.user_classes else {DEFAULT_TAG})
    unknown = (tags | set(parsed.exclude_tags or ())) - set(classes)
    if unknown:
        raise PreparationError(f"there is no tag {', '.join(sorted(unknown))}; there are {', '.join(sorted(classes))}")
    if not (parsed.tags or parsed.user_classes):
        log.info("no --tags: running %s; there are %s", DEFAULT_TAG, ", ".join(sorted(classes)))
    return [cls for name, cls in classes.items() if name in tags - set(parsed.exclude_tags or ())]
