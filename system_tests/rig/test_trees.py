"""Trees are made once, whole, and anew when their recipe changes."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from rig.trees import SUITES, ensure_tree, in_use, inside, kept


def make_one(tree: Path) -> None:
    (tree / "made").write_text("one")


def make_another(tree: Path) -> None:
    (tree / "made").write_text("another")


def test_a_tree_is_made_once(tmp_path: Path) -> None:
    first = kept(tmp_path / "tree", "recipe", make_one)
    again = kept(tmp_path / "tree", "recipe", make_another)
    assert first == again == tmp_path / "tree"
    assert (again / "made").read_text() == "one"
    assert again.stat().st_mode & 0o777 == 0o755


def test_another_recipe_makes_it_anew(tmp_path: Path) -> None:
    kept(tmp_path / "tree", "recipe", make_one)
    assert (kept(tmp_path / "tree", "another", make_another) / "made").read_text() == "another"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree", "tree.lock", "tree.recipe"]


def test_one_that_fails_midway_leaves_nothing_and_the_old_one_stays(tmp_path: Path) -> None:
    def fail(tree: Path) -> None:
        make_another(tree)
        raise KeyboardInterrupt

    kept(tmp_path / "tree", "recipe", make_one)
    with pytest.raises(KeyboardInterrupt):
        kept(tmp_path / "tree", "another", fail)
    assert (kept(tmp_path / "tree", "recipe", make_another) / "made").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree", "tree.lock", "tree.recipe"]


def test_what_a_killed_maker_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".tree.killed").mkdir()
    (tmp_path / "tree").mkdir()  # renamed into its place, but its recipe was not written yet
    kept(tmp_path / "tree", "recipe", make_one)
    assert (tmp_path / "tree" / "made").read_text() == "one"
    assert not (tmp_path / ".tree.killed").exists()


def test_two_who_need_it_at_once_make_it_once(tmp_path: Path) -> None:
    makers: list[Path] = []

    def make(tree: Path) -> None:
        makers.append(tree)

    threads = [threading.Thread(target=kept, args=(tmp_path / "tree", "recipe", make)) for _ in range(2)]
    with in_use(tmp_path / "tree"):
        for thread in threads:
            thread.start()
        time.sleep(0.3)  # both have seen that there is none, and wait for their turn
    for thread in threads:
        thread.join(10)
    assert len(makers) == 1


def test_a_tree_is_not_remade_under_a_host(tmp_path: Path) -> None:
    tree = kept(tmp_path / "tree", "recipe", make_one)
    with in_use(tree):
        remake = threading.Thread(target=kept, args=(tree, "another", make_another))
        remake.start()
        remake.join(0.3)
        assert remake.is_alive()
        assert (tree / "made").read_text() == "one"
    remake.join(10)
    assert (tree / "made").read_text() == "another"


@pytest.mark.parametrize("suite", SUITES)
def test_a_tree_knows_nothing_of_the_machine_it_was_made_on(suite: str) -> None:
    tree = ensure_tree(suite)
    assert not [*tree.glob("etc/ssh/ssh_host_*"), *tree.glob("etc/resolv.conf"), *tree.glob("etc/hostname")]
    assert (tree / "etc/machine-id").read_text() == ""
    assert not [*tree.glob("var/lib/apt/lists/*Packages*"), *tree.glob("var/cache/apt/archives/*.deb")]
    sources = (tree / "etc/apt/sources.list.d/debian.sources").read_text()
    assert f"Suites: {suite}\n" in sources
    assert f"Suites: {suite}-security\n" in sources
    assert not (tree / "etc/apt/sources.list").exists()


@pytest.mark.parametrize("suite", SUITES)
def test_a_tree_that_is_there_is_given_at_once(suite: str) -> None:
    made = ensure_tree(suite).stat().st_ino
    assert ensure_tree(suite).stat().st_ino == made


def test_a_command_runs_inside_a_tree_with_a_network_only_if_asked(tmp_path: Path) -> None:
    tree = ensure_tree("bookworm")
    (tmp_path / "note").write_text("seen")
    script = "cat /srv/note; echo; ls /sys/class/net; id -u"
    alone = subprocess.run(
        inside(tree, "sh", "-c", script, binds=[f"{tmp_path}:/srv"]), capture_output=True, text=True, check=True
    )
    assert alone.stdout.split() == ["seen", "lo", "0"]
    connected = subprocess.run(
        inside(tree, "ls", "/sys/class/net", network=True), capture_output=True, text=True, check=True
    )
    assert len(connected.stdout.split()) > 1
