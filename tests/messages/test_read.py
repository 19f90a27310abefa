"""Reading: a mark per person and conversation that only rises, and who is told of it. Anna writes, Ben reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import Device, online
from tests.server import Server


@dataclass(frozen=True)
class Talk:
    """Anna has written five messages to Ben; all devices are online."""

    server: Server
    anna: Person
    ben: Person
    annas: Device
    bens: Device
    bens_other: Device
    conversation_id: str
    ids: tuple[str, ...]

    def read(self, up_to_seq: int) -> str:
        return self.bens.send("read", {"conversationId": self.conversation_id, "upToSeq": up_to_seq})

    def settle(self) -> None:
        """Whatever was asked of the writer so far is done, and has been told."""
        for _ in range(2):
            self.bens.say(self.anna, "settling")
        self.annas.sync()
        self.bens_other.sync()


@pytest.fixture
def talk(shared_server: Server, anna: Person, ben: Person) -> Iterator[Talk]:
    with (
        online(shared_server, anna) as annas,
        online(shared_server, ben) as bens,
        online(shared_server, ben) as bens_other,
    ):
        acks = [annas.say(ben, f"message {number}") for number in range(1, 6)]
        ids = tuple(ack["messageId"] for ack in acks)
        yield Talk(shared_server, anna, ben, annas, bens, bens_other, acks[0]["conversationId"], ids)


@contextmanager
def told(*devices: Device, status: str = "read") -> Iterator[list[list[int]]]:
    """What each of the devices is told of reading within the block."""
    before = [len(device.receipts(status)) for device in devices]
    found: list[list[int]] = []
    yield found
    found += [device.receipts(status)[seen:] for device, seen in zip(devices, before, strict=True)]


def test_the_writer_is_told(talk: Talk) -> None:
    talk.read(3)
    assert talk.annas.wait_for_receipt("read", 1)["data"] == {
        "status": "read",
        "messageId": talk.ids[2],
        "conversationId": talk.conversation_id,
        "upToSeq": 3,
        "userId": talk.ben.user_id,
    }


def test_the_readers_other_devices_are_told_and_the_one_that_read_is_not(talk: Talk) -> None:
    talk.read(3)
    told = talk.bens_other.wait_for_receipt("read", 1)["data"]
    assert (told["upToSeq"], told["userId"]) == (3, talk.ben.user_id)
    talk.settle()
    assert talk.bens.receipts("read") == []


def test_every_device_of_the_writer_is_told(talk: Talk) -> None:
    with online(talk.server, talk.anna) as laptop:
        talk.read(5)
        laptop.wait_for_receipt("read", 5)
        talk.annas.wait_for_receipt("read", 5)


@pytest.mark.parametrize("past", [6, 1_000, 2**53, 2**63, 10**30])
def test_past_the_end_is_cut_to_it(talk: Talk, past: int) -> None:
    talk.read(past)
    assert talk.annas.wait_for_receipt("read", 1)["data"]["upToSeq"] == 5


def test_backwards_does_nothing(talk: Talk) -> None:
    talk.read(4)
    talk.annas.wait_for_receipt("read", 4)
    for up_to_seq in (1, 3, 4, 0):
        talk.read(up_to_seq)
        talk.settle()
    assert talk.annas.receipts("read") == [4]
    assert talk.bens_other.receipts("read") == [4]
    assert talk.bens.of("error") == []
    talk.read(5)
    talk.annas.wait_for_receipt("read", 5)


def test_what_is_unread_is_counted(talk: Talk) -> None:
    def listed() -> tuple[int, int]:
        item = talk.ben.client.get("/conversations").succeeded()["conversations"][0]
        return item["unreadCount"], item["myReadSeq"]

    assert listed() == (5, 0)
    talk.read(2)
    talk.annas.wait_for_receipt("read", 2)
    assert listed() == (3, 2)
    talk.bens.say(talk.anna, "my own message is not unread")
    assert listed() == (3, 2)
    talk.read(100)
    talk.annas.wait_for_receipt("read", 6)
    assert listed() == (0, 6)


def test_history_shows_what_was_read(talk: Talk) -> None:
    talk.annas.wait_for_receipt("delivered", 5)
    talk.read(2)
    talk.annas.wait_for_receipt("read", 2)
    page = talk.anna.client.get(f"/conversations/{talk.conversation_id}/messages").succeeded()
    assert [message["status"] for message in page["messages"]] == ["read"] * 2 + ["delivered"] * 3


def test_each_person_reads_for_themselves(talk: Talk) -> None:
    talk.read(5)
    talk.annas.wait_for_receipt("read", 5)
    talk.annas.send("read", {"conversationId": talk.conversation_id, "upToSeq": 2})
    assert talk.bens.wait_for_receipt("read", 1)["data"]["upToSeq"] == 2
    item = talk.anna.client.get("/conversations").succeeded()["conversations"][0]
    assert (item["readSeq"], item["myReadSeq"]) == (5, 2)


def test_reading_an_empty_conversation_does_nothing(
    shared_server: Server, anna: Person, ben: Person, newcomer: Newcomer
) -> None:
    started = anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        for up_to_seq in (0, 1, 7):
            bens.send("read", {"conversationId": started["conversationId"], "upToSeq": up_to_seq})
        bens.say(newcomer(), "settling")
        annas.say(ben, "the first")
        annas.say(ben, "the second")
        bens.sync()
        assert annas.receipts("read") == []
        assert bens.of("error") == []
    listed = ben.client.get("/conversations").succeeded()["conversations"]
    assert [one["unreadCount"] for one in listed if one["participantId"] == anna.user_id] == [2]


def test_only_participants_read(talk: Talk, newcomer: Newcomer) -> None:
    with online(talk.server, newcomer()) as stranger:
        asked = stranger.send("read", {"conversationId": talk.conversation_id, "upToSeq": 5})
        assert stranger.error(asked)["code"] == "NOT_A_PARTICIPANT"
    talk.settle()
    assert talk.annas.receipts("read") == []


def test_no_such_conversation(talk: Talk) -> None:
    asked = talk.bens.send("read", {"conversationId": "conv-nowhere", "upToSeq": 5})
    assert talk.bens.error(asked)["code"] == "NOT_A_PARTICIPANT"


@pytest.mark.parametrize("up_to_seq", [-1, 1.5, "1", None, True])
def test_a_seq_is_a_number_that_counts(talk: Talk, up_to_seq: object) -> None:
    asked = talk.bens.send("read", {"conversationId": talk.conversation_id, "upToSeq": up_to_seq})
    assert talk.bens.error(asked)["code"] == "INVALID_MESSAGE"


def test_who_reads_while_the_writer_is_away_is_shown_later(talk: Talk) -> None:
    talk.annas.close()
    talk.read(5)
    talk.bens_other.wait_for_receipt("read", 5)
    item = talk.anna.client.get("/conversations").succeeded()["conversations"][0]
    assert (item["deliveredSeq"], item["readSeq"]) == (5, 5)
