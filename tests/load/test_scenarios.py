"""The commands of docs/load-testing.md, shortened: every scenario runs, measures, and finds the server honest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.load.generator import ROOT, Finished, Generator, start
from tests.server import Server

GUIDE = (ROOT / "docs" / "load-testing.md").read_text()
BLOCKS: list[str] = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
COMMANDS = {match[1]: block for block in BLOCKS if (match := re.search(r"--tags (\w+)", block))}
START = ".venv/bin/locust -f loadtests/locustfile.py --host https://chat.example.org --headless "

SHORT = {
    "--users": "4",
    "--rate": "40",
    "--storm-every-seconds": "0.5",
    "--history-messages": "300",
    "--check-p99-ms": "20000",
    "--check-rate": "0.1",
    "--run-time": "3s",
}
"""In place of what the guide gives to these options, if it does."""


def shortened(command: str) -> list[str]:
    """The command's options, without what `start` gives itself."""
    assert command.startswith(START)
    words = shlex.split(command.removeprefix(START).replace("\\\n", ""))
    return [SHORT.get(before, word) for before, word in zip(["", *words], words, strict=False)]


@pytest.fixture(scope="module")
def generators(exempting_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Generator]]:
    """All at the same time."""
    started = {
        tag: start(exempting_server, tmp_path_factory.mktemp(tag), *shortened(command), "--heartbeat-seconds", "0.5")
        for tag, command in COMMANDS.items()
    }
    yield started
    for generator in started.values():
        generator.process.kill()
        generator.process.wait()


def finish(generators: dict[str, Generator], tag: str) -> Finished:
    """The run's end. The guide's command writes its report into files named after the tag."""
    done = generators[tag].finish(f"{tag}.json")
    assert done.code == 0, done.output
    assert done.report["scenarios"] == [tag]
    page = (generators[tag].directory / f"{tag}.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") >= 3
    return done


def test_the_guide_has_a_command_for_every_scenario() -> None:
    names = re.findall(r'Scenario\("(\w+)"', "".join(path.read_text() for path in (ROOT / "loadtests").rglob("*.py")))
    assert set(COMMANDS) == set(names)
    assert BLOCKS[0] == "make load-tools\n"
    assert re.search(r"^load-tools:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_throughput(generators: dict[str, Generator]) -> None:
    done = finish(generators, "throughput")
    messages = done.report["messages"]
    assert messages["written"] == messages["acknowledged"] == done.operation("delivery")["count"] > 60
    assert messages["conversations"] == 4
    assert 20 < done.operation("delivery")["perSecond"] < 60


def test_reconnect(generators: dict[str, Generator]) -> None:
    done = finish(generators, "reconnect")
    storms = done.report["stormSeconds"]["reconnect"]
    assert len(storms) >= 1
    assert done.operation("return")["count"] >= 8 * len(storms)
    messages = done.report["messages"]
    assert messages["pushedAgain"] > 0  # for what was missed was read first, as the protocol asks
    assert messages["written"] == messages["acknowledged"] == done.operation("delivery")["count"] > 60


def test_login(generators: dict[str, Generator]) -> None:
    done = finish(generators, "login")
    assert len(done.report["stormSeconds"]["login"]) >= 2
    assert done.operation("login")["count"] == done.operation("logout")["count"] >= 8


def test_history(generators: dict[str, Generator]) -> None:
    done = finish(generators, "history")
    assert done.operation("page")["count"] > 60


def test_idle(generators: dict[str, Generator]) -> None:
    done = finish(generators, "idle")
    assert done.operation("heartbeat")["count"] >= 8
    assert done.report["connectionLosses"] == {}


def test_soak(generators: dict[str, Generator]) -> None:
    done = finish(generators, "soak")
    messages = done.report["messages"]
    assert messages["written"] == messages["acknowledged"] == done.operation("delivery")["count"] > 60
