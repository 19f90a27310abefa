from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_tests.container.engine import PATH, ROOT, Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine that `make image` starts where none runs."""
    with subprocess.Popen(
        [ROOT / "packaging" / "with-docker", "sh", "-c", 'echo "$DOCKER_HOST"; exec cat'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the docker engine does not start"
        yield Engine(address)
        process.stdin.close()
    assert process.returncode == 0
    assert not Path(address.removeprefix("unix://")).parent.exists(), "the engine left something behind"


@pytest.fixture(scope="session")
def image(engine: Engine, request: pytest.FixtureRequest) -> str:
    """The image, built from this tree; gives what the build said of it."""
    done = subprocess.run(
        [ROOT / "packaging" / "build-image", "--bootstrap"],
        env=engine.environ | {"PATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    said = done.stdout.strip()
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter:
        reporter.write_line(f"\n{said}")
    return said
