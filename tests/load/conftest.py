"""What the load tests' tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server import UNMEASURED, Server, running_server

EXEMPT = {"exempt_networks": ["127.0.0.1"]}


@pytest.fixture(scope="session")
def exempting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with its limits, from which the load generator's network is exempt, as the admin is told to have it."""
    with running_server(tmp_path_factory.mktemp("exempting"), environ=UNMEASURED, rate_limit=EXEMPT) as server:
        yield server
