"""What the verification of a host has: the host, what is expected of it, and its journal where something fails."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra_tests.shell import Shell

SECONDS = 300
JOURNAL_LINES = 30
DRILLS = Path(__file__).parent / "drills"
EXPECTATIONS = Path(__file__).with_name("expectations.yaml")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hosts of chat-server")
    group.addoption("--disposable", action="store_true", help="break the host, too: the fault drills")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "entry(*ids): the entries of the troubleshooting guide that a drill is about")
    config.addinivalue_line("markers", "idle: a drill that disturbs nothing, and waits for more than a minute")
    if not config.getoption("hosts") and not config.getoption("collectonly"):
        pytest.exit("say which host: pytest infra_tests --hosts=ssh://user@host --sudo", returncode=4)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
    if config.getoption("disposable"):
        return
    drills = [item for item in items if DRILLS in item.path.parents]
    if drills:
        config.hook.pytest_deselected(items=drills)
        items[:] = [item for item in items if item not in drills]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever fails, the host's last lines stand beside it."""
    report = yield
    shell = item.config.stash.get(_shell, None)
    if report.failed and shell is not None:
        try:
            lines = shell.root(
                f"journalctl --quiet --lines=500 | grep -v -e ' sudo\\[' -e 'kill control group' | tail --lines={JOURNAL_LINES}"
            )
        except AssertionError as failure:
            lines = str(failure)
        report.sections.append((f"the journal of the host, {report.when}", lines))
    return report


_shell = pytest.StashKey[Shell]()


@pytest.fixture(scope="session")
def shell(pytestconfig: pytest.Config) -> Shell:
    """A login on the host under test, which is the only one."""
    address = str(pytestconfig.getoption("hosts"))
    kind, _, destination = address.partition("://")
    if kind not in {"ssh", "safe-ssh"} or "," in address:
        pytest.exit(f"one host at a time, by SSH: --hosts=ssh://user@host, not {address}", returncode=4)
    made = Shell(destination, pytestconfig.getoption("ssh_config") or "")
    pytestconfig.stash[_shell] = made
    return made


@pytest.fixture(autouse=True)
def _known(shell: Shell) -> None:
    """Every test has the journal to show where it fails."""


@pytest.fixture(scope="session")
def expected() -> Any:  # noqa: ANN401  as YAML is
    """What must be found on the host."""
    return yaml.safe_load(EXPECTATIONS.read_text())
