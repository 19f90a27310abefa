"""What commands change, a running server heeds; what it knows, they show."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from chat_server.config import ServerSection
from chat_server.configuration import load
from chat_server.operations.probe import address
from chat_server.operations.users import create
from tests.client import PASSWORD, Person
from tests.commands.admin import Admin
from tests.device import online
from tests.server import Server, running_server

HEED_SECONDS = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Lets in who has an invite, and is patient with the disk for a second only."""
    directory = tmp_path_factory.mktemp("beside")
    with running_server(directory, auth={"registration": "invite"}, database={"busy_timeout_seconds": 1}) as server:
        yield server


@pytest.fixture
def admin(server: Server) -> Admin:
    return Admin(server.config, server.database)


def soon(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + HEED_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def add_user(server: Server, name: str) -> None:
    """What `users create` does, without the time a process takes to start."""
    create(load(server.config, {}), name, choose_password=lambda: PASSWORD, now=time.time_ns() // 1_000_000)


def log_in(server: Server, name: str) -> Person:
    made = server.client().log_in(name).succeeded()
    return Person(made["userId"], name, made["token"], server.client(made["token"]))


def test_a_user_made_by_an_admin_can_log_in_though_nobody_may_sign_up(server: Server, admin: Admin) -> None:
    assert server.client().post("/auth/signup", {"username": "ada", "password": PASSWORD}).status == 403
    assert admin.run("users", "create", "ada", typed=PASSWORD).code == 0
    assert server.client().log_in("Ada").status == 200


def test_an_invite_lets_one_person_in_and_none_once_revoked(server: Server, admin: Admin) -> None:
    used, revoked = (admin.run("invites", "create", "--json").json for _ in range(2))
    admin.run("invites", "revoke", revoked["inviteId"])
    signups = [
        server.client().post("/auth/signup", {"username": name, "password": PASSWORD, "inviteCode": invite["code"]})
        for name, invite in [("grace", used), ("mallory", used), ("mallory", revoked)]
    ]
    assert [signup.status for signup in signups] == [201, 403, 403]
    invites = {item["inviteId"]: item for item in admin.run("invites", "list", "--json").json["invites"]}
    assert invites[used["inviteId"]]["usedBy"] == "grace"
    assert admin.run("invites", "revoke", used["inviteId"]).output == f"{used['inviteId']}: used by grace before\n"


def test_unlocking_lets_somebody_in_at_once(server: Server, admin: Admin) -> None:
    add_user(server, "locked")
    for _ in range(5):
        server.client().log_in("locked", "Wrong-Horse-7")
    assert server.client().log_in("locked").status == 429
    assert admin.run("users", "unlock", "LOCKED", "--json").json["forgottenFailures"] == 5
    assert server.client().log_in("locked").status == 200


def test_another_password_ends_sessions_and_sockets(server: Server, admin: Admin) -> None:
    add_user(server, "bob")
    bob = log_in(server, "bob")
    with online(server, bob) as device:
        reset = admin.run("users", "reset-password", "bob", "--generate", "--json").json
        assert reset["endedSessions"] == 1
        assert soon(lambda: device.closed is not None)
    assert soon(lambda: bob.client.get("/user/me").status == 401)
    assert server.client().log_in("bob").status == 401
    assert server.client().log_in("bob", reset["password"]).status == 200


def test_a_device_is_listed_and_signed_out(server: Server, admin: Admin) -> None:
    add_user(server, "carol")
    kept, ended = (log_in(server, "carol") for _ in range(2))
    listed = admin.run("users", "sessions", "carol", "--json").json["sessions"]
    assert [device["address"] for device in listed] == ["127.0.0.1"] * 2
    mine = ended.client.get("/user/me/sessions").succeeded()["sessions"]
    current = next(session["sessionId"] for session in mine if session["isCurrent"])
    assert admin.run("users", "sessions", "carol", "--end", current).code == 0
    assert soon(lambda: ended.client.get("/user/me").status == 401)
    assert kept.client.get("/user/me").status == 200


def test_a_deleted_user_is_cut_off(server: Server, admin: Admin) -> None:
    add_user(server, "eve")
    eve = log_in(server, "eve")
    with online(server, eve) as device:
        assert admin.run("users", "delete", "eve", "--yes", "--json").json["endedSessions"] == 1
        assert soon(lambda: device.closed is not None)
    assert server.client().log_in("eve").error == "ACCOUNT_DELETED"


def test_figures_of_the_running_server_are_shown(server: Server, admin: Admin) -> None:
    add_user(server, "frank")
    with online(server, log_in(server, "frank")):
        figures = admin.run("stats", "--json").json
    assert figures["server"]["connectedSockets"] >= 1
    assert figures["walBytes"] > 0
    shown = admin.run("stats")
    assert "connected sockets" in shown.output
    assert shown.errors == ""


def test_a_healthy_server_is_found_behind_a_host_that_means_this_machine(server: Server, admin: Admin) -> None:
    for host in ("0.0.0.0", "localhost"):
        done = admin.run("healthcheck", environ={"CHAT_SERVER_SERVER__HOST": host})
        assert (done.code, done.output.count("\n")) == (0, 1), done.output
        assert done.output.startswith("healthy: http://")


def test_a_monitor_that_cannot_read_the_secret_may_ask(server: Server, admin: Admin, tmp_path: Path) -> None:
    config = tmp_path / "monitor.toml"
    config.write_text(f'[server]\nport = {server.port}\n[auth]\njwt_secret_file = "/absent/secret"\n')
    monitor = Admin(config, admin.database)
    assert monitor.run("healthcheck").code == 0
    assert "jwt_secret_file" in monitor.run("check-config").refusal


def test_a_server_on_every_ipv6_interface_is_asked_at_its_loopback() -> None:
    assert address(ServerSection(host="::", port=18080)) == "http://[::1]:18080"


def test_a_server_that_cannot_write_is_unhealthy(server: Server, admin: Admin) -> None:
    with closing(sqlite3.connect(server.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert soon(lambda: server.client().get("/health").status == 503)
        done = admin.run("healthcheck", "--json")
    assert done.code == 1
    assert '"unhealthy"' in done.output
    assert "503: the database cannot be written" in done.output
    assert soon(lambda: server.client().get("/health").status == 200)


def test_a_server_that_hangs_is_unhealthy_after_eight_seconds(server: Server, admin: Admin) -> None:
    server.process.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        done = admin.run("healthcheck")
        taken = time.monotonic() - started
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert done.code == 1
    assert done.output.endswith(" gives no answer within 8 s\n")
    assert 8 <= taken < 20


def test_nobody_there_and_somebody_else_there_are_unhealthy(admin: Admin, tmp_path: Path) -> None:
    stranger = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    at = {"CHAT_SERVER_SERVER__PORT": str(stranger.server_port)}
    try:
        done = admin.run("healthcheck", environ=at)
        assert (done.code, done.output) == (1, f"unhealthy: http://127.0.0.1:{stranger.server_port} answers 501\n")
        assert admin.run("stats", "--json", environ=at).json["server"] is None
    finally:
        stranger.shutdown()
        stranger.server_close()
    done = admin.run("healthcheck", environ=at)
    assert (done.code, "Connection refused" in done.output) == (1, True)
