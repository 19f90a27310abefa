"""A fault of ours: the stranger learns nothing, the admin finds it by the request's id."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.server import running_server


def test_is_told_to_the_log_only(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        anna = server.client().sign_up("anna")
        with sqlite3.connect(server.database) as database:
            database.execute("ALTER TABLE blocks RENAME TO lost")
        answer = anna.client.get("/user/me/blocks")
        assert (answer.status, answer.error) == (500, "SERVER_ERROR")
        assert "blocks" not in answer.body.decode()
        line = server.wait_for_log("request failed")
        assert answer.headers["x-request-id"] in line
        assert "no such table: blocks" in server.logged()
        assert server.client().get("/health").status == 200
        assert "\nchat_http_failures_total 1.0\n" in server.client().get("/metrics").body.decode()


def test_every_line_logged_for_a_request_carries_its_id(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        answer = server.client().log_in("nobody", "Wrong-Horse-1")
        assert answer.status == 401
        assert f"request={answer.headers['x-request-id']}" in server.wait_for_log("failed login")
