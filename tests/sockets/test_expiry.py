"""Tokens expire on open sockets too; a client that signs in again in time stays connected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import PASSWORD, Person
from tests.device import Device, online
from tests.server import Server, running_server

LIFETIME = 4


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its tokens live for four seconds."""
    directory: Path = tmp_path_factory.mktemp("hasty")
    with running_server(directory, auth={"token_expiry_seconds": LIFETIME}) as server:
        yield server


def sign_in_again(device: Device, token: str) -> int:
    """Gives the new time of expiry."""
    asked = device.send("auth", {"token": token})
    answer = device.wait(lambda frame: frame["id"] == asked)
    assert answer["type"] == "auth", answer
    assert set(answer["data"]) == {"expiresAt"}
    expires_at: int = answer["data"]["expiresAt"]
    return expires_at


def refreshed(person: Person) -> str:
    return str(person.client.post("/auth/refresh").succeeded()["token"])


def test_the_server_says_so_and_closes(hasty_server: Server) -> None:
    anna = hasty_server.client().sign_up("expires")
    signed_up = time.time()
    with online(hasty_server, anna) as device:
        device.sync()
        assert device.wait_closed()[0] == 1008
        lived = time.time() - signed_up
        assert device.frames[-1]["type"] == "error"
        assert device.frames[-1]["data"]["code"] == "UNAUTHORIZED"
    assert lived >= LIFETIME - 1  # a token's times are whole seconds


def test_who_signs_in_again_stays(hasty_server: Server) -> None:
    anna, ben = hasty_server.client().sign_up("stays"), hasty_server.client().sign_up("partner")
    first_expiry = time.time() + LIFETIME
    with online(hasty_server, anna) as device:
        time.sleep(2.2)
        expires_at = sign_in_again(device, refreshed(anna))
        assert first_expiry < expires_at / 1000 <= time.time() + LIFETIME
        time.sleep(first_expiry + 0.5 - time.time())
        device.say(ben, "still here")
        assert device.wait_closed()[0] == 1008
        assert expires_at / 1000 <= time.time()


@pytest.mark.parametrize("token", ["", "rubbish", "a.b.c", "x" * 10_000])
def test_a_bad_token_changes_nothing(shared_server: Server, anna: Person, token: str) -> None:
    with online(shared_server, anna) as device:
        assert device.error(device.send("auth", {"token": token}))["code"] == "UNAUTHORIZED"
        device.sync()


def test_another_persons_token_changes_nothing(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as device:
        assert device.error(device.send("auth", {"token": ben.token}))["code"] == "UNAUTHORIZED"
        ben.client.post("/auth/logout").succeeded()
        device.say(ben, "it is still me")


def test_nor_does_that_of_a_deleted_person(shared_server: Server, anna: Person, ben: Person) -> None:
    ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
    with online(shared_server, anna) as device:
        assert device.error(device.send("auth", {"token": ben.token}))["code"] == "UNAUTHORIZED"
        device.sync()


def test_a_socket_belongs_to_the_session_it_last_signed_in_with(shared_server: Server, anna: Person) -> None:
    token = anna.client.log_in(anna.username).succeeded()["token"]
    with online(shared_server, anna) as device:
        sign_in_again(device, token)
        anna.client.post("/auth/logout").succeeded()
        device.sync()
        anna.client.signed_in(token).post("/auth/logout").succeeded()
        assert device.wait_closed()[0] == 1000
