"""Locust's own ways to start and to stop a run: tags or none, its page, Ctrl-C."""

from __future__ import annotations

import signal
import socket
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests.load.generator import run, start, start_locust
from tests.server import Server, free_port


def test_a_run_without_tags_is_of_throughput_and_when_interrupted_is_judged_all_the_same(
    exempting_server: Server, tmp_path: Path
) -> None:
    load = ("--users", "2", "--rate", "40", "--check-rate", "1000")
    generator = start(exempting_server, tmp_path, *load, seconds=300)
    generator.wait_until_measuring(seconds=1)
    generator.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = generator.finish()
    assert time.monotonic() - began < 10
    assert done.code == 3, done.output
    assert "no --tags: running throughput; there are history, idle, login, reconnect, soak, throughput" in done.output
    assert done.report["scenarios"] == ["throughput"]
    assert done.report["messages"]["written"] == done.report["messages"]["acknowledged"] > 20
    assert "THRESHOLD MISSED (exit code 3)\n  delivery: rate a second is " in done.summary


def test_runs_may_be_started_on_locusts_page(exempting_server: Server, tmp_path: Path) -> None:
    port = free_port()
    accounts = ("--accounts", str(tmp_path / "accounts.json"), "--schedule-tolerance-ms", "5000")
    page = ("--web-host", "127.0.0.1", "--web-port", str(port), "--tags", "throughput", "--host", exempting_server.url)
    generator = start_locust(tmp_path, *page, *accounts)

    def post(path: str, **fields: object) -> None:
        data = urllib.parse.urlencode(fields).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=20) as answer:
            assert answer.status == 200

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        generator.wait_until_it_says("Starting web interface")
        while not listens():
            time.sleep(0.02)
        post("/swarm", user_count=2, spawn_rate=10)
        generator.wait_until_measuring(seconds=1)
        post("/stop")
        assert "PASSED (exit code 0)" in generator.output()
        assert "signing up 4 accounts" in generator.output()
    finally:
        generator.process.terminate()
        generator.finish()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("--tags", "nonsense"),
            "there is no tag nonsense; there are history, idle, login, reconnect, soak, throughput",
        ),
        (("--host", "chat.example.org"), "name the server: --host https://chat.example.org"),
        (("--host", "http://127.0.0.1:9"), "POST /auth/signup: [Errno 111] Connection refused"),
        (("--master",), "a run is one process"),
    ],
)
def test_what_cannot_begin_says_why(
    arguments: tuple[str, ...], reason: str, exempting_server: Server, tmp_path: Path
) -> None:
    done = run(exempting_server, tmp_path, *arguments)
    assert done.code == 2
    assert f"the run cannot begin: {reason}" in done.output
    assert "Traceback" not in done.output
