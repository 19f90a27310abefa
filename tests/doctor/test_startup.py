"""Chapter 1: why a server does not start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from chat_server.operations.doctor.processes import collides
from chat_server.operations.doctor.startup import MODULES
from tests.commands.admin import Admin
from tests.doctor.patient import ask_one
from tests.project.test_dependencies import RUNTIME, names
from tests.server import free_port, running_server, write_config

LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
sys.stdin.read()
"""


@contextmanager
def stranger(port: int) -> Iterator[subprocess.Popen[str]]:
    """Another program, which listens on the port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        yield process
        process.kill()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a server that never ran, in a directory as an installed host has it."""
    tmp_path.chmod(0o700)
    (tmp_path / "backups").mkdir(mode=0o700)
    return write_config(tmp_path, port=free_port())


def test_a_free_port_is_well(config: Path) -> None:
    assert ask_one(config, "port").status == "ok"


def test_who_has_taken_the_port_is_named_with_what_ends_it(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, port=port)
    with stranger(port) as process:
        check = ask_one(config, "port")
    assert check.status == "failure"
    assert f"port {port} is taken by " in check.seen
    assert f"process {process.pid}, user " in check.seen
    assert check.remedy.splitlines()[0] == f"sudo kill {process.pid}"
    assert check.chapter == "1.1 The port is taken"


@pytest.mark.parametrize(
    ("listener", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("::", "0.0.0.0", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.1", "localhost", True),
    ],
)
def test_a_listener_at_another_address_is_in_nobodys_way(listener: str, host: str, expected: bool) -> None:
    assert collides(listener, host) is expected


def test_a_mistake_in_the_configuration_is_named_with_file_and_key(config: Path) -> None:
    config.write_text(config.read_text().replace("[server]", "[server]\nprot = 8080"))
    check = ask_one(config, "configuration")
    assert (check.status, check.chapter) == ("failure", "1.3 The configuration is refused")
    assert f"{config}: [server] prot is no key; did you mean port?" in check.seen
    assert f"sudo nano {config}" in check.remedy


def test_a_weak_secret_is_a_failure_and_is_not_shown(config: Path) -> None:
    config.write_text(config.read_text().replace("jwt_secret = ", 'jwt_secret = "hunter2" #'))
    check = ask_one(config, "configuration")
    assert check.status == "failure"
    assert "[auth] jwt_secret has 7 bytes" in check.seen
    assert "hunter2" not in check.seen


def test_every_library_of_the_server_is_tried() -> None:
    distributions = packages_distributions()
    tried = {name.lower().replace("_", "-") for module in MODULES for name in distributions.get(module, ())}
    assert names(RUNTIME) == tried


def test_a_library_that_can_not_be_loaded_is_named(config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "falcon"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('libffi.so.8: cannot open shared object file')")
    done = Admin(config, tmp_path / "chat.db").run(
        "doctor", "--only", "libraries", environ={"PYTHONPATH": str(broken.parent)}
    )
    assert done.code == 2
    assert "the library falcon can't be loaded: libffi.so.8: cannot open shared object file" in done.output
    assert "sudo apt install --reinstall chat-server" in done.output


def test_a_library_that_crashes_is_named(config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "websockets"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import os; os.abort()")
    done = Admin(config, tmp_path / "chat.db").run(
        "doctor", "--only", "libraries", environ={"PYTHONPATH": str(broken.parent)}
    )
    assert "loading the library websockets crashes or hangs" in done.output


def test_files_of_the_service_alone_are_well(config: Path) -> None:
    with running_server(config.parent) as server:
        check = ask_one(server.config, "permissions")
    assert check.status == "ok", check.seen


@pytest.mark.parametrize(
    ("name", "mode", "status", "remedy"),
    [
        ("", 0o755, "warning", "sudo chmod 700 {}"),
        ("chat.db", 0o644, "warning", "sudo chmod 600 {}/chat.db"),
        ("chat.db", 0o400, "failure", "sudo chmod 600 {}/chat.db"),
        ("backups", 0o500, "failure", "sudo chmod 700 {}/backups"),
        ("config.toml", 0o644, "warning", "sudo chmod 640 {}/config.toml"),
    ],
)
def test_a_wrong_mode_is_named_with_the_right_one(config: Path, name: str, mode: int, status: str, remedy: str) -> None:
    directory = config.parent
    with running_server(directory) as server:
        server.stop()
        (directory / name).chmod(mode)
        check = ask_one(server.config, "permissions")
        (directory / name).chmod(0o700)
    assert check.status == status
    assert remedy.format(directory) in check.remedy.splitlines()
    assert f"mode {mode:04o}" in check.seen


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user_is_named_with_its_owner(config: Path) -> None:
    with running_server(config.parent) as server:
        server.stop()
        os.chown(f"{server.database}", 65534, 65534)
        os.chown(config.parent, 65534, 65534)
        Path(f"{server.database}.lock").chmod(0o600)
        check = ask_one(server.config, "permissions")
    assert check.status == "failure"
    assert f"{server.database}.lock belongs to root, not to nobody" in check.seen
    assert f"sudo chown nobody:nogroup {server.database}.lock" in check.remedy


def test_a_command_whose_library_is_missing_says_so_in_one_line(config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "msgspec"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('No module named msgspec')")
    done = Admin(config, tmp_path / "chat.db").run("doctor", environ={"PYTHONPATH": str(broken.parent)})
    assert done.code == os.EX_OSFILE
    assert "a library is missing or broken: No module named msgspec: sudo apt" in done.refusal


def test_a_library_that_doctor_itself_needs_is_one_failure_and_not_the_end(config: Path, tmp_path: Path) -> None:
    broken = tmp_path / "lib" / "psutil"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no psutil')")
    done = Admin(config, tmp_path / "chat.db").run("doctor", environ={"PYTHONPATH": str(broken.parent)})
    assert done.code == 2
    assert "FAILURE  examination  not examined: startup, " in done.output
    assert "permissions" in done.output
