"""What the project needs is justified, locked and pinned by hash."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME: list[str] = PROJECT["project"]["dependencies"]
DEVELOPMENT: list[str] = PROJECT["project"]["optional-dependencies"]["dev"]
LOAD: list[str] = PROJECT["project"]["optional-dependencies"]["load"]
HOSTS: list[str] = PROJECT["project"]["optional-dependencies"]["hosts"]
BENCHMARK: list[str] = PROJECT["project"]["optional-dependencies"]["bench"]
BUILD: list[str] = PROJECT["build-system"]["requires"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "requirements"),
    [
        ("The service needs", RUNTIME),
        ("Tests and checks need", DEVELOPMENT),
        ("Load tests need", LOAD),
        ("Provisioning and host tests need", HOSTS),
        ("The benchmark needs", BENCHMARK),
        ("The build needs", BUILD),
    ],
)
def test_every_direct_dependency_is_justified_in_one_line(heading: str, requirements: list[str]) -> None:
    _, _, rest = (ROOT / "docs" / "dependencies.md").read_text().partition(f"\n## {heading}\n")
    justified = re.findall(r"^- `([\w-]+)`: \S.*\.$", rest.partition("\n## ")[0], re.MULTILINE)
    assert {name.lower() for name in justified} == names(requirements)
    assert justified == sorted(justified, key=str.lower)


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-dev.lock", RUNTIME + DEVELOPMENT),
        ("requirements-load.lock", LOAD),
        ("requirements-hosts.lock", HOSTS),
        ("requirements-bench.lock", RUNTIME + BENCHMARK),
        ("requirements-build.lock", BUILD),
    ],
)
def test_every_direct_dependency_is_locked(lock: str, requirements: list[str]) -> None:
    assert names(requirements) <= set(pins(lock)), "run `make lock`"


def test_the_service_imports_every_dependency_that_it_ships_with() -> None:
    modules = {
        node.module.partition(".")[0]
        if isinstance(node, ast.ImportFrom) and node.module
        else alias.name.partition(".")[0]
        for file in (ROOT / "service").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    homes = packages_distributions()
    used = {name.lower().replace("_", "-") for module in modules for name in homes.get(module, [])}
    assert names(RUNTIME) <= used


def test_tests_run_with_the_versions_that_the_service_ships_with() -> None:
    development = pins("requirements-dev.lock")
    assert {name: development.get(name) for name in pins("requirements.lock")} == pins("requirements.lock")


@pytest.mark.parametrize("lock", ["requirements-load.lock", "requirements-hosts.lock"])
def test_load_and_hosts_use_the_versions_of_everything_else_in_the_same_environment(lock: str) -> None:
    others = pins("requirements-dev.lock") | pins("requirements-bench.lock") | pins("requirements-load.lock")
    # Behind a version may stand for which platforms it is: that depends on who needs it.
    differing = {name for name, pin in pins(lock).items() if others.get(name, pin).split(";")[0] != pin.split(";")[0]}
    assert differing == set()


def test_the_benchmark_runs_with_the_versions_that_the_service_ships_with_and_tests_use() -> None:
    benchmark, others = pins("requirements-bench.lock"), pins("requirements.lock") | pins("requirements-dev.lock")
    assert pins("requirements.lock").keys() <= benchmark.keys()
    assert {name: pin for name, pin in benchmark.items() if others.get(name, pin) != pin} == {}


@pytest.mark.parametrize(
    "lock",
    [
        "requirements.lock",
        "requirements-dev.lock",
        "requirements-load.lock",
        "requirements-hosts.lock",
        "requirements-bench.lock",
        "requirements-build.lock",
    ],
)
def test_a_lock_holds_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z0-9-]+==)", text.partition("\n#    make lock\n")[2])
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|^ *-|(^|\s)/\w", re.sub(r"--hash=\S+", "", text), re.MULTILINE)
