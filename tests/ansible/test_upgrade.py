"""What tasks do while the server stands still, and before; that it works is seen on hosts (infra_tests/playbooks)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.ansible.playing import ROLES

TASKS = ROLES / "chat_server" / "tasks"


def tasks_of(name: str) -> Iterator[dict[str, Any]]:
    """The tasks of a file, in order, those of blocks too."""
    waiting = yaml.safe_load((TASKS / name).read_text())
    while waiting:
        task = waiting.pop(0)
        waiting = [inner for part in ("block", "rescue", "always") for inner in task.get(part, [])] + waiting
        yield task


@pytest.mark.parametrize("name", ["stop_and_back_up.yml", "roll_back.yml"])
def test_a_backup_while_the_server_stands_still_waits_for_no_other_host(name: str) -> None:
    commands = [task.get("ansible.builtin.command", {}).get("argv", []) for task in tasks_of(name)]
    backups = [argv for argv in commands if "backup" in argv]
    assert backups
    assert all("--only-here" in argv for argv in backups)


@pytest.mark.parametrize("name", ["stop_and_back_up.yml", "roll_back.yml", "restore.yml"])
def test_doctor_does_not_look_at_a_server_that_was_stopped_on_purpose(name: str) -> None:
    stopping = [
        task for task in tasks_of(name) if task.get("ansible.builtin.systemd_service", {}).get("state") == "stopped"
    ]
    assert [task["loop"] for task in stopping] == ["{{ __chat_server_doctor_units + __chat_server_units }}"]


def test_the_index_is_read_before_a_version_is_fetched_from_the_repository() -> None:
    """Else a version that has come since is not found."""
    tasks = list(tasks_of("packages_at_hand.yml"))
    [fetching] = [place for place, task in enumerate(tasks) if task["name"] == "Fetch the new package"]
    assert any(reads_index(task) for task in tasks[:fetching])


def reads_index(task: dict[str, Any]) -> bool:
    """In truth: reading it changes nothing, so it is no change."""
    return bool(task.get("ansible.builtin.apt", {}).get("update_cache")) and task["changed_when"] is False
