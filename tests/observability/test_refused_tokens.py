"""An admin sees how many tokens were refused, and why: a secret that changed looks unlike clients that are late."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.server import Server, running_server
from tests.wire import Wire


def refused(server: Server) -> dict[str, int]:
    lines = server.client().get("/metrics").body.decode().splitlines()
    name = "chat_tokens_refused_total"
    samples = [line.partition(" ")[::2] for line in lines if line.startswith(name)]
    return {labels.split('"')[1]: int(float(value)) for labels, value in samples if float(value)}


def test_a_request_and_an_upgrade_without_a_token_are_counted_as_missing(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.client().get("/user/me")
        wire = Wire(server)
        assert wire.answer.status == 401
        wire.close()
        assert refused(server) == {"missing": 2}


@pytest.mark.parametrize("path", ["/user/me", "/auth/refresh"])
def test_what_is_no_token_of_ours_is_counted_as_invalid(tmp_path: Path, path: str) -> None:
    with running_server(tmp_path) as server:
        stranger = server.client("not.a.token")
        assert (stranger.get(path) if path == "/user/me" else stranger.post(path)).status == 401
        assert refused(server) == {"invalid": 1}


def test_a_signed_out_device_is_counted_as_ended(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        anna = server.client().sign_up("anna")
        anna.client.post("/auth/logout").succeeded()
        assert anna.client.get("/user/me").status == 401
        assert anna.client.post("/auth/refresh").status == 401
        assert refused(server) == {"ended": 2}


def test_a_late_client_is_counted_as_expired(tmp_path: Path) -> None:
    with running_server(tmp_path, auth={"token_expiry_seconds": 1}) as server:
        anna = server.client().sign_up("anna")
        deadline = time.monotonic() + 5
        while anna.client.get("/user/me").status == 200:
            assert time.monotonic() < deadline
        assert refused(server) == {"expired": 1}
