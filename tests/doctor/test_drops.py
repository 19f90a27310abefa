"""Chapter 2: sockets that are closed by the heartbeat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chat_server.operations.doctor.websocket import MANY_ADDRESSES, MANY_MISSED, QUESTIONS
from tests.doctor.hosts import JOURNAL, examine
from tests.server import Server, running_server
from tests.wire import PATIENCE_SECONDS, wired

HEARTBEATS = next(question for question in QUESTIONS if question.id == "heartbeats")
QUICK = {"heartbeat_seconds": 2, "heartbeat_timeout_seconds": 1}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """It trusts whoever asks from this machine to say for whom."""
    trusting = {**JOURNAL, "trusted_proxies": ["127.0.0.1"]}
    with running_server(tmp_path, server=trusting, websocket=QUICK) as server:
        yield server


def fall_silent(server: Server, addresses: list[str]) -> None:
    """A client at each of the addresses answers no PING, until the server has closed them all."""
    anna = server.client().sign_up("anna")
    with ExitStack() as open_sockets:
        wires = [
            open_sockets.enter_context(wired(server, anna.token, headers={"X-Forwarded-For": address}))
            for address in addresses
        ]
        for wire in wires:
            while not wire.closed:
                wire.read()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server.logged().count("heartbeat missed") < len(addresses):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_client_that_went_away_is_daily_business(server: Server) -> None:
    fall_silent(server, ["192.0.2.1"])
    check = examine(server, HEARTBEATS)
    assert check.status == "ok"
    assert "for want of a heartbeat: 1 (people: 1, addresses: 1, open now: 0)" in check.seen


def test_one_place_that_loses_its_sockets_is_named(server: Server) -> None:
    fall_silent(server, ["192.0.2.1", *["192.0.2.7"] * (MANY_MISSED - 1)])
    check = examine(server, HEARTBEATS)
    assert check.status == "warning"
    assert check.chapter.startswith("2.5 ")
    assert f"{MANY_MISSED - 1} of them at 192.0.2.7" in check.seen
    assert "ping -c 100 192.0.2.7" in check.remedy


def test_many_places_that_lose_theirs_have_the_network_in_common(server: Server) -> None:
    fall_silent(server, [f"192.0.2.{number}" for number in range(1, MANY_ADDRESSES + 1)])
    check = examine(server, HEARTBEATS)
    assert check.status == "warning"
    assert check.chapter.startswith("2.6 ")
    assert "mtr -r -c 100 192.0.2." in check.remedy
