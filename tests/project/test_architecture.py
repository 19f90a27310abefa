"""Imports point one way, and nobody patches the standard library."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[2] / "service"
PACKAGE = SERVICE / "chat_server"

# Modules that know nothing of ours, and that everybody may use.
LEAVES = {"config", "threads"}

# What a package may import beside itself and the leaves. server.py and cli.py see everything.
ALLOWED = {
    # An upgrade arrives as an HTTP request, and is handed over to the gateway.
    "http": {"realtime", "chat", "storage", "security", "observability"},
    "realtime": {"chat", "storage", "security", "observability"},
    "operations": {"chat", "storage", "security", "observability"},
    "chat": {"storage", "security", "observability"},
    "storage": {"observability"},
    "security": set[str](),
    "observability": set[str](),
}


def imports(module: Path) -> set[str]:
    """The full names of all that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def parts(module: Path) -> set[str]:
    """The parts of chat_server that a module imports from: packages, or modules beside them."""
    named = {name.split(".")[1] for name in imports(module) if name.startswith("chat_server.")}
    return {name for name in named if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_down(package: str) -> None:
    allowed = ALLOWED[package] | {package} | LEAVES
    upward = {
        str(module.relative_to(PACKAGE)): parts(module) - allowed
        for module in sorted((PACKAGE / package).rglob("*.py"))
        if not parts(module) <= allowed
    }
    assert upward == {}


@pytest.mark.parametrize("leaf", sorted(LEAVES))
def test_leaves_import_nothing_of_ours(leaf: str) -> None:
    assert parts(PACKAGE / f"{leaf}.py") == set()


def test_every_package_has_its_place_in_the_order() -> None:
    packages = {module.parent.name for module in PACKAGE.glob("*/__init__.py")}
    assert packages <= set(ALLOWED)


def test_gevent_patches_nothing() -> None:
    """Patched threads would be greenlets: SQLite and argon2 would then stop the hub."""
    assert [str(module) for module in PACKAGE.rglob("*.py") if "gevent.monkey" in imports(module)] == []
