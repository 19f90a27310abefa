"""Finding out that nobody is there any more, and not mistaking a slow link for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from websockets.frames import Frame

from tests.client import Person
from tests.device import online
from tests.server import Server, running_server
from tests.wire import Wire, pings, texts, wired

BEAT, PATIENCE = 2, 1


@pytest.fixture(scope="module")
def beating_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Sends a PING every two seconds, and waits one for an answer."""
    heartbeat = {"heartbeat_seconds": BEAT, "heartbeat_timeout_seconds": PATIENCE}
    directory = tmp_path_factory.mktemp("beating")
    with running_server(directory, websocket=heartbeat, rate_limit={"enabled": False}) as server:
        yield server


def two_people(server: Server, name: str) -> tuple[Person, Person]:
    anna, ben = server.client().sign_up(f"anna_{name}"), server.client().sign_up(f"ben_{name}")
    anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
    return anna, ben


def test_who_answers_no_ping_is_gone(beating_server: Server) -> None:
    anna, ben = two_people(beating_server, "mute")
    with online(beating_server, anna) as annas, wired(beating_server, ben.token) as mute:
        connected = time.monotonic()
        assert annas.wait_for_sighting(ben)["isOnline"]
        assert not annas.wait_for_sighting(ben, 2)["isOnline"]
        assert time.monotonic() - connected >= BEAT + PATIENCE - 0.1
        frames = mute.read_to_end()
        assert len(pings(frames)) == 1
        assert mute.close_code == 1002
        assert annas.closed is None
    assert f"user={ben.user_id} address=127.0.0.1" in beating_server.wait_for_log("heartbeat")


def test_ready_says_how_often(beating_server: Server) -> None:
    anna, _ben = two_people(beating_server, "ready")
    with online(beating_server, anna) as annas:
        assert annas.frames[0]["data"]["heartbeatSeconds"] == BEAT


def test_any_bytes_are_a_sign_of_life(beating_server: Server) -> None:
    anna, _ben = two_people(beating_server, "alive")
    signs: dict[str, Callable[[Wire, bytes], None]] = {
        "the PONG": Wire.pong,
        "another PONG": lambda wire, _number: wire.pong(b"what?"),
        "a frame": lambda wire, _number: wire.send({"type": "heartbeat"}),
        "a part of a frame": lambda wire, _number: wire.write(b"\x81"),
    }
    with ExitStack() as stack:
        wires = {name: stack.enter_context(wired(beating_server, anna.token)) for name in signs}
        for name, wire in wires.items():
            signs[name](wire, pings(wire.read_until(lambda frames: pings(frames) != []))[0])
        for wire in wires.values():
            wire.read_until(lambda frames: pings(frames) != [])


def test_a_client_that_reads_slowly_stays(beating_server: Server) -> None:
    """What it has to take before the PING takes it longer than a client may be silent. It sends nothing else."""
    anna, ben = two_people(beating_server, "slow")
    with online(beating_server, anna) as annas:
        for number in range(11):
            annas.say(ben, f"{number}".ljust(5000))
        with wired(beating_server, ben.token, receive_buffer=2048) as slow:
            deadline = time.monotonic() + BEAT + PATIENCE + 3
            frames: list[Frame] = []
            while time.monotonic() < deadline:
                frames += slow.sip(900)
                time.sleep(0.09)
            assert len(texts(frames, "message")) < 11
            while len(texts(frames, "message")) < 11:
                frames += slow.read()
            for ping in pings(frames + slow.read_until(lambda frames: pings(frames) != [])):
                slow.pong(ping)
            annas.wait_for_receipt("delivered", 11)
            assert annas.sightings(ben) == [True]
