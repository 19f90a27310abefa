"""The same message sent again is the same message, whatever has happened since."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client import PASSWORD, Person
from tests.device import Device, Frame, online
from tests.server import Server, running_server
from tests.wire import texts, wired


@contextmanager
def acknowledged_once_more(device: Device, to: Person) -> Iterator[None]:
    """What happens in the block makes no difference to a message sent before and after."""
    first = device.say(to, "once", "the-id")
    yield
    assert again(device, to, "once", "the-id") == first


def again(device: Device, to: Person, content: str, message_id: str) -> Frame:
    """Sends a message once more; gives the data of what answers it."""
    since = len(device.frames)
    device.write(to, content, message_id)
    data: Frame = device.answer(message_id, since=since)["data"]
    return data


def contents(reader: Person, conversation_id: str) -> list[str]:
    page = reader.client.get(f"/conversations/{conversation_id}/messages", limit=100).succeeded()
    return [message["content"] for message in page["messages"]]


def test_it_is_acknowledged_alike_and_stored_once(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        first = annas.say(ben, "once", "the-id")
        annas.say(ben, "and another")
        assert again(annas, ben, "once", "the-id") == first
        assert annas.say(ben, "the end")["seq"] == 3
        assert [message["content"] for message in bens.wait_for_messages(3)] == ["once", "and another", "the end"]
    assert contents(ben, first["conversationId"]) == ["once", "and another", "the end"]


def test_it_is_not_pushed_again_to_who_has_it(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas:
        with online(shared_server, ben):
            annas.say(ben, "once", "the-id")
            annas.wait_for_receipt("delivered", 1)
        with online(shared_server, ben) as later:
            annas.say(ben, "once", "the-id")
            annas.say(ben, "new")
            assert [message["content"] for message in later.wait_for_messages(1)] == ["new"]


def test_from_another_device(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, online(shared_server, anna) as laptop:
        first = phone.say(ben, "once", "the-id")
        laptop.write(ben, "once", "the-id")
        assert laptop.ack("the-id") == first


def test_before_the_first_was_acknowledged(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone:
        for _ in range(5):
            phone.write(ben, "once", "the-id")
        phone.say(ben, "the end")
        acks = [frame["data"] for frame in phone.of("ack") if frame["id"] == "the-id"]
    assert len(acks) == 5
    assert all(ack == acks[0] for ack in acks)
    assert contents(ben, acks[0]["conversationId"]) == ["once", "the end"]


def test_although_the_recipient_was_deleted_since(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, acknowledged_once_more(phone, ben):
        ben.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()


def test_although_the_sender_was_blocked_since(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, acknowledged_once_more(phone, ben):
        ben.client.post(f"/users/{anna.user_id}/block").succeeded()


def test_although_the_limit_was_reached_since(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"burst": 3, "messages_per_minute": 1}) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as phone:
            with acknowledged_once_more(phone, ben):
                phone.say(ben, "two")
                phone.say(ben, "three")
                assert phone.error(phone.write(ben, "four"))["code"] == "RATE_LIMIT_EXCEEDED"
            assert again(phone, ben, "something else", "the-id")["code"] == "ID_CONFLICT"


def test_although_the_limit_was_reached_while_the_first_is_on_its_way(tmp_path: Path) -> None:
    with running_server(tmp_path, rate_limit={"burst": 1, "messages_per_minute": 1}) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        once = {"id": "the-id", "type": "message", "data": {"recipientId": ben.user_id, "content": "once"}}
        with wired(server, anna.token) as wire:
            wire.send(once, once, once)
            answers = wire.read_until(lambda frames: len(texts(frames)) == 4)
            acks = texts(answers, "ack")
            assert [ack["data"]["seq"] for ack in acks] == [1, 1, 1]


def test_although_the_server_was_restarted_since(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
        with online(server, anna) as phone:
            first = phone.say(ben, "once", "the-id")
    with running_server(tmp_path) as server, online(server, anna) as phone:
        assert phone.say(ben, "once", "the-id") == first
        assert phone.say(ben, "new")["seq"] == 2


@pytest.mark.parametrize("content", ["other", "once ", "ONCE"])
def test_another_content_under_the_same_id_is_a_conflict(
    shared_server: Server, anna: Person, ben: Person, content: str
) -> None:
    with online(shared_server, anna) as phone:
        first = phone.say(ben, "once", "the-id")
        assert again(phone, ben, content, "the-id")["code"] == "ID_CONFLICT"
        assert again(phone, ben, "once", "the-id") == first
    assert contents(ben, first["conversationId"]) == ["once"]


def test_the_other_persons_use_of_an_id_is_a_conflict(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        first = annas.say(ben, "once", "the-id")
        assert again(bens, anna, "once", "the-id")["code"] == "ID_CONFLICT"
        assert bens.say(anna, "mine")["seq"] == 2
    assert contents(ben, first["conversationId"]) == ["once", "mine"]


def test_a_conflict_fails_nothing_beside_it(shared_server: Server, anna: Person, ben: Person) -> None:
    """All of these arrive in one packet, so most share a commit."""
    with online(shared_server, anna) as phone:
        phone.say(ben, "0", "id-0")
        for number in range(1, 30):
            phone.write(ben, f"{number}", f"id-{number}")
            phone.write(ben, "a conflict", f"id-{number - 1}")
        conversation = phone.say(ben, "the end")["conversationId"]
        assert len(phone.of("error")) == 29
        assert {frame["data"]["code"] for frame in phone.of("error")} == {"ID_CONFLICT"}
    assert contents(ben, conversation) == [*map(str, range(30)), "the end"]
