"""A full disk stops what must be written, and nothing else, for as long as it is full."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client import PASSWORD, Person
from tests.device import Device, online
from tests.faults.small_disk import SmallDisk, small_disk
from tests.server import COMMAND, UNMEASURED, Server, start_server

CONTENT = "x" * 4000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mib=24) as disk:
        yield disk


def start(tmp_path: Path, disk: SmallDisk, *, port: int = 0) -> Server:
    return start_server(
        tmp_path,
        port=port,
        command=(*disk.enter, *COMMAND),
        environ=UNMEASURED,
        database={"path": str(disk.path / "chat.db")},
        rate_limit={"enabled": False},
    )


def fate(device: Device, message_id: str) -> str:
    """`sent`, or the error's code."""
    frame = device.wait(
        lambda frame: frame["id"] == message_id and (frame["type"] == "error" or frame["data"].get("status") == "sent")
    )
    return str(frame["data"].get("code", "sent"))


def send_until(device: Device, to: Person, wanted: str) -> dict[str, str]:
    """Sends until a message meets the fate that is wanted; gives the fate of each, by id, in order."""
    fates: dict[str, str] = {}
    deadline = time.monotonic() + 30
    while wanted not in fates.values():
        assert time.monotonic() < deadline, fates
        message_id = device.write(to, CONTENT)
        fates[message_id] = fate(device, message_id)
    return fates


def history(person: Person) -> list[str]:
    """The ids of the person's one conversation."""
    (conversation,) = person.client.get("/conversations").succeeded()["conversations"]
    path = f"/conversations/{conversation['conversationId']}/messages"
    ids: list[str] = []
    while len(ids) < conversation["lastSeq"]:
        page = person.client.get(path, after=len(ids), limit=100).succeeded()["messages"]
        assert [message["seq"] for message in page] == list(range(len(ids) + 1, len(ids) + len(page) + 1))
        ids += [message["id"] for message in page]
    return ids


def wait_for_health(server: Server, status: int, said: str) -> None:
    """Health is looked into once a second."""
    deadline = time.monotonic() + 3
    while (answer := server.client().get("/health")).status != status:
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    assert answer.json["status"] == said


def acknowledged(fates: dict[str, str]) -> list[str]:
    return [message_id for message_id, its_fate in fates.items() if its_fate == "sent"]


def test_a_full_disk_refuses_messages_until_there_is_space_and_loses_none(tmp_path: Path, disk: SmallDisk) -> None:
    server = start(tmp_path, disk)
    ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
    with online(server, ann) as anns, online(server, bob) as bobs:
        fates = send_until(anns, bob, "sent")
        disk.fill()
        fates |= send_until(anns, bob, "SERVER_ERROR")
        assert set(fates.values()) == {"sent", "SERVER_ERROR"}

        wait_for_health(server, 503, "unhealthy")
        for answer in (
            server.client().log_in("ann"),
            server.client().post("/auth/signup", {"username": "cat", "password": PASSWORD}),
            bob.client.post(f"/users/{ann.user_id}/block"),
        ):
            assert (answer.status, answer.error) == (503, "SERVER_ERROR")
        assert "database or disk is full" in server.wait_for_log("database cannot be written")
        assert history(bob) == acknowledged(fates)
        with online(server, bob) as another:
            another.sync()
        anns.sync()
        bobs.sync()

        assert "again" not in server.logged()  # as long as nothing could be written, nothing says so

        disk.free()
        refused = [message_id for message_id, its_fate in fates.items() if its_fate != "sent"]
        for message_id in refused:
            anns.say(bob, CONTENT, message_id)
        fates |= send_until(anns, bob, "sent") | dict.fromkeys(refused, "sent")
        wait_for_health(server, 200, "healthy")
        assert server.client().log_in("ann").status == 200
        bobs.wait_for_messages(len(fates))
        server.wait_for_log("database can be written again")

    server.kill()
    server = start(tmp_path, disk, port=server.port)
    assert sorted(history(bob)) == sorted(fates)
    assert server.stop() == 0


def test_a_server_that_is_killed_on_a_full_disk_keeps_what_it_acknowledged(tmp_path: Path, disk: SmallDisk) -> None:
    server = start(tmp_path, disk)
    ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
    with online(server, ann) as anns:
        fates = send_until(anns, bob, "sent")
        disk.fill()
        fates |= send_until(anns, bob, "SERVER_ERROR")
        server.kill()
    disk.free()
    server = start(tmp_path, disk, port=server.port)
    assert history(bob) == acknowledged(fates)
    assert server.stop() == 0


@contextmanager
def start_on_a_full_disk(server: Server, disk: SmallDisk) -> Iterator[subprocess.Popen[str]]:
    """The stopped server's next start, which says on standard error what it waits for."""
    disk.fill()
    command = [*disk.enter, *COMMAND, "--config", str(server.config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **UNMEASURED}) as starting:
        try:
            assert "disk is full, waiting for room" in next_line(starting)
            yield starting
        finally:
            starting.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline()


def test_a_start_on_a_full_disk_waits_for_room_and_then_serves(tmp_path: Path, disk: SmallDisk) -> None:
    """Refusing to start would have systemd give up after some tries, and the admin start it by hand."""
    server = start(tmp_path, disk)
    server.client().sign_up("ann")
    assert server.stop() == 0
    with start_on_a_full_disk(server, disk) as starting:
        disk.free()
        assert "serving" in next_line(starting)
        assert server.client().log_in("ann").status == 200


def test_a_stop_ends_the_waiting_for_room(tmp_path: Path, disk: SmallDisk) -> None:
    server = start(tmp_path, disk)
    assert server.stop() == 0
    with start_on_a_full_disk(server, disk) as starting:
        starting.terminate()
        assert starting.wait(5) == 0
