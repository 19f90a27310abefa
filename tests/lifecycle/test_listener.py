"""What can't be listened on is refused in one line that says what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from chat_server.listener import CannotListenError, listen


def test_a_taken_port_names_the_command_that_finds_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListenError, match=f"sport = :{port}"):
            listen("127.0.0.1", port)


def test_an_address_of_another_machine() -> None:
    with pytest.raises(CannotListenError, match="no such address"):
        listen("192.0.2.1", 8080)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(CannotListenError, match=r"(?i)name.*: check host and port"):
        listen("nowhere.invalid", 8080)


def test_a_passed_socket_that_is_not_tcp() -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as passed,
        pytest.raises(CannotListenError, match="ListenStream"),
    ):
        listen("127.0.0.1", 8080, [os.dup(passed.fileno())])


def test_a_passed_descriptor_that_is_no_socket(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(CannotListenError, match="no socket"):
        listen("127.0.0.1", 8080, [descriptor])
    os.close(descriptor)
