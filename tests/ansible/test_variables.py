"""Every variable of the roles is specified, has a default, is used and is documented; and none is that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from tests.ansible.playing import ROLES, ROOT

NAMES = ("chat_server", "chat_proxy")
DOCUMENT = (ROOT / "docs" / "provisioning.md").read_text()
TAKES = {
    "bool": "true, false",
    "dict": "sections",
    "int": "number",
    "list": "list",
    "str": "text",
}
PYTHON = {"bool": bool, "dict": dict, "int": int, "list": list, "str": str}


def entry_points(role: str) -> Mapping[str, Any]:
    """What meta/argument_specs.yml has, by the file of tasks that it is about."""
    found: Mapping[str, Any] = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return found


def options(role: str) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = entry_points(role)["main"]["options"]
    return found


def defaults(role: str) -> Mapping[str, object]:
    found: Mapping[str, object] = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text())
    return found


def row(name: str, option: Mapping[str, Any], default: object) -> str:
    """A variable as the document must have it."""
    takes = ", ".join(option.get("choices", [TAKES[option["type"]]])) + (", secret" if option.get("no_log") else "")
    shown = "follows from others" if is_template(default) else f"`{json.dumps(default)}`"
    return f"| `{name}` | {takes} | {shown} | {option['description']} |"


def is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


@pytest.mark.parametrize("role", NAMES)
def test_what_is_specified_has_a_default_and_what_has_one_is_specified(role: str) -> None:
    assert list(options(role)) == list(defaults(role)), "the same names, in the same order"
    assert all(name.startswith(f"{role}_") for name in options(role))


@pytest.mark.parametrize("role", NAMES)
def test_a_default_is_of_the_kind_that_is_asked_for(role: str) -> None:
    for name, default in defaults(role).items():
        option = options(role)[name]
        assert is_template(default) or type(default) is PYTHON[option["type"]], name
        assert is_template(default) or default in option.get("choices", [default]), name


@pytest.mark.parametrize("role", NAMES)
def test_every_playbooks_tasks_check_the_same_variables(role: str) -> None:
    assert all(entry_point["options"] == options(role) for entry_point in entry_points(role).values())


@pytest.mark.parametrize("role", NAMES)
def test_every_variable_is_used(role: str) -> None:
    folders = ("tasks", "templates", "vars", "handlers")
    files = [file for folder in folders for file in (ROLES / role / folder).glob("*") if file.name != "preflight.yml"]
    used = "".join(file.read_text() for file in [*files, *(ROOT / "ansible").glob("*.yml")])
    assert [name for name in options(role) if not re.search(rf"\b{name}\b", used)] == []


@pytest.mark.parametrize("role", NAMES)
def test_the_document_has_every_variable_as_it_is_and_no_other(role: str) -> None:
    documented = re.findall(rf"^\| `{role}_.+$", DOCUMENT, re.MULTILINE)
    assert documented == [row(name, options(role)[name], default) for name, default in defaults(role).items()]


@pytest.mark.parametrize("role", NAMES)
def test_every_name_that_is_mentioned_anywhere_is_one(role: str) -> None:
    """In documents, inventories, and what the roles themselves say."""
    files = [*(ROOT / "docs").glob("*.md"), *(ROOT / "ansible").rglob("*.md"), *(ROOT / "ansible").rglob("*.y*ml")]
    mentioned = {
        name for file in files for name in re.findall(rf"(?<![\w/.-]){role}_[a-z_]+\b(?![/.]\w)", file.read_text())
    }
    assert mentioned - set(options(role)) == set()


def test_what_is_secret_is_said_to_be() -> None:
    secrets = {name for role in NAMES for name, option in options(role).items() if option.get("no_log")}
    _, _, said = DOCUMENT.partition("\n## Secrets\n")
    said, _, _ = said.partition("\n## ")
    assert secrets <= set(re.findall(r"chat_\w+", said))
