"""The drills, as far as they can be judged without a host."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from chat_server.operations.doctor.chapters import HEADINGS

DRILLS = sorted((Path(__file__).parents[2] / "infra_tests" / "drills").glob("test_*.py"))


def drills_of(module: Path) -> list[ast.FunctionDef]:
    """The module's drills."""
    tree = ast.parse(module.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def entries(test: ast.FunctionDef) -> list[str]:
    """The entries of the guide that a drill is marked with."""
    marks = [mark for mark in test.decorator_list if isinstance(mark, ast.Call)]
    named = [mark for mark in marks if isinstance(mark.func, ast.Attribute) and mark.func.attr == "entry"]
    return [str(ast.literal_eval(entry)) for mark in named for entry in mark.args]


@pytest.mark.parametrize("module", DRILLS, ids=lambda module: module.stem)
def test_every_drill_says_which_entries_it_is_about(module: Path) -> None:
    assert [test.name for test in drills_of(module) if not entries(test)] == []


def test_every_entry_of_the_guide_has_a_drill() -> None:
    assert {entry for module in DRILLS for test in drills_of(module) for entry in entries(test)} == set(HEADINGS)


@pytest.mark.parametrize("module", DRILLS, ids=lambda module: module.stem)
def test_no_drill_waits_by_the_clock(module: Path) -> None:
    """A pause is too short on a slow machine and too long on a quick one; a condition is neither."""
    calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if getattr(call.func, "attr", "") == "sleep"] == []
