"""Pushing is at-least-once; with the rule for clients it is exactly once, however often connections are lost."""

from __future__ import annotations

from collections import Counter
from random import Random
from uuid import UUID

import pytest

from tests.client import Person
from tests.conftest import Newcomer
from tests.device import Frame
from tests.messages.phone import Phone
from tests.server import Server

STEPS = 150


def stored(person: Person) -> dict[str, dict[int, tuple[str, str, str]]]:
    """All conversations of the person, as the server has them."""
    found = {}
    for conversation in person.client.get("/conversations").succeeded()["conversations"]:
        path = f"/conversations/{conversation['conversationId']}/messages"
        messages: list[Frame] = []
        while len(messages) < conversation["lastSeq"]:
            messages += person.client.get(path, after=len(messages), limit=100).succeeded()["messages"]
        found[conversation["conversationId"]] = {
            one["seq"]: (one["id"], one["senderId"], one["content"]) for one in messages
        }
    return found


@pytest.mark.parametrize("seed", range(6))
def test_every_device_shows_every_message_once(shared_server: Server, newcomer: Newcomer, seed: int) -> None:
    chance = Random(seed)
    people = [newcomer() for _ in range(3)]
    phones = [Phone(shared_server, person) for person in [*people, people[0], people[1]]]
    written: Counter[str] = Counter()
    for step in range(STEPS):
        phone = chance.choice(phones)
        action = chance.random()
        if action < 0.25:
            phone.connect()
        elif action < 0.45:
            phone.drop(politely=chance.random() < 0.3)
        else:
            to = chance.choice([person for person in people if person is not phone.person])
            for number in range(chance.choice([1, 1, 2, 10])):
                content = f"{step}.{number} {'x' * chance.choice([0, 50, 5000 - 8])}"
                phone.write(to, content, UUID(int=chance.getrandbits(128), version=4))
                written[content] += 1
    for phone in phones:
        phone.settle()
    for phone in phones:
        phone.connect()
        phone.drop(politely=True)

    for phone in phones:
        assert phone.shown == stored(phone.person)
        for conversation in phone.shown.values():
            assert sorted(conversation) == list(range(1, len(conversation) + 1))
    conversations = {name: messages for person in people for name, messages in stored(person).items()}
    assert Counter(message[2] for messages in conversations.values() for message in messages.values()) == written
