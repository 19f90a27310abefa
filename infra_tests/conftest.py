"""What the verification of a host has: the host, what is expected of it, and its journal where something fails."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from infra_tests.fingerprint import fingerprint
from infra_tests.shell import Shell
from infra_tests.site import Expected, Site, expectations

SECONDS = 300
JOURNAL_LINES = 30
NOISE = "-e ' sudo\\[' -e ' python3\\[' -e '^ ' -e 'Failed to kill control group'"
"""Lines about every command that a test types, about a playbook, and what systemd can't do in a container."""
BREAKING = [Path(__file__).parent / name for name in ("documents", "drills", "playbooks")]
"""Their tests leave nothing as it was while they run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hosts of chat-server")
    group.addoption("--inventory", type=Path, metavar="FILE", help="by which the playbooks reach the host")
    group.addoption(
        "--expectations", type=Path, metavar="FILE", help="what is otherwise on this host: expectations.yaml"
    )
    group.addoption(
        "--disposable", action="store_true", help="break the host, too: drills, and what the documents and playbooks do"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "entry(*ids): the entries of the troubleshooting guide that a drill is about")
    config.addinivalue_line("markers", "idle: a drill that disturbs nothing, and waits for more than a minute")
    config.option.sudo = True  # who looks must see what only root may
    if not config.getoption("hosts") and not config.getoption("collectonly"):
        pytest.exit("say which host: pytest infra_tests --hosts=ssh://user@host --sudo", returncode=4)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
    if config.getoption("disposable"):
        return
    breaking = [item for item in items if any(folder in item.path.parents for folder in BREAKING)]
    if breaking:
        config.hook.pytest_deselected(items=breaking)
        items[:] = [item for item in items if item not in breaking]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever fails, the host's last lines stand beside it."""
    report = yield
    shell = item.config.stash.get(_shell, None)
    if report.failed and shell is not None:
        try:
            lines = shell.root(f"journalctl --quiet --lines=5000 | grep -v {NOISE} | tail --lines={JOURNAL_LINES}")
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


@pytest.fixture(scope="session")
def before(shell: Shell) -> list[str]:
    """The host as it was before the first test."""
    return fingerprint(shell)


@pytest.fixture(autouse=True)
def _known(request: pytest.FixtureRequest, shell: Shell) -> None:
    """Every test has the journal to show where it fails, and those that only look have the host compared."""
    if not any(folder in request.path.parents for folder in BREAKING):
        request.getfixturevalue("before")


@pytest.fixture(scope="session")
def expected(pytestconfig: pytest.Config) -> Expected:
    """What must be found on the host."""
    return expectations(pytestconfig.getoption("expectations"))


@pytest.fixture(scope="session")
def site(shell: Shell) -> Site:
    """The service on the host."""
    return Site.of(shell)
