"""How fast one may go, and what happens to who goes faster."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client import Person
from tests.device import Device, online
from tests.server import Server, running_server
from tests.wire import texts, wired

_numbers = itertools.count()


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Takes three messages and ten other frames at once, then one of each a second."""
    limits = {"messages_per_minute": 60, "burst": 3, "frames_per_minute": 60}
    with running_server(tmp_path_factory.mktemp("slow"), rate_limit=limits) as server:
        yield server


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Takes three messages at once, then one a minute: no test is so slow that it may send another."""
    limits = {"messages_per_minute": 1, "burst": 3}
    with running_server(tmp_path_factory.mktemp("strict"), rate_limit=limits) as server:
        yield server


def two_people(server: Server) -> tuple[Person, Person]:
    number = next(_numbers)
    return server.client().sign_up(f"anna_{number}"), server.client().sign_up(f"ben_{number}")


def waits(device: Device) -> list[int]:
    """How long it was told to wait, in milliseconds, each time it was refused something for its speed."""
    errors = [frame["data"] for frame in device.of("error")]
    assert {error["code"] for error in errors} <= {"RATE_LIMIT_EXCEEDED"}
    return [error["details"]["retryAfterMs"] for error in errors]


class TestMessages:
    def test_sent_too_fast_are_refused_with_the_time_to_wait(self, slow_server: Server) -> None:
        anna, ben = two_people(slow_server)
        with online(slow_server, anna) as phone:
            for number in range(3):
                phone.say(ben, f"{number}")
            refused = phone.write(ben, "too fast")
            wait_ms = phone.error(refused)["details"]["retryAfterMs"]
            assert 0 < wait_ms <= 1000
            time.sleep(wait_ms / 1000)
            assert phone.say(ben, "too fast", refused)["seq"] == 4

    def test_of_all_ones_devices_are_counted_together(self, strict_server: Server) -> None:
        anna, ben = two_people(strict_server)
        with online(strict_server, anna) as phone, online(strict_server, anna) as laptop:
            phone.say(ben, "1")
            laptop.say(ben, "2")
            phone.say(ben, "3")
            assert laptop.error(laptop.write(ben, "4"))["code"] == "RATE_LIMIT_EXCEEDED"
        with online(strict_server, anna) as again, online(strict_server, ben) as bens:
            assert again.error(again.write(ben, "5"))["code"] == "RATE_LIMIT_EXCEEDED"
            bens.say(anna, "I have a limit of my own")

    def test_sent_within_one_wait_are_one_violation(self, strict_server: Server) -> None:
        anna, ben = two_people(strict_server)
        with online(strict_server, anna) as phone:
            for number in range(30):
                phone.write(ben, f"{number}")
            phone.sync()
            assert len(waits(phone)) == 27

    def test_close_the_socket_at_the_third_violation(self, slow_server: Server) -> None:
        anna, ben = two_people(slow_server)
        with online(slow_server, anna) as phone:
            for violation in range(1, 4):
                for number in range(4):
                    phone.write(ben, f"{violation} {number}")
                if violation < 3:
                    phone.sync()
                    time.sleep(max(waits(phone)) / 1000 + 0.05)
            assert phone.wait_closed() == (1008, "rate limit")
        assert f"user={anna.user_id} address=127.0.0.1" in slow_server.wait_for_log("flood stopped")

    def test_that_cannot_be_sent_count_as_well(self, strict_server: Server) -> None:
        anna, ben = two_people(strict_server)
        with online(strict_server, anna) as phone:
            for content in ("", "x" * 5001, ""):
                assert phone.error(phone.write(ben, content))["code"] == "INVALID_MESSAGE_LENGTH"
            assert phone.error(phone.write(ben, ""))["code"] == "RATE_LIMIT_EXCEEDED"


def test_the_fewest_frames_that_can_be_configured_are_not_none(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"frames_per_minute": 1}) as server:
        anna, _ = two_people(server)
        with online(server, anna) as phone:
            phone.sync()


class TestOtherFrames:
    @pytest.mark.parametrize("kind", ["heartbeat", "typing", "read"])
    def test_have_a_limit_of_their_own(self, slow_server: Server, kind: str) -> None:
        anna, ben = two_people(slow_server)
        with online(slow_server, ben) as bens, online(slow_server, anna) as phone:
            data = {
                "heartbeat": {},
                "typing": {"recipientId": ben.user_id, "isTyping": True},
                "read": {"conversationId": bens.say(anna, "hello")["conversationId"], "upToSeq": 1},
            }
            for _ in range(11):
                phone.send(kind, data[kind])
            error = phone.error()
            assert error["code"] == "RATE_LIMIT_EXCEEDED"
            assert 0 < error["details"]["retryAfterMs"] <= 1000
            phone.say(ben, "messages are counted apart")

    def test_close_the_socket_where_they_are_nothing_but_mistakes(self, slow_server: Server) -> None:
        anna, _ben = two_people(slow_server)
        for mistake in ("rubbish", '{"type":"nonsense"}'):
            with wired(slow_server, anna.token) as phone:
                for _ in range(12):
                    phone.send_text(mistake)
                assert phone.read_close() == 1008

    def test_close_the_socket_where_they_are_a_flood_of_pings(self, slow_server: Server) -> None:
        anna, _ben = two_people(slow_server)
        with wired(slow_server, anna.token) as phone:
            for _ in range(12):
                phone.ping(b"")
            assert phone.read_close() == 1008


def test_limits_can_be_switched_off(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        written = [phone.write(ben, f"{number}") for number in range(150)]
        for _ in range(800):
            phone.send("heartbeat")
        for message_id in written:
            phone.ack(message_id)
        phone.sync()
        assert waits(phone) == []


def test_exempt_networks_are_not_limited_and_a_proxy_in_one_does_not_exempt_its_clients(tmp_path: Path) -> None:
    limits = {"messages_per_minute": 1, "burst": 1, "frames_per_minute": 60, "exempt_networks": ["127.0.0.0/8"]}
    with running_server(tmp_path, rate_limit=limits, server={"trusted_proxies": ["127.0.0.1"]}) as server:
        anna, ben = two_people(server)
        with online(server, anna) as phone:
            for number in range(20):
                phone.say(ben, f"{number}")
                phone.sync()
            assert waits(phone) == []
        with wired(server, anna.token, headers={"X-Forwarded-For": "203.0.113.9"}) as phone:
            message = {"type": "message", "data": {"recipientId": ben.user_id, "content": "hello"}}
            phone.send({"id": "a", **message}, {"id": "b", **message})
            came = phone.read_until(lambda frames: texts(frames, "error") != [])
            assert texts(came, "error")[0]["data"]["code"] == "RATE_LIMIT_EXCEEDED"


def test_limits_follow_a_reload_on_open_sockets(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"messages_per_minute": 1, "burst": 1}) as server:
        anna, ben = two_people(server)
        with online(server, anna) as phone:
            phone.say(ben, "1")
            assert phone.error(phone.write(ben, "2"))["code"] == "RATE_LIMIT_EXCEEDED"
            text = server.config.read_text()
            server.config.write_text(text.replace("messages_per_minute = 1", "messages_per_minute = 60000"))
            server.process.send_signal(signal.SIGHUP)
            server.wait_for_log("configuration reloaded")
            time.sleep(0.05)
            phone.say(ben, "3")
