"""Typing: told while it happens, and never kept."""

from __future__ import annotations

import pytest

from tests.client import PASSWORD, Person
from tests.conftest import Newcomer
from tests.device import online
from tests.server import Server


@pytest.fixture
def partner(shared_server: Server, anna: Person, newcomer: Newcomer) -> Person:
    """Somebody Anna shares a conversation with."""
    somebody = newcomer()
    anna.client.post("/conversations/start", {"otherUserId": somebody.user_id}).succeeded()
    return somebody


def test_the_other_is_told_on_every_device(shared_server: Server, anna: Person, partner: Person) -> None:
    with (
        online(shared_server, anna) as annas,
        online(shared_server, anna) as annas_other,
        online(shared_server, partner) as phone,
        online(shared_server, partner) as laptop,
    ):
        for is_typing in (True, False):
            annas.send("typing", {"recipientId": partner.user_id, "isTyping": is_typing})
        expected = [
            {"senderId": anna.user_id, "senderUsername": anna.username, "isTyping": is_typing}
            for is_typing in (True, False)
        ]
        for device in (phone, laptop):
            device.wait(lambda frame: frame["type"] == "typing" and not frame["data"]["isTyping"])
            assert [frame["data"] for frame in device.of("typing")] == expected
        for device in (annas, annas_other):
            device.sync()
            assert device.of("typing") + device.of("error") == []


def test_who_is_away_never_hears_of_it(shared_server: Server, anna: Person, partner: Person) -> None:
    with online(shared_server, anna) as annas:
        annas.send("typing", {"recipientId": partner.user_id, "isTyping": True})
        annas.sync()
        assert annas.of("error") == []
        with online(shared_server, partner) as late:
            annas.say(partner, "what I was typing")
            late.wait_for_messages(1)
            assert late.of("typing") == []


def test_strangers_do_not_hear_of_it(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, anna) as annas, online(shared_server, ben) as bens:
        annas.send("typing", {"recipientId": ben.user_id, "isTyping": True})
        annas.sync()
        bens.sync()
        assert bens.of("typing") + annas.of("error") == []


def test_a_person_one_has_blocked_does_not_hear_of_it(shared_server: Server, anna: Person, partner: Person) -> None:
    """It would show them that one is online."""
    anna.client.post(f"/users/{partner.user_id}/block").succeeded()
    with online(shared_server, anna) as annas, online(shared_server, partner) as theirs:
        annas.send("typing", {"recipientId": partner.user_id, "isTyping": True})
        annas.sync()
        theirs.sync()
        assert theirs.of("typing") + annas.of("error") == []


def test_nobody_of_that_id(shared_server: Server, anna: Person) -> None:
    with online(shared_server, anna) as annas:
        asked = annas.send("typing", {"recipientId": "user-nobody", "isTyping": True})
        assert annas.error(asked)["code"] == "RECIPIENT_NOT_FOUND"


def test_to_a_deleted_person_is_dropped(shared_server: Server, anna: Person, partner: Person) -> None:
    partner.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
    with online(shared_server, anna) as annas:
        annas.send("typing", {"recipientId": partner.user_id, "isTyping": True})
        annas.sync()
        assert annas.of("error") == []
