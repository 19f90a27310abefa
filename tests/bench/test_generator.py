"""The generator measures what is there, and takes nothing for measured that is not right."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

import bench.generator
from bench.generator import Generator, GeneratorLateError
from bench.history import read_pages
from bench.peer import Observer, Peer, WrongAnswerError
from bench.people import CONTENT
from bench.websocket import ChatDialect
from tests.bench.conftest import Target, running_target


def test_at_saturation_all_that_was_sent_is_acknowledged_delivered_and_stored(target: Target) -> None:
    generator = target.generator("saturation")
    measured = generator.saturate(window=5, seconds=0.5, warm_up=0.1)
    generator.close()
    assert target.stored("saturation") == generator.sent > measured.messages > 0
    assert measured.ack is not None
    assert measured.delivery is not None
    assert measured.ack.count == measured.delivery.count == measured.messages
    assert 0 < measured.cpu_seconds <= measured.seconds * 1.2


def test_never_more_are_under_way_than_the_window(target: Target) -> None:
    people = target.crowd.some(2)
    generator = Generator(dialect("window"), people, target.process.address, cpu=target.process.cpu_seconds)
    while generator.sent < 60:
        generator.keep_busy(window=3)
        assert all(len(peer.due) - peer.acked <= 3 for peer in people)
    acks = generator.finish()
    generator.close()
    assert acks.count == generator.sent


def test_who_is_only_connected_writes_nothing(target: Target) -> None:
    people, idle = target.crowd.some(2), target.crowd.some(6)[2:]
    generator = Generator(dialect("idle"), people, target.process.address, cpu=target.process.cpu_seconds, idle=idle)
    generator.saturate(window=3, seconds=0.3, warm_up=0.1)
    generator.close()
    assert target.stored("idle") == generator.sent > 0


def test_a_gap_in_a_conversation_is_noticed_at_the_end(target: Target) -> None:
    people = target.crowd.some(2)
    generator = Generator(dialect("gap"), people, target.process.address, cpu=target.process.cpu_seconds)
    generator.keep_busy(window=3)
    people[1].ack_seqs.insert(0, people[1].first_seq - 2)
    with pytest.raises(WrongAnswerError, match="gap"):
        generator.finish()
    generator.close()


def test_on_a_schedule_the_rate_is_the_one_that_was_asked_for(target: Target) -> None:
    generator = target.generator("schedule")
    measured = generator.offer(rate=400, seconds=1, warm_up=0, late_seconds=10)
    generator.close()
    assert 300 < measured.messages < 500
    assert target.stored("schedule") == generator.sent


def test_a_stall_of_the_server_is_in_the_latency_of_all_that_was_due_meanwhile(target: Target) -> None:
    generator = target.generator("stall")
    stall = threading.Thread(target=pause, args=(target.process.pid, 0.5))
    stall.start()
    measured = generator.offer(rate=200, seconds=1, warm_up=0, late_seconds=10)
    stall.join()
    generator.close()
    assert measured.ack is not None
    assert measured.ack.max >= 450
    assert measured.ack.p50 < measured.ack.max


def dialect(run: str) -> ChatDialect:
    return ChatDialect(run=run, content=CONTENT, ours=True)


def pause(process_id: int, seconds: float) -> None:
    """Stops the process for a while, a little after now."""
    time.sleep(0.2)
    os.kill(process_id, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(process_id, signal.SIGCONT)


def test_what_the_generator_itself_is_late_with_is_in_the_latency_too(target: Target) -> None:
    slow = PausingDialect(run="pausing", content=CONTENT, ours=True)
    generator = Generator(slow, target.crowd.some(2), target.process.address, cpu=target.process.cpu_seconds)
    measured = generator.offer(rate=200, seconds=1, warm_up=0, late_seconds=10)
    generator.close()
    assert measured.ack is not None
    assert measured.ack.p50 >= 50


class PausingDialect(ChatDialect):
    """Stops once, well after the warm-up's only message, for long enough that most messages of a second leave late."""

    paused = False

    def read(self, peer: Peer, data: bytes, observer: Observer) -> bytes:
        if peer.acked >= 3 and not self.paused:
            self.paused = True
            time.sleep(0.8)
        return super().read(peer, data, observer)


def test_a_generator_that_misses_its_schedule_says_so(target: Target) -> None:
    generator = target.generator("late")
    with pytest.raises(GeneratorLateError, match=r"missed its own schedule: \d+ of \d+ messages"):
        generator.offer(rate=200, seconds=0.3, warm_up=0, late_seconds=0)
    generator.close()


@pytest.mark.parametrize("fault", ["push_dropped", "push_doubled", "commit_dropped"])
def test_a_server_that_loses_or_doubles_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(bench.generator, "DRAIN_SECONDS", 2)
    with running_target(tmp_path, program=(sys.executable, "-m", "tests.faults.broken_server", fault)) as target:
        generator = target.generator("broken")
        with pytest.raises(WrongAnswerError):
            generator.saturate(window=5, seconds=1.5, warm_up=0)
        generator.close()


def test_pages_of_history_are_read_and_checked(target: Target) -> None:
    assert read_pages(target.crowd, target.process.address, pages=10).count == 10
