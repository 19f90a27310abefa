"""What the log says about messages: how many, by whom, and at debug which; never what they say, nor any token."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client import PASSWORD
from tests.device import online
from tests.server import Server, running_server

WHISPER = "meet-me-at-the-old-mill"


@contextmanager
def server_at(level: str, directory: Path) -> Iterator[Server]:
    with running_server(directory, server={"log_level": level}, rate_limit={"enabled": False}) as server:
        yield server


def counted(server: Server) -> list[int]:
    """The counts in the lines that sum messages up, so far."""
    return [int(found) for found in re.findall(r"message sent.* count=(\d+)", server.logged())]


def test_at_info_one_line_a_second_counts_them_and_names_the_busiest(tmp_path: Path) -> None:
    with server_at("info", tmp_path) as server:
        people = [server.client().sign_up(f"sender_{number}") for number in range(1, 6)]
        started = time.monotonic()
        for number, person in enumerate(people, start=1):
            with online(server, person) as phone:
                written = [phone.write(people[number % 5], f"{one}") for one in range(number * 10)]
                for message_id in written:
                    phone.ack(message_id)
        seconds = time.monotonic() - started
        while sum(counts := counted(server)) < 150:
            assert time.monotonic() - started < seconds + 5, server.logged()
            time.sleep(0.05)
        lines = [line for line in server.logged().splitlines() if "message sent" in line]
    assert sum(counts) == 150
    assert len(lines) == len(counts) <= seconds + 2
    assert "sender_5:" in lines[-1]
    assert all(line.count("sender_") <= 3 for line in lines)


def test_at_debug_each_has_a_line(tmp_path: Path) -> None:
    with server_at("debug", tmp_path) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as phone:
            acks = [phone.say(ben, f"{number}") for number in range(3)]
            for ack in acks:
                line = server.wait_for_log(ack["messageId"])
                assert "message sent" in line
                assert ack["conversationId"] in line
                assert f"seq={ack['seq']}" in line


@pytest.mark.parametrize("level", ["info", "trace"])
def test_never_a_content_a_token_or_a_password(tmp_path: Path, level: str) -> None:
    with server_at(level, tmp_path) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as annas, online(server, ben) as bens:
            conversation = annas.say(ben, WHISPER)["conversationId"]
            bens.wait_for_messages(1)
            annas.say(ben, WHISPER, "conflict")
            annas.write(ben, f"{WHISPER} differently", "conflict")
            annas.write(ben, WHISPER * 500)
            annas.send("message", {"recipientId": "user-nobody", "content": WHISPER})
            annas.send("nonsense", {"content": WHISPER})
            annas.send_raw(f'{{"{WHISPER}')
            annas.send("auth", {"token": ben.token})
            annas.send("auth", {"token": anna.token})
            annas.error("conflict")
            annas.sync()
            assert len(annas.of("error")) == 6
        ben.client.get(f"/conversations/{conversation}/search", q=WHISPER).succeeded()
        anna.client.post("/auth/refresh").succeeded()
        anna.client.log_in("anna", PASSWORD + "!")
        anna.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
        server.wait_for_log("message sent")
        server.stop()
        logged = server.logged()
    for token in (anna.token, ben.token):
        _head, claims, signature = token.split(".")
        assert claims not in logged
        assert signature not in logged
    assert WHISPER not in logged
    assert PASSWORD not in logged
