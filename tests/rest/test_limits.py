"""How many requests a minute, how many failed logins, and whose."""

from __future__ import annotations

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.client import Answer, Client
from tests.server import Server, running_server
from tests.wire import Wire


def from_address(client: Client, address: str, path: str = "/health") -> Answer:
    return client.request("GET", path, headers={"X-Forwarded-For": address})


def test_requests_over_the_limit_are_told_when_to_come_back(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"max_requests_per_minute": 8}) as server:
        client = server.client()
        anna = client.sign_up("anna")
        answers = [client.get("/nowhere") for _ in range(8)]
        # The server's own test for health was the first of the eight.
        assert [answer.status for answer in answers] == [404] * 6 + [429] * 2
        last, refused = answers[5], answers[6]
        assert (last.headers["x-ratelimit-limit"], last.headers["x-ratelimit-remaining"]) == ("8", "0")
        assert refused.error == "RATE_LIMITED"
        wait = int(refused.headers["retry-after"])
        assert 0 < wait <= 60
        assert refused.headers["x-ratelimit-reset"] == refused.headers["retry-after"]
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert refused.json["details"] == {"retryAfterSeconds": wait}
        # Upgrades count, and are refused, like any other request.
        upgrade = Wire(server, f"/socket?token={anna.token}")
        assert (upgrade.answer.status, upgrade.answer.error) == (429, "RATE_LIMITED")
        assert "retry-after" in upgrade.answer.headers


def test_what_a_stranger_says_of_its_address_is_not_believed(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"max_requests_per_minute": 3}) as server:
        statuses = [from_address(server.client(), f"198.51.100.{number}").status for number in range(4)]
        assert statuses == [200, 200, 429, 429]


def test_behind_a_trusted_proxy_each_client_counts_for_itself(tmp_path: Path) -> None:
    with running_server(
        tmp_path,
        server={"trusted_proxies": ["127.0.0.1"]},
        rate_limit={"max_requests_per_minute": 2, "exempt_networks": ["203.0.113.0/24"]},
    ) as server:
        client = server.client()
        assert [from_address(client, "198.51.100.1").status for _ in range(3)] == [200, 200, 429]
        # Only the right-most entry comes from the proxy; what stands left of it a client may invent.
        assert from_address(client, "203.0.113.5, 198.51.100.1").status == 429
        assert from_address(client, "198.51.100.2").status == 200
        exempt = [from_address(client, "203.0.113.5") for _ in range(5)]
        assert {answer.status for answer in exempt} == {200}
        assert "x-ratelimit-limit" not in exempt[0].headers


def test_switched_off_nothing_is_limited(tmp_path: Path) -> None:
    with running_server(
        tmp_path, rate_limit={"enabled": False, "max_requests_per_minute": 1, "max_auth_attempts": 1}
    ) as server:
        client = server.client()
        client.sign_up("anna")
        assert {client.log_in("anna", "Wrong-Guess-1").status for _ in range(4)} == {401}
        assert client.log_in("anna").status == 200


class TestFailedLogins:
    def assert_locked_out(self, server: Server, name: str) -> None:
        refused = server.client().log_in(name)
        assert (refused.status, refused.error) == (429, "RATE_LIMITED")
        wait = int(refused.headers["retry-after"])
        assert 890 <= wait <= 900
        assert refused.json["details"] == {"retryAfterSeconds": wait}

    def fail(self, server: Server, name: str) -> None:
        for _ in range(5):
            assert server.client().log_in(name, "Wrong-Guess-1").error == "INVALID_CREDENTIALS"

    def test_lock_a_name_until_the_guides_reset(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            server.client().sign_up("alice")
            self.fail(server, "Alice")
            self.assert_locked_out(server, "ALICE")
            shell = sqlite3.connect(server.database, isolation_level=None)
            shell.execute(
                "DELETE FROM auth_logs WHERE username='alice' AND created_at < datetime('now', '-15 minutes');"
            )
            shell.close()
            assert server.client().log_in("alice").status == 200

    def test_count_across_a_restart(self, tmp_path: Path) -> None:
        with running_server(tmp_path) as server:
            server.client().sign_up("anna")
            self.fail(server, "anna")
        with running_server(tmp_path) as server:
            self.assert_locked_out(server, "anna")

    def test_are_forgotten_when_the_window_has_passed(self, tmp_path: Path) -> None:
        with running_server(tmp_path, rate_limit={"auth_window_seconds": 4}) as server:
            server.client().sign_up("anna")
            self.fail(server, "anna")
            assert server.client().log_in("anna").status == 429
            time.sleep(4.1)
            assert server.client().log_in("anna").status == 200


def test_when_too_many_hash_at_once_the_rest_are_told_to_wait(tmp_path: Path) -> None:
    """One thread, a queue of one, and a hash that takes a while: the third in line is turned away at once."""
    slow = {"password_threads": 1, "password_queue": 1, "password_memory_kib": 262144, "password_iterations": 4}
    with running_server(tmp_path, auth=slow, rate_limit={"enabled": False}) as server, ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda number: server.client().log_in(f"nobody{number}"), range(6)))
        refused = [answer for answer in answers if answer.status == 503]
        assert len(refused) == 4
        assert {answer.error for answer in refused} == {"BUSY"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert json.loads(refused[0].body)["details"]["retryAfterSeconds"] >= 1
