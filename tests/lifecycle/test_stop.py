"""SIGTERM: what was accepted is stored and answered, everybody is told, nothing is left behind."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
from websockets.exceptions import ConnectionClosed

from chat_server.server import DRAIN_SECONDS
from tests.client import Person
from tests.device import Device, online
from tests.faults.line import Line
from tests.server import COMMAND, UNMEASURED, Server, free_port, running_server, write_config

EXIT_SECONDS = 10


def stop(server: Server) -> float:
    """How many seconds the server took to exit, which it must with 0."""
    began = time.monotonic()
    assert server.stop() == 0, server.logged()
    return time.monotonic() - began


def stored(server: Server) -> dict[str, int]:
    """Seqs by message id."""
    with closing(sqlite3.connect(f"file:{server.database}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT client_id, seq FROM messages").fetchall())


def files(server: Server) -> set[str]:
    return {path.name for path in server.database.parent.glob("chat.db*")}


def test_under_load_everything_acknowledged_is_kept_and_everybody_is_told(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"enabled": False}) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns, online(server, bob) as bobs:
            writing = threading.Thread(target=write_until_closed, args=(anns, bob))
            writing.start()
            bobs.wait_for_messages(200)
            assert stop(server) < EXIT_SECONDS
            writing.join()
            assert (anns.wait_closed()[0], bobs.wait_closed()[0]) == (1001, 1001)
            acks = [frame["data"] for frame in anns.of("ack") if frame["data"]["status"] == "sent"]
            acknowledged = {ack["messageId"]: ack["seq"] for ack in acks}
            pushed = {frame["id"]: frame["data"]["seq"] for frame in bobs.of("message")}
    assert files(server) == {"chat.db", "chat.db.lock"}
    kept = stored(server)
    assert acknowledged.items() <= kept.items()
    assert pushed.items() <= kept.items()
    assert sorted(kept.values()) == list(range(1, len(kept) + 1))


def write_until_closed(device: Device, to: Person) -> None:
    with suppress(ConnectionClosed):
        while True:
            device.write(to, "again and again")
            time.sleep(0.0005)


def test_leaves_one_file_that_holds_everything(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as device:
            ack = device.say(bob, "kept")
        stop(server)
    assert files(server) == {"chat.db", "chat.db.lock"}
    assert stored(server) == {ack["messageId"]: 1}


def test_who_neither_reads_nor_answers_does_not_hold_it_up(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"enabled": False}) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        deaf = Line(server.port, bob.token, receive_buffer=4096)
        with online(server, ann) as anns, socket.create_connection(("127.0.0.1", server.port)) as half_a_request:
            half_a_request.sendall(b"POST /auth/login HTTP/1.1\r\nContent-Le")
            for number in range(300):
                anns.write(bob, "x" * 4000, f"id-{number}")
            anns.ack("id-299")
            assert stop(server) < EXIT_SECONDS
        deaf.close()
    assert len(stored(server)) == 300


SLOW_HASH = {"password_memory_kib": 65536, "password_iterations": 20}


def wait_until_hashing(server: Server, waiting: int = 0) -> None:
    """Until a password is being hashed, and at least so many wait for their turn."""
    deadline = time.monotonic() + 10
    while True:
        told = server.client().get("/metrics").body.decode()
        lines = re.findall(r"^chat_passwords_(\w+) ([\d.]+)$", told, re.MULTILINE)
        counts = {name: float(count) for name, count in lines}
        if counts["running"] and counts["waiting"] >= waiting:
            return
        assert time.monotonic() < deadline, counts
        time.sleep(0.01)


def test_a_request_under_way_is_answered(tmp_path: Path) -> None:
    with running_server(tmp_path, auth=SLOW_HASH) as server, ThreadPoolExecutor(1) as pool:
        signing_up = pool.submit(server.client().sign_up, "ann")
        wait_until_hashing(server)
        stop(server)
        assert signing_up.result().username == "ann"


def test_a_storm_of_logins_does_not_hold_it_up(tmp_path: Path) -> None:
    unlimited = {"enabled": False}
    with running_server(tmp_path, auth=SLOW_HASH, rate_limit=unlimited) as server, ThreadPoolExecutor(65) as crowd:
        logins = [crowd.submit(server.client().log_in, "ann") for _ in range(65)]
        wait_until_hashing(server, waiting=32)
        assert stop(server) < EXIT_SECONDS
        for login in logins:
            login.exception()


def test_who_has_just_come_is_answered_and_who_came_before_is_let_go(tmp_path: Path) -> None:
    """They may have come by systemd's socket, and know nothing of a restart."""
    with running_server(tmp_path) as server, connected(server) as newcomer, connected(server) as known:
        assert ask(known).startswith(b"HTTP/1.1 200 ")  # connections are taken in the order they came
        server.process.terminate()
        assert known.recv(1) == b""
        assert ask(newcomer).startswith(b"HTTP/1.1 200 ")
        assert newcomer.recv(1) == b""
        assert server.process.wait(EXIT_SECONDS) == 0


