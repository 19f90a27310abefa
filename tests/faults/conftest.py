"""What the fault tests share: their figures end up in pytest's report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Report = Callable[[str], None]

_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Puts a line with what a test measured into the report at the end of the run."""
    figures = request.config.stash.setdefault(_figures, [])

    def add(figure: str) -> None:
        figures.append(f"{request.node.nodeid.rpartition('/')[2]}: {figure}")

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(_figures, [])
    if figures:
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.write_line(figure)
