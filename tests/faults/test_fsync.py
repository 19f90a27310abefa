"""Acknowledged means on disk: as seen by who watches every write and sync of the server's process."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.device import online
from tests.faults.trace import early_acks, read, strace_to
from tests.server import COMMAND, UNMEASURED, running_server

MESSAGES = 200

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is missing: apt install strace")


def watch(directory: Path, *command: str) -> tuple[int, list[str]]:
    """The verdict on a server, started by the command, through which two people have talked."""
    trace = directory / "trace"
    unlimited = {"enabled": False}
    traced = (*strace_to(trace), *command)
    with running_server(directory, command=traced, environ=UNMEASURED, rate_limit=unlimited) as server:
        ann, bob = (server.client().sign_up(name) for name in ("ann", "bob"))
        with online(server, ann) as anns, online(server, bob) as bobs:
            sent = [(anns, anns.write(bob, f"{number}"), bobs.write(ann, f"{number}")) for number in range(MESSAGES)]
            for _, from_ann, from_bob in sent:
                anns.ack(from_ann)
                bobs.ack(from_bob)
    return early_acks(read(whole(trace)))


def whole(trace: Path) -> list[str]:
    """The trace, once strace has written its last line, which may be after the server has gone."""
    deadline = time.monotonic() + 10
    while "+++ exited with 0 +++" not in (lines := trace.read_text().splitlines())[-1]:
        assert time.monotonic() < deadline, lines[-1]
        time.sleep(0.02)
    return lines


def test_no_ack_leaves_before_the_sync_of_its_transaction(tmp_path: Path) -> None:
    acknowledged, early = watch(tmp_path, *COMMAND)
    assert (acknowledged, early) == (2 * MESSAGES, [])


@pytest.mark.parametrize("fault", ["sync_taken_away", "ack_before_commit"])
def test_a_server_that_breaks_the_promise_is_found_out(tmp_path: Path, fault: str) -> None:
    acknowledged, early = watch(tmp_path, sys.executable, "-m", "tests.faults.broken_server", fault)
    assert acknowledged == 2 * MESSAGES
    assert early
