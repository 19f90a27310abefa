"""Somebody with several devices: each gets all that is new, and catches up by itself with what it missed."""

from __future__ import annotations

from contextlib import ExitStack

from tests.client import Person
from tests.device import online
from tests.server import Server


def test_every_device_of_the_recipient_gets_it(shared_server: Server, anna: Person, ben: Person) -> None:
    with ExitStack() as stack, online(shared_server, anna) as annas:
        devices = [stack.enter_context(online(shared_server, ben)) for _ in range(4)]
        for number in range(5):
            annas.say(ben, f"{number}")
        for device in devices:
            assert [message["content"] for message in device.wait_for_messages(5)] == ["0", "1", "2", "3", "4"]


def test_the_senders_other_devices_get_it_too(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as phone, online(shared_server, anna) as laptop:
        ack = phone.say(ben, "from the phone")
        frame = laptop.wait(lambda frame: frame["type"] == "message")
        assert frame["id"] == ack["messageId"]
        assert frame["data"] == {
            "senderId": anna.user_id,
            "senderUsername": anna.username,
            "recipientId": ben.user_id,
            "content": "from the phone",
            "conversationId": ack["conversationId"],
            "seq": 1,
            "status": "sent",
        }
        phone.sync()
        assert phone.messages() == []


def test_a_device_that_was_away_finds_what_it_missed(shared_server: Server, anna: Person, ben: Person) -> None:
    """The phone has confirmed everything, so nothing is pushed to the laptop: `ready` says that there is more."""
    with online(shared_server, anna) as annas, online(shared_server, ben) as phone:
        with online(shared_server, ben) as laptop:
            conversation = annas.say(ben, "on both")["conversationId"]
            laptop.wait_for_messages(1)
        for number in range(3):
            annas.say(ben, f"missed {number}")
        annas.wait_for_receipt("delivered", 4)
        phone.say(anna, "sent from the phone")
        with online(shared_server, ben) as laptop:
            ready = laptop.wait(lambda frame: frame["type"] == "ready")["data"]
            assert ready["conversations"] == [{"conversationId": conversation, "lastSeq": 5}]
            annas.say(ben, "live again")
            assert [message["seq"] for message in laptop.wait_for_messages(1)] == [6]
    missed = ben.client.get(f"/conversations/{conversation}/messages", after=1).succeeded()["messages"]
    assert [message["content"] for message in missed] == [
        "missed 0",
        "missed 1",
        "missed 2",
        "sent from the phone",
        "live again",
    ]