def test_who_has_come_and_asks_nothing_does_not_hold_it_up(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as silent:
        mute = Line(server.port, server.client().sign_up("mute").token)  # for whom it waits longer
        server.process.terminate()
        began = time.monotonic()
        assert silent.recv(1) == b""
        assert time.monotonic() - began < DRAIN_SECONDS
        assert server.process.wait(EXIT_SECONDS) == 0
        mute.close()


def connected(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def ask(connection: socket.socket) -> bytes:
    """Asks how the server is, and gives the whole answer."""
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    said = b""
    while b"}" not in said:
        part = connection.recv(65_536)
        assert part, said
        said += part
    return said


def test_what_another_program_holds_does_not_hold_it_up(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns, closing(sqlite3.connect(server.database, isolation_level=None)) as outside:
            first = anns.say(bob, "before")
            outside.execute("BEGIN IMMEDIATE")
            anns.write(bob, "during")
            assert stop(server) < EXIT_SECONDS
            assert anns.wait_closed()[0] == 1001
    assert first["messageId"] in stored(server)


def test_when_people_were_last_seen_and_what_they_sent_is_not_forgotten(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns:
            anns.say(bob, "just before the end")
            stop(server)
    assert "count=1 busiest=ann:1" in server.logged()
    with closing(sqlite3.connect(server.database)) as connection:
        [(seen_at,)] = connection.execute("SELECT last_seen_at FROM users WHERE username = 'ann'").fetchall()
    assert seen_at is not None


def test_a_stop_before_it_serves_ends_it_at_once(tmp_path: Path) -> None:
    """Process 1 of a container, as which it would ignore an unhandled SIGTERM, and be killed in the end."""
    secret = tmp_path / "jwt_secret"
    os.mkfifo(secret, mode=0o600)  # it waits here, as it might for a slow disk
    config = write_config(tmp_path, port=free_port(), auth={"jwt_secret": "", "jwt_secret_file": str(secret)})
    # Coverage drops what a handler raises, where it comes while coverage itself looks up whom a line belongs to.
    environ = {**os.environ, **UNMEASURED}
    with subprocess.Popen([*COMMAND, "--config", config], env=environ) as starting, writing_nothing(secret):
        # Python looks for signals before it reads, so that one in between the two would wait for what is read.
        wait_until_asleep(starting.pid)
        starting.terminate()
        assert starting.wait(5) == 0


@contextmanager
def writing_nothing(fifo: Path) -> Iterator[None]:
    """For the length of the block, which begins as soon as somebody opens it, they wait for what is written."""
    deadline = time.monotonic() + 20
    writer = -1
    while writer < 0:
        assert time.monotonic() < deadline, "nobody reads"
        time.sleep(0.01)
        with suppress(OSError):
            writer = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(writer)


def wait_until_asleep(pid: int) -> None:
    process = psutil.Process(pid)
    deadline = time.monotonic() + 5
    while process.status() != psutil.STATUS_SLEEPING:
        assert time.monotonic() < deadline, "it is busy"
        time.sleep(0.001)
