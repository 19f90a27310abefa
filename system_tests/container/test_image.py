"""What is in the image, and what is not."""

from __future__ import annotations

import json
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_tests.container.engine import IMAGE, ROOT, Engine

pytestmark = pytest.mark.usefixtures("image")

MOST_MB = 140


@pytest.fixture(scope="module")
def shell(engine: Engine) -> Iterator[str]:
    """A container of the image in which commands of a test run as root; gives its name."""
    name = engine.run(
        "run", "--detach", "--user=0", "--network=none", "--entrypoint=sleep", IMAGE, "infinity"
    ).stdout.strip()
    yield name
    engine.run("rm", "--force", "--volumes", name)


def said(engine: Engine, shell: str, command: str) -> str:
    return engine.run("exec", shell, "sh", "-c", command).stdout.strip()


def test_it_is_small(engine: Engine) -> None:
    assert engine.inspect(IMAGE)["Size"] < MOST_MB * 1_000_000


def test_it_says_what_it_is(engine: Engine) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = engine.inspect(IMAGE)["Config"]["Labels"]
    named = {key.removeprefix("org.opencontainers.image."): value for key, value in labels.items()}
    assert {key: named[key] for key in ("title", "description", "version", "licenses")} == {
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "licenses": project["license"],
    }


def test_it_runs_the_service_itself_as_a_user_without_rights(engine: Engine) -> None:
    config = engine.inspect(IMAGE)["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["/opt/chat-server/chat-server"]  # no shell, which would keep signals to itself
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert sorted(config["Volumes"]) == ["/var/backups/chat-server", "/var/lib/chat-server"]
    assert config["Healthcheck"]["Test"] == ["CMD", "/opt/chat-server/chat-server", "healthcheck"]


def test_the_executable_is_the_packages(engine: Engine, shell: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert said(engine, shell, "chat-server --version") == f"chat-server {version}"
    assert "libpython3.11" in said(engine, shell, "ldd /opt/chat-server/chat-server")


def test_only_its_data_and_backups_are_its_own(engine: Engine, shell: str) -> None:
    owned = said(
        engine, shell, "find / -xdev \\( -user 10001 -o -group 10001 \\) -exec stat -c '%a %U %G %n' {} + | sort"
    )
    assert owned.splitlines() == [
        "700 chat-server chat-server /var/backups/chat-server",
        "700 chat-server chat-server /var/lib/chat-server",
    ]
    assert said(engine, shell, "find /opt/chat-server ! -user root -o -perm /022 ! -type l") == ""


@pytest.mark.parametrize("program", ["gcc", "pip", "pip3", "python3", "curl"])
def test_what_built_it_is_not_in_it(engine: Engine, shell: str, program: str) -> None:
    assert engine.run("exec", shell, "which", program, check=False).returncode == 1


def test_nothing_of_apts_is_left_but_what_was_there(engine: Engine, shell: str) -> None:
    assert said(engine, shell, "ls -A /var/lib/apt/lists /var/cache/apt | grep -v :") == ""
    assert said(engine, shell, "cat /etc/apt/apt.conf /run/secrets/* 2>/dev/null | wc -c") == "0"


def test_python_finds_everything_compiled(engine: Engine, shell: str) -> None:
    """Nothing can be cached later, on a read-only file system."""
    sources = int(said(engine, shell, "find /opt/chat-server/lib/chat_server -name '*.py' | wc -l"))
    compiled = int(said(engine, shell, "find /opt/chat-server/lib/chat_server -name '*.pyc' | wc -l"))
    assert compiled == sources > 50


def test_no_layer_has_a_secret_or_a_database(engine: Engine, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    engine.run("save", "--output", archive, IMAGE)
    files: set[str] = set()
    with tarfile.open(archive) as saved:
        (manifest,) = json.load(saved.extractfile("manifest.json") or pytest.fail("no manifest"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=saved.extractfile(layer)) as contents:
                files |= {member.name for member in contents if not member.isdir()}
    assert "opt/chat-server/chat-server" in files
    suspects = ("var/lib/chat-server/", "var/backups/chat-server/", "jwt_secret", "chat.db", "build/")
    assert [name for name in files if any(part in name for part in suspects)] == []
