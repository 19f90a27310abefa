"""A server that must not start says why in one line, with the remedy, and touches nothing."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.server import COMMAND, free_port, running_server, write_config


def refusal(config: Path, code: int, *, before: Sequence[str] = ()) -> str:
    """The one line of a start that fails with this exit code; `before` is what the server is started by."""
    command = [*before, *COMMAND, "--config", str(config)]
    attempt = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert attempt.stdout == ""
    (line,) = attempt.stderr.splitlines()
    assert attempt.returncode == code, line
    return line


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A good one, as a server left it."""
    with running_server(tmp_path) as server:
        server.client().sign_up("ann")
    return server.database


def set_pragma(database: Path, name: str, value: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA {name} = {value}")


def test_on_a_database_that_another_server_uses(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        config = write_config(tmp_path, port=free_port())
        line = refusal(config, os.EX_NOINPUT)
        assert f"process {server.process.pid}" in line
        assert str(server.database) in line
        assert server.client().get("/health").status == 200


def test_on_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"port = {port}: another process listens there" in refusal(
            write_config(tmp_path, port=port), os.EX_UNAVAILABLE
        )


def test_without_memory_for_its_threads_which_else_the_first_requests_would_lack(tmp_path: Path) -> None:
    config = write_config(tmp_path, port=free_port(), database={"path": str(tmp_path / "chat.db"), "readers": 32})
    line = refusal(config, os.EX_OSERR, before=("prlimit", f"--as={300 * 2**20}"))
    assert "out of memory: can't start new thread" in line


def test_on_a_database_of_a_newer_version(database: Path) -> None:
    set_pragma(database, "user_version", 99)
    line = refusal(database.with_name("config.toml"), os.EX_NOINPUT)
    assert "newer chat-server (schema 99" in line
    assert str(database) in line


def test_on_a_database_of_another_program(database: Path) -> None:
    set_pragma(database, "application_id", 42)
    assert "not chat-server's database" in refusal(database.with_name("config.toml"), os.EX_NOINPUT)


def test_on_a_file_that_is_no_database_which_stays_as_it_is(tmp_path: Path) -> None:
    letter = b"Dear Ann, this is not a database, and long enough to be taken for one.\n" * 20
    (tmp_path / "chat.db").write_bytes(letter)
    assert "file is not a database" in refusal(write_config(tmp_path, port=free_port()), os.EX_NOINPUT)
    assert (tmp_path / "chat.db").read_bytes() == letter


def test_on_a_damaged_database_which_stays_as_it_is(database: Path) -> None:
    pages = bytearray(database.read_bytes())
    pages[16:] = bytes(len(pages) - 16)
    database.write_bytes(pages)
    assert "restore a backup" in refusal(database.with_name("config.toml"), os.EX_NOINPUT)
    assert database.read_bytes() == pages


def test_on_a_directory_in_the_databases_place(tmp_path: Path) -> None:
    (tmp_path / "chat.db").mkdir()
    assert str(tmp_path / "chat.db") in refusal(write_config(tmp_path, port=free_port()), os.EX_NOINPUT)


def test_without_the_databases_directory(tmp_path: Path) -> None:
    config = write_config(tmp_path, port=free_port(), database={"path": str(tmp_path / "gone" / "chat.db")})
    line = refusal(config, os.EX_NOINPUT)
    assert str(tmp_path / "gone") in line
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("server", "port", 0), ("server", "colour", "blue"), ("auth", "jwt_secret", "secret"), ("auth", "jwt_secret", "")],
)
def test_with_a_bad_configuration(tmp_path: Path, section: str, key: str, value: object) -> None:
    config = write_config(tmp_path, port=free_port(), **{section: {key: value}})
    line = refusal(config, os.EX_CONFIG)
    assert str(config) in line
    assert key in line
    assert not (tmp_path / "chat.db").exists()
