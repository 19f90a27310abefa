"""A storm of logins, hashed at their real cost, delays nobody who talks."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.client import Answer, Client
from tests.device import online
from tests.faults.conftest import Report
from tests.server import UNMEASURED, running_server

LOGINS = 200
ANSWER_SECONDS = 0.1
# The defaults of the configuration, which the other tests' are cheaper than.
REAL_COST = {"password_memory_kib": 65536, "password_iterations": 3}


def log_in(client: Client) -> list[Answer]:
    """The answers until one is not "busy", trying again when told to, as a patient client does."""
    answers = [client.log_in("ann")]
    while answers[-1].status == 503:
        time.sleep(int(answers[-1].headers["retry-after"]))
        answers.append(client.log_in("ann"))
    return answers


@pytest.mark.timeout(300)
def test_a_ping_is_answered_in_time_while_two_hundred_logins_hash(tmp_path: Path, report: Report) -> None:
    with running_server(tmp_path, environ=UNMEASURED, auth=REAL_COST, rate_limit={"enabled": False}) as server:
        client = server.client()
        ann = client.sign_up("ann")
        began = time.monotonic()
        with online(server, ann) as device, ThreadPoolExecutor(LOGINS) as crowd:
            logins = [crowd.submit(log_in, client) for _ in range(LOGINS)]
            waits = []
            while not all(login.done() for login in logins):
                asked = time.monotonic()
                device.sync()
                waits.append(time.monotonic() - asked)
                time.sleep(0.01)
        answers = [answer for login in logins for answer in login.result()]
        busy = [answer for answer in answers if answer.status == 503]
        report(
            f"{LOGINS} logins in {time.monotonic() - began:.0f} s, {len(busy)} times busy; a heartbeat was answered in "
            f"{statistics.median(waits) * 1000:.1f} ms, at most {max(waits) * 1000:.0f} ms of {len(waits)}"
        )
    assert {answer.status for answer in answers} == {200, 503}
    assert {answer.error for answer in busy} == {"BUSY"}
    assert len(waits) > 100
    assert max(waits) < ANSWER_SECONDS
