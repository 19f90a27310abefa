"""What monitors and admins ask: /health, /status, /metrics, and /socket by mistake."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from chat_server import __version__
from tests.client import Answer, Client, Person
from tests.device import online
from tests.server import Server, running_server
from tests.wire import Wire


@pytest.fixture
def client(shared_server: Server) -> Client:
    return shared_server.client()


class TestHealth:
    def test_is_for_anybody(self, client: Client) -> None:
        body = client.get("/health").succeeded()
        assert set(body) == {"status", "timestamp", "uptime_seconds"}
        assert body["status"] == "healthy"
        assert abs(body["timestamp"] - time.time() * 1000) < 5000

    def test_has_a_head(self, client: Client) -> None:
        answer = client.request("HEAD", "/health")
        assert (answer.status, answer.body) == (200, b"")
        assert int(answer.headers["content-length"]) > 0

    def test_counts_the_uptime_in_seconds(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            time.sleep(1.1)
            told = server.client().get("/health").json
            started_at = server.client().get("/status").json["startedAt"]
            assert 1 <= told["uptime_seconds"] <= (told["timestamp"] - started_at) / 1000 < told["uptime_seconds"] + 1.1

    def test_is_503_while_the_database_cannot_be_written_and_200_again_afterwards(self, tmp_path: Path) -> None:
        with running_server(tmp_path, database={"busy_timeout_seconds": 1}) as server:
            anna = server.client().sign_up("anna")
            other = sqlite3.connect(server.database, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(1.1)  # the last probe is as old as that
            unhealthy = server.client().get("/health")
            assert unhealthy.status == 503
            assert set(unhealthy.json) == {"status", "timestamp", "uptime_seconds"}
            assert unhealthy.json["status"] == "unhealthy"
            assert server.client().get("/status").json["database"]["status"] == "failing"
            refused = server.client().log_in("anna")
            assert (refused.status, refused.error) == (503, "SERVER_ERROR")
            # Reading goes on as if nothing were.
            assert anna.client.get("/user/me").status == 200
            other.execute("ROLLBACK")
            self.wait_until_healthy(server)
            assert server.client().log_in("anna").status == 200
            other.close()

    def wait_until_healthy(self, server: Server) -> None:
        deadline = time.monotonic() + 10
        while server.client().get("/health").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def test_many_who_ask_cost_one_write_a_second(self, tmp_path: Path) -> None:
        with running_server(tmp_path, rate_limit={"enabled": False}) as server:
            started = time.monotonic()
            probes = {self.probed_at(server) for _ in range(60) if server.client().get("/health").status == 200}
            assert len(probes) <= time.monotonic() - started + 2

    def probed_at(self, server: Server) -> int:
        with sqlite3.connect(server.database) as database:
            [(probed_at,)] = database.execute("SELECT probed_at FROM write_probe")
        database.close()
        return int(probed_at)


class TestStatus:
    def test_sums_the_server_up(self, shared_server: Server, client: Client, anna: Person) -> None:
        before = client.get("/status").succeeded()
        with online(shared_server, anna):
            body = client.get("/status").succeeded()
        assert (body["status"], body["version"]) == ("running", __version__)
        assert body["database"] == {"type": "sqlite", "path": str(shared_server.database), "status": "connected"}
        assert body["connections"]["activeWebsocket"] == before["connections"]["activeWebsocket"] + 1
        assert body["startedAt"] + body["uptimeSeconds"] * 1000 <= time.time() * 1000
        assert (body["queueDepth"], body["lastBackupAt"]) == (0, None)
        assert body["messagesPerSecond"] >= 0

    def test_counts_living_accounts(self, client: Client, ben: Person) -> None:
        before = client.get("/status").json["connections"]["totalUsers"]
        ben.client.delete("/user/me", {"password": "Correct-Horse-7"}).succeeded()
        assert client.get("/status").json["connections"]["totalUsers"] == before - 1

    def test_knows_the_last_backup(self, tmp_path: Path) -> None:
        backups = tmp_path / "backups"
        backups.mkdir()
        (backups / "latest.db").touch()
        with running_server(tmp_path) as server:
            made_at = server.client().get("/status").json["lastBackupAt"]
        assert abs(made_at - time.time() * 1000) < 60_000


class TestMetrics:
    def metric(self, client: Client, name: str) -> float:
        lines = client.get("/metrics").body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def test_are_prometheus_text(self, client: Client) -> None:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        assert f'chat_build_info{{version="{__version__}"}} 1.0' in answer.body.decode()

    def test_count_requests_by_route_not_by_address(self, client: Client, anna: Person) -> None:
        route = 'chat_http_requests_total{method="POST",route="/users/{user_id}/block",status="404"}'
        before = self.metric(client, route)
        anna.client.post("/users/user-made-up/block")
        assert self.metric(client, route) == before + 1
        client.get("/made/up")
        client.request("BREW", "/made-up")
        page = client.get("/metrics").body.decode()
        assert "made" not in page
        assert "BREW" not in page

    def test_count_logins(self, client: Client, anna: Person) -> None:
        failed = 'chat_logins_total{result="failed"}'
        before = self.metric(client, failed)
        client.log_in(anna.username, "Wrong-Guess-1")
        assert self.metric(client, failed) == before + 1


class TestSocketForOthers:
    """What is no upgrade, or not one we serve. Real ones are tested with the sockets."""

    def assert_upgrade_required(self, answer: Answer) -> None:
        assert (answer.status, answer.error) == (426, "UPGRADE_REQUIRED")
        assert answer.headers["sec-websocket-version"] == "13"
        assert answer.headers["upgrade"] == "websocket"

    def test_a_plain_request(self, client: Client) -> None:
        self.assert_upgrade_required(client.get("/socket"))

    @pytest.mark.parametrize(
        ("field", "value"),
        [("Upgrade", None), ("Upgrade", "h2c"), ("Connection", None), ("Connection", "keep-alive")]
        + [("Sec-WebSocket-Version", version) for version in (None, "8", "14", "x")],
    )
    def test_half_an_upgrade(self, shared_server: Server, anna: Person, field: str, value: str | None) -> None:
        wire = Wire(shared_server, f"/socket?token={anna.token}", {field: value})
        self.assert_upgrade_required(wire.answer)

    @pytest.mark.parametrize("key", [None, "", "short", "not base64!", "AAAAAAAAAAAAAAAAAAAAAA", "A" * 44])
    def test_an_upgrade_without_a_proper_key(self, shared_server: Server, anna: Person, key: str | None) -> None:
        wire = Wire(shared_server, f"/socket?token={anna.token}", {"Sec-WebSocket-Key": key})
        assert (wire.answer.status, wire.answer.error) == (400, "BAD_REQUEST")

    def test_an_upgrade_of_another_address(self, shared_server: Server, anna: Person) -> None:
        assert Wire(shared_server, f"/health?token={anna.token}").answer.status == 200
        assert Wire(shared_server, f"/socket/x?token={anna.token}").answer.status == 404

    def test_a_bad_token(self, shared_server: Server) -> None:
        refused = Wire(shared_server, "/socket?token=made.up.token").answer
        assert (refused.status, refused.error) == (401, "UNAUTHORIZED")
        assert refused.headers["connection"] == "close"
