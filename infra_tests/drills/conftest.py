"""What the drills have: the host that may be broken, and what each has shown."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra_tests.drills.browser import OTHER_SITES, Browser
from infra_tests.drills.disposable import Disposable
from infra_tests.drills.drill import Drill
from infra_tests.drills.record import Record, write
from infra_tests.shell import Shell

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def disposable(shell: Shell) -> Disposable:
    """The host, remembered as it is."""
    return Disposable(shell)


@pytest.fixture(scope="session")
def records(shell: Shell) -> Iterator[list[Record]]:
    """What the drills of this run have shown; written at its end."""
    kept: list[Record] = []
    yield kept
    write(kept, shell.suite)


@pytest.fixture
def drill(request: pytest.FixtureRequest, disposable: Disposable, records: list[Record]) -> Iterator[Drill]:
    """A drill about the entries that the test's mark names, on a host that is well; afterwards it is well again."""
    mark = request.node.get_closest_marker("entry")
    assert mark, "a drill says what it is about: @pytest.mark.entry('1.1')"
    record = Record(f"{request.path.relative_to(FOLDER)}::{request.node.name.partition('[ssh')[0]}", list(mark.args))
    records.append(record)
    number = uuid.uuid4().hex[:8]
    running = Drill(disposable, record, (f"ann_{number}", f"bob_{number}"))
    yield running
    running.close()


@pytest.fixture
def browser(drill: Drill, tmp_path: Path) -> Iterator[Browser]:
    """A browser on the machine that runs the tests, for which the host has its public name."""
    name = urlsplit(drill.public_url).hostname
    assert name, "no [server] public_url says where a browser is to go"
    addresses = {name: drill.shell.address, **dict.fromkeys(OTHER_SITES, "127.0.0.1")}
    with Browser.started(tmp_path, addresses) as browser:
        yield browser
