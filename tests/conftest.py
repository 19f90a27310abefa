"""What tests of every topic share."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.client import Person
from tests.server import Server, running_server

Newcomer = Callable[[], Person]

_numbers = itertools.count(1)

# Properties hold however busy the machine is: no example fails for being slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# A shell's background job ignores Ctrl-C, and so would all that its tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, without limits of rate, for all tests that need no server of their own."""
    with running_server(tmp_path_factory.mktemp("shared"), rate_limit={"enabled": False}) as server:
        yield server


@pytest.fixture
def newcomer(shared_server: Server) -> Newcomer:
    """Signs up somebody nobody has met, on the shared server."""
    return lambda: shared_server.client().sign_up(f"person_{next(_numbers)}")


@pytest.fixture
def anna(newcomer: Newcomer) -> Person:
    return newcomer()


@pytest.fixture
def ben(newcomer: Newcomer) -> Person:
    return newcomer()
