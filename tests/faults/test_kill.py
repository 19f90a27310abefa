"""kill -9 under load, again and again: what was acknowledged stays, once, in order."""

from __future__ import annotations

import random
import select
import sqlite3
import statistics
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.faults.correspondent import Correspondent
from tests.faults.line import LineLostError
from tests.server import COMMAND, UNMEASURED, Server, free_port, start_server

KILLS = 50
PAIRS = 6
WINDOW = 16
START_SECONDS = 3.0
LOAD_SECONDS = (0.0, 0.8)
STARTING_SECONDS = (0.2, 0.8)


class Crowd:
    """Everybody who writes, in one thread."""

    def __init__(self, people: list[Correspondent]) -> None:
        self.people = people

    def write_until_killed(self, server: Server, seconds: float) -> None:
        """All connect and write; after so long the server is killed, whatever anybody is doing then."""
        killer = threading.Timer(seconds, server.process.kill)
        killer.start()
        for one in self.people:
            try:
                one.connect(server.port)
            except (OSError, LineLostError):
                break
        while any(one.line for one in self.people):
            self.turn(writing=True)
        killer.join()
        server.process.wait()

    def finish(self, server: Server) -> None:
        """All connect, hear of the fate of what they sent, and get what they lack."""
        for one in self.people:
            one.connect(server.port)
        deadline = time.monotonic() + 20
        while not all(self._is_done(one) for one in self.people):
            assert time.monotonic() < deadline, [(len(one.unacknowledged), one.reached) for one in self.people]
            self.turn(writing=False)
        for one in self.people:
            one.hang_up()

    def _is_done(self, one: Correspondent) -> bool:
        assert one.line, "nobody killed the server this time"
        other = next(other for other in self.people if other.person is one.other)
        return not one.unacknowledged and one.reached == max([*one.known, *other.known])

    def turn(self, *, writing: bool) -> None:
        lines = {one.line: one for one in self.people if one.line}
        readable, _, _ = select.select(lines, [], [], 0.05)
        for line in readable:
            lines[line].attend(writing=writing)


def kill_while_starting(config: Path, seconds: float) -> None:
    """Starts a server on what the last one left, and kills it before it is, or just as it is, ready."""
    starting = subprocess.Popen([*COMMAND, "--config", str(config)], stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    starting.kill()
    starting.wait()


def stored(database: Path, one: Correspondent) -> list[tuple[int, str, str, str]]:
    """The person's one conversation: seq, id, sender, content."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute(
            "SELECT m.seq, m.client_id, m.sender_id, m.content FROM messages m JOIN conversations c"
            " ON c.id = m.conversation_id WHERE ? IN (c.user1_id, c.user2_id) ORDER BY m.seq",
            (one.person.user_id,),
        ).fetchall()


@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_or_doubled_by_fifty_kills(tmp_path: Path, report: Report) -> None:
    port = free_port()
    limits = {"enabled": False}
    chance = random.Random(20)
    starts = []

    def start() -> Server:
        began = time.monotonic()
        server = start_server(tmp_path, port=port, environ=UNMEASURED, rate_limit=limits)
        starts.append(time.monotonic() - began)
        return server

    server = start()
    couples = [[server.client().sign_up(f"{name}{number}") for name in ("ann", "bob")] for number in range(PAIRS)]
    people = [
        Correspondent(one, other, window=WINDOW) for ann, bob in couples for one, other in [(ann, bob), (bob, ann)]
    ]
    crowd = Crowd(people)
    for number in range(KILLS):
        crowd.write_until_killed(server, chance.uniform(*LOAD_SECONDS))
        if number % 5 == 0:
            kill_while_starting(server.config, chance.uniform(*STARTING_SECONDS))
        server = start()
    crowd.finish(server)
    assert server.stop() == 0

    total = 0
    for one in people:
        kept = stored(server.database, one)
        total += len(kept)
        own = [content for _, _, sender, content in kept if sender == one.person.user_id]
        assert [seq for seq, *_ in kept] == list(range(1, len(kept) + 1))
        assert one.known == {seq: message_id for seq, message_id, *_ in kept}
        assert one.acknowledged.items() <= {(message_id, seq) for seq, message_id, *_ in kept}
        assert own == [f"{number} from {one.person.username}" for number in range(1, one.sent + 1)]
    # One of twenty may be the disk's.
    assert statistics.quantiles(starts[1:], n=20)[-1] < START_SECONDS
    acknowledged = sum(len(one.acknowledged) for one in people)
    report(
        f"{KILLS} kills under load, {total // 2} messages kept of {acknowledged} acknowledged, "
        f"{sum(one.repeats for one in people)} pushed or acknowledged again, "
        f"slowest start after a kill {max(starts[1:]):.2f} s"
    )
