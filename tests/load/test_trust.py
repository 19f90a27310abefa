"""When a run's figures count: a stall of the server shows, one of the generator and a limit of rate make it void."""

from __future__ import annotations

import signal
import time
from pathlib import Path

from tests.load.generator import Finished, run, start
from tests.server import UNMEASURED, Server, running_server

STALL_SECONDS = 1.25
SECONDS = 3


def stall(server: Server, directory: Path, who: str, *options: str) -> Finished:
    """A run in which the server, or the generator, stands still for a while."""
    load = ("--tags", "throughput", "--users", "2", "--rate", "40")
    generator = start(server, directory, *load, *options, seconds=SECONDS)
    generator.wait_until_measuring(seconds=0.5)
    process = server.process if who == "server" else generator.process
    process.send_signal(signal.SIGSTOP)
    time.sleep(STALL_SECONDS)
    process.send_signal(signal.SIGCONT)
    return generator.finish()


def test_a_stall_of_the_server_shows_in_every_message_that_was_due_in_it(
    exempting_server: Server, tmp_path: Path
) -> None:
    done = stall(exempting_server, tmp_path, "server", "--check-p99-ms", "500")
    # One arrival in eight was due in the first half second of the stall, and so waited for a second or more.
    assert all(done.operation(name)["p90Ms"] > 800 for name in ("ack", "delivery")), done.summary
    assert done.operation("ack")["count"] > 0.7 * 40 * SECONDS
    assert (done.code, done.report["verdict"]) == (3, "threshold missed"), done.summary
    assert "ack: p99 in ms is " in done.summary


def test_a_generator_that_stalls_says_that_it_missed_its_own_schedule(exempting_server: Server, tmp_path: Path) -> None:
    done = stall(exempting_server, tmp_path, "generator", "--schedule-tolerance-ms", "1000")
    assert (done.code, done.report["verdict"]) == (4, "void"), done.summary
    assert "the generator missed its own schedule: " in done.summary
    assert done.report["generator"]["latestMs"] > 1000
    # What was sent late is counted from when it was due, and so shows too.
    assert done.operation("ack")["p90Ms"] > 800, done.summary


def test_messages_that_the_server_limits_make_the_run_void_and_it_says_what_to_configure(tmp_path: Path) -> None:
    with running_server(tmp_path, environ=UNMEASURED) as server:
        done = run(server, tmp_path / "load", "--tags", "throughput", "--users", "1", "--rate", "60")
    assert (done.code, done.report["verdict"]) == (4, "void"), done.summary
    assert done.report["refusals"]["RATE_LIMIT_EXCEEDED"] > 0
    assert "add its address to [rate_limit] exempt_networks" in done.summary
    assert done.report["broken"] == {}


def test_requests_that_the_server_limits_stop_the_preparation_and_it_says_what_to_configure(tmp_path: Path) -> None:
    with running_server(tmp_path, environ=UNMEASURED, rate_limit={"max_requests_per_minute": 10}) as server:
        done = run(server, tmp_path / "load", "--tags", "idle", "--users", "30")
    assert done.code == 2
    assert "the run cannot begin: 429 RATE_LIMITED" in done.output
    assert "add this machine's address to [rate_limit] exempt_networks" in done.output


def test_a_server_that_goes_away_for_good_fails_the_run(tmp_path: Path) -> None:
    load = ("--tags", "throughput", "--users", "2", "--rate", "40", "--drain-seconds", "1")
    with running_server(tmp_path, environ=UNMEASURED, rate_limit={"exempt_networks": ["127.0.0.1"]}) as server:
        generator = start(server, tmp_path / "load", *load)
        generator.wait_until_measuring(seconds=0.5)
        server.kill()
        done = generator.finish()
    assert (done.code, done.report["broken"]) == (1, {}), done.summary
    assert done.operation("return")["failures"] == {"not back at the end": 4}
    assert "what is stored could not be compared: " in done.summary
