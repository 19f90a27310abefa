"""`serve --create-secret`: a server that nobody prepared makes its own secret, once."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chat_server.configuration import create_secret, load
from tests.server import COMMAND, Server, free_port, running_server, write_config

SECRET = "q0mXW3v1mBf8Zq7bPp1zYcK5u0Jr9sTtGdEoLhNxVwA="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jwt_secret"


def config_naming(file: Path, **auth: object) -> Path:
    return write_config(file.parent, port=free_port(), auth={"jwt_secret": "", "jwt_secret_file": str(file), **auth})


def serve(directory: Path, file: Path) -> Server:
    """A server that was started with --create-secret and stopped."""
    # The command stands behind `--config`, which tests/server.py adds at the end.
    environ = {"CHAT_SERVER_AUTH__JWT_SECRET_FILE": str(file)}
    command = ("sh", "-c", 'exec "$@" serve --create-secret', "sh", *COMMAND)
    with running_server(directory, command=command, environ=environ, auth={"jwt_secret": ""}) as server:
        pass
    return server


def refusal(config: Path) -> str:
    """The one line of a start that fails for its configuration."""
    command = [*COMMAND, "--config", str(config), "serve", "--create-secret"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == os.EX_CONFIG, done.stderr
    (line,) = done.stderr.splitlines()
    return line.removeprefix(f"chat-server: {config}: ")


def test_where_there_is_none_a_fresh_one_is_written_for_the_server_alone(tmp_path: Path, file: Path) -> None:
    server = serve(tmp_path, file)
    assert f"wrote a fresh secret to {file}" in server.logged()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in server.logged()
    assert load(config_naming(file), {}).auth.jwt_secret == file.read_text().strip()


def test_the_next_start_uses_it(tmp_path: Path, file: Path) -> None:
    serve(tmp_path, file)
    written = file.read_bytes()
    assert serve(tmp_path, file).logged().count("wrote a fresh secret") == 1
    assert file.read_bytes() == written


def test_two_servers_have_two_secrets(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "two")]
    assert [create_secret(config_naming(file), {}) for file in files] == files
    assert files[0].read_text() != files[1].read_text()


def test_of_many_that_start_at_once_one_writes_and_all_agree(tmp_path: Path, file: Path) -> None:
    config, together = config_naming(file), threading.Barrier(8)

    def start(_: int) -> tuple[bool, str]:
        together.wait()
        return create_secret(config, {}) == file, load(config, {}).auth.jwt_secret

    with ThreadPoolExecutor(8) as starts:
        results = list(starts.map(start, range(8)))
    assert [wrote for wrote, _ in results].count(True) == 1
    assert {secret for _, secret in results} == {file.read_text().strip()}


def test_nothing_is_left_beside_it(tmp_path: Path, file: Path) -> None:
    config = config_naming(file)
    create_secret(config, {})
    assert sorted(tmp_path.iterdir()) == [config, file]


@pytest.mark.parametrize("content", ["", "change-me", SECRET])
def test_a_file_that_is_there_is_never_overwritten(file: Path, content: str) -> None:
    file.touch(mode=0o600)
    file.write_text(content)
    assert create_secret(config_naming(file), {}) is None
    assert file.read_text() == content


def test_a_bad_secret_that_is_there_is_refused_like_any_other(file: Path) -> None:
    file.touch(mode=0o600)
    assert f"jwt_secret_file names {file}, whose secret is missing" in refusal(config_naming(file))


def test_without_a_configured_file_it_is_refused_with_words(tmp_path: Path) -> None:
    line = refusal(write_config(tmp_path, port=free_port()))
    assert line == "[auth] jwt_secret_file is missing; name the file that --create-secret is to write"


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "absent" / "jwt_secret"
    line = refusal(write_config(tmp_path, port=free_port(), auth={"jwt_secret": "", "jwt_secret_file": str(file)}))
    assert f"names {file}, which cannot be written: No such file or directory; put a secret" in line


def test_nothing_is_written_where_something_else_is_wrong(file: Path) -> None:
    config = config_naming(file)
    config.write_text(config.read_text() + "\n[websocket]\nheartbeat_timeout_seconds = 99\n")
    assert "heartbeat_timeout_seconds is 99" in refusal(config)
    assert not file.exists()


def test_without_the_option_nothing_is_written(file: Path) -> None:
    config = config_naming(file)
    command = [*COMMAND, "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == os.EX_CONFIG
    assert f"names {file}, which cannot be read" in done.stderr
    assert not file.exists()
