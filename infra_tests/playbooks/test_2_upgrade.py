"""`upgrade.yml` while two people talk: a version that does not run is taken back, one that does is kept."""

from __future__ import annotations

from pathlib import Path

from infra_tests.drills.disposable import Disposable, wait_for
from infra_tests.packages import BROKEN, NEXT, VERSION, broken_package, next_package
from infra_tests.playbooks.conftest import Talking
from infra_tests.provisioning import play


def version(host: Disposable) -> str:
    """The version that answers."""
    return str(host.client().get("/status").succeeded()["version"])


def test_a_version_that_does_not_run_is_taken_back(
    host: Disposable, inventory: Path, deb: Path, tmp_path: Path, talking: Talking
) -> None:
    broken = broken_package(deb, tmp_path)
    with talking() as talk:
        played = play("upgrade.yml", inventory, extra={"chat_server_deb": str(broken)})
        before = talk.acknowledged
        host.wait_until_healthy()
        # Somebody says something to the old version, which is the new one again.
        wait_for("a message", lambda: talk.acknowledged > before or talk.failure is not None, seconds=60)
    said = " ".join(played.text.split())
    assert played.code != 0
    assert f"The upgrade to {BROKEN}" in said
    assert "was undone" in said
    assert version(host) == VERSION
    assert host.shows("UnitFileState") == "enabled"


def test_a_version_that_runs_is_kept(
    host: Disposable, inventory: Path, deb: Path, tmp_path: Path, talking: Talking
) -> None:
    following = next_package(deb, tmp_path)
    config = host.shell.root("cat /opt/chat-server/config.toml")
    with talking() as talk:
        played = play("upgrade.yml", inventory, extra={"chat_server_deb": str(following)})
    assert played.code == 0, played.text
    assert talk.interruptions >= 2, "the server was never away"
    assert version(host) == NEXT
    assert host.shell.root("cat /opt/chat-server/config.toml") == config


def test_the_same_version_again_changes_nothing(host: Disposable, inventory: Path, deb: Path, tmp_path: Path) -> None:
    following = next_package(deb, tmp_path)
    before = host.shows("MainPID")
    played = play("upgrade.yml", inventory, extra={"chat_server_deb": str(following)})
    assert (played.code, played.changed) == (0, 0), played.text
    assert host.shows("MainPID") == before
