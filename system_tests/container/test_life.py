"""A container's life: it starts with nothing, serves, stops, crashes, and starts again with all it had."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_tests.container.engine import IMAGE, Container, Engine
from tests.device import online

pytestmark = pytest.mark.usefixtures("image")

SECRET = "q0mXW3v1mBf8Zq7bPp1zYcK5u0Jr9sTtGdEoLhNxVwA="


@pytest.fixture
def volumes(engine: Engine) -> Iterator[tuple[str, ...]]:
    with engine.volumes() as options:
        yield options


@pytest.fixture
def container(engine: Engine, volumes: tuple[str, ...]) -> Iterator[Container]:
    with engine.container(*volumes) as container:
        container.wait_until_healthy()
        yield container


def files(engine: Engine, volumes: tuple[str, ...]) -> dict[str, str]:
    """What is in the data volume: names, each with its mode, owner and group."""
    look = ("--entrypoint=find", IMAGE, "/var/lib/chat-server", "-type", "f", "-printf", "%f %m %U:%G\n")
    listed = engine.run("run", "--rm", "--network=none", *volumes, *look).stdout
    found = (line.partition(" ") for line in listed.splitlines())
    return {name: facts for name, _, facts in found}


def test_it_serves_and_leaves_its_files_in_order(
    engine: Engine, container: Container, volumes: tuple[str, ...]
) -> None:
    ann, bob = (container.client().sign_up(name) for name in ("ann", "bob"))
    with online(container, ann) as anns, online(container, bob) as bobs:
        ack = anns.say(bob, "from within")
        assert bobs.wait(lambda frame: frame["type"] == "message")["id"] == ack["messageId"]
    container.stop()
    assert container.state["ExitCode"] == 0
    left = files(engine, volumes)
    assert not left.keys() & {"chat.db-wal", "chat.db-shm"}
    assert {name: left[name] for name in ("chat.db", "jwt_secret")} == {
        "chat.db": "600 10001:10001",
        "jwt_secret": "600 10001:10001",
    }


def test_a_new_container_has_the_data_and_the_secret_of_the_old(engine: Engine, volumes: tuple[str, ...]) -> None:
    with engine.container(*volumes) as first:
        first.wait_until_healthy()
        ann, bob = (first.client().sign_up(name) for name in ("ann", "bob"))
        with online(first, ann) as anns:
            anns.say(bob, "kept")
        first.stop()
    with engine.container(*volumes) as second:
        second.wait_until_healthy()
        # With the token that the first one signed.
        with online(second, bob) as bobs:
            assert bobs.wait(lambda frame: frame["type"] == "message")["data"]["content"] == "kept"
        assert "wrote a fresh secret" not in second.logged()


def test_what_was_acknowledged_survives_a_kill(container: Container) -> None:
    ann, bob = (container.client().sign_up(name) for name in ("ann", "bob"))
    with online(container, ann) as anns:
        sent = [anns.say(bob, f"message {number}")["messageId"] for number in range(20)]
        container.engine.run("kill", "--signal=KILL", container.name)
    assert container.exit_code() == 128 + signal.SIGKILL
    container.engine.run("start", container.name)
    container.wait_until_healthy()
    with online(container, bob) as bobs:
        bobs.wait(lambda frame: frame["id"] == sent[-1])
        assert [frame["id"] for frame in bobs.of("message")] == sent


def test_it_has_no_rights_and_writes_only_where_it_may(container: Container) -> None:
    status = container.run("cat", "/proc/1/status").stdout
    facts = dict(re.findall(r"^(\w+):\s+(.+)$", status, re.MULTILINE))
    assert facts["Name"] == "chat-server"
    assert facts["Uid"].split() == facts["Gid"].split() == ["10001"] * 4
    assert facts["NoNewPrivs"] == "1"
    assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    for place in ("/opt/chat-server/config.toml", "/etc/passwd", "/usr/local/bin/new", "/var/new"):
        refused = container.run("sh", "-c", f": >>{place}", check=False)
        assert "Read-only file system" in refused.stderr or "Permission denied" in refused.stderr


def test_the_engine_learns_whether_it_is_healthy(engine: Engine, volumes: tuple[str, ...]) -> None:
    quickly = ("--health-interval=1s", "--health-start-period=0s", "--health-retries=1")
    with engine.container(*volumes, *quickly) as container:
        container.wait_for_health("healthy")
        # A server that is stuck.
        process = container.state["Pid"]
        os.kill(process, signal.SIGSTOP)
        container.wait_for_health("unhealthy")
        os.kill(process, signal.SIGCONT)
        container.wait_for_health("healthy")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CHAT_SERVER_SERVER__PORT": "many"}, "CHAT_SERVER_SERVER__PORT: [server] port is"),
        ({"CHAT_SERVER_SERVER__PROT": "1"}, "did you mean port?"),
        ({"CHAT_SERVER_AUTH__JWT_SECRET_FILE": "/run/secrets/absent"}, "which cannot be written"),
        ({"CHAT_SERVER_AUTH__JWT_SECRET": SECRET}, "are both given"),
    ],
)
def test_a_wrong_configuration_ends_it_with_words(engine: Engine, environ: dict[str, str], words: str) -> None:
    with engine.container(environ=environ) as container:
        assert container.exit_code() == os.EX_CONFIG
        assert words in container.logged()
        assert SECRET not in container.logged()


def test_a_data_directory_of_somebody_else_ends_it_with_words(engine: Engine, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with engine.container(f"--volume={tmp_path}:/var/lib/chat-server") as container:
        assert container.exit_code() == os.EX_CONFIG
        assert "Permission denied" in container.logged()


class TestSecretFile:
    @pytest.fixture
    def secret(self, tmp_path: Path) -> Path:
        file = tmp_path / "secret"
        file.touch(mode=0o440)
        file.write_text(SECRET)
        os.chown(file, 0, 10001)
        return file

    def mounted(self, secret: Path) -> tuple[str, ...]:
        return (
            f"--volume={secret}:/run/secrets/jwt_secret:ro",
            "--env=CHAT_SERVER_AUTH__JWT_SECRET_FILE=/run/secrets/jwt_secret",
        )

    def test_of_the_admins_is_used(self, engine: Engine, volumes: tuple[str, ...], secret: Path) -> None:
        with engine.container(*volumes, *self.mounted(secret)) as container:
            container.wait_until_healthy()
            container.stop()
        assert "jwt_secret" not in files(engine, volumes)
        assert secret.read_text() == SECRET

    def test_that_everybody_can_read_is_refused(self, engine: Engine, secret: Path) -> None:
        secret.chmod(0o444)
        with engine.container(*self.mounted(secret)) as container:
            assert container.exit_code() == os.EX_CONFIG
            assert "which everybody can read" in container.logged()


def test_the_secret_stays_in_the_volume(container: Container) -> None:
    secret = container.run("cat", "/var/lib/chat-server/jwt_secret").stdout.strip()
    assert len(secret) >= 32
    seen = [
        container.engine.run("inspect", container.name).stdout,
        container.engine.run("inspect", IMAGE).stdout,
        container.engine.run("history", "--no-trunc", IMAGE).stdout,
        container.run("sh", "-c", "tr '\\0' '\\n' </proc/1/environ; tr '\\0' '\\n' </proc/1/cmdline").stdout,
        container.logged(),
    ]
    assert [text for text in seen if secret in text] == []
    # Of the file system that it runs on, nothing was changed but the places of mounts.
    changed = container.engine.run("diff", container.name).stdout.split()
    assert not [word for word in changed if "chat-server" in word]


def test_accounts_are_made_from_outside(container: Container) -> None:
    made = container.run("chat-server", "users", "create", "ada", "--generate").stdout
    password = made.rpartition("password: ")[2].strip()
    assert container.client().log_in("ada", password).status == 200
