"""docs/container.md: an admin who types what it says, from top to bottom."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_tests.container.engine import IMAGE, ROOT, Container, Engine
from tests.server import free_port

pytestmark = pytest.mark.usefixtures("image")

DOCUMENT = (ROOT / "docs" / "container.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
NEEDED = (".dockerignore", "Dockerfile", "LICENSE", "requirements.lock", "build/wheels/bookworm", "dist", "packaging")

# The engine's builds have no network but the host's, and Debian's settings are this host's.
DOCKER = """#!/bin/sh
[ "$1" != build ] || { shift && set -- build --network=host --secret id=apt.conf,src="$APT_SETTINGS" "$@"; }
exec /usr/bin/docker "$@"
"""


class Admin:
    """Works in a clone of the project, and waits where the document tells them to."""

    def __init__(self, engine: Engine, clone: Path) -> None:
        self.port = free_port()
        self._engine = engine
        self._clone = clone
        self._waiting = iter(COMMANDS)

    def does(self, beginning: str) -> str:
        """Types the document's next block, which begins like this; gives what was said."""
        block = next(self._waiting)
        assert block.startswith(beginning)
        programs = self._clone.parent / "programs"
        done = subprocess.run(
            ["sh", "-eu", "-c", block.replace(":8080:8080", f":{self.port}:8080").replace("/srv/", f"{self._clone}/")],
            cwd=self._clone,
            env=self._engine.environ
            | {"PATH": f"{programs}:{self._engine.environ['PATH']}", "APT_SETTINGS": str(programs / "apt.conf")},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{block}{done.stderr}"
        return done.stdout + done.stderr

    def has_read_all(self) -> bool:
        return next(self._waiting, None) is None


@pytest.fixture
def admin(engine: Engine, tmp_path: Path) -> Iterator[Admin]:
    clone, programs = tmp_path / "clone", tmp_path / "programs"
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, clone / name)
    shutil.copytree(ROOT / "service", clone / "service", ignore=shutil.ignore_patterns("__pycache__"))
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    (programs / "apt.conf").write_text("".join(re.findall(r"^Acquire::.*\n", settings, re.MULTILINE)))
    yield Admin(engine, clone)
    engine.run("rm", "--force", "chat-server")
    engine.run("volume", "rm", "--force", "chat-data", "chat-backups")


def test_all_that_it_says_works_in_its_order(engine: Engine, admin: Admin) -> None:
    admin.does("DOCKER_BUILDKIT=1 docker build")
    assert "Loaded image: chat-server:latest" in admin.does("docker load")

    admin.does("docker run --detach")
    server = Container(engine, "chat-server", admin.port)
    server.wait_until_healthy()
    assert admin.does("docker inspect").strip() in {"starting", "healthy"}
    server.wait_until_logged("serving")
    assert "serving" in admin.does("docker logs")
    assert "password: " in admin.does("docker exec chat-server chat-server stats")

    assert admin.does("(umask 377") == ""
    assert "good" in admin.does("docker run --rm")
    admin.does("install -d")

    admin.does("docker exec chat-server chat-server backup")
    server.client().sign_up("later")
    assert server.client().get("/health").status == 200
    admin.does("docker stop chat-server\ndocker run --rm")
    server.wait_until_healthy()
    people = server.run("chat-server", "users", "list").stdout
    assert "ada" in people
    assert "later" not in people

    admin.does("docker exec chat-server chat-server backup\ndocker stop")
    assert admin.has_read_all()


def test_the_image_is_as_large_as_it_says(engine: Engine) -> None:
    (said,) = re.findall(r"(\d+) MB large", DOCUMENT)
    assert abs(engine.inspect(IMAGE)["Size"] / 1_000_000 - int(said)) < 5


def test_it_names_the_user_of_the_image(engine: Engine) -> None:
    assert engine.inspect(IMAGE)["Config"]["User"] == "10001:10001"
    assert set(re.findall(r"\b1\d{4}\b", DOCUMENT)) == {"10001"}
