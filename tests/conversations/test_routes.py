"""What is remembered of who may write to whom is never older than what is known to have changed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat_server.chat import conversations as module
from chat_server.chat.blocks import Blocks
from chat_server.chat.conversations import Conversations, Route, start_conversation
from chat_server.chat.messages import Messages
from chat_server.chat.refusals import BlockedError, UserNotFoundError, WithOneselfError
from chat_server.security.throttle import Rate
from chat_server.storage.models import Message
from tests.database.store import ANN, BOB, Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "chat.db") as opened:
        yield opened


@pytest.fixture
def conversations(store: Store) -> Conversations:
    return Conversations(store.readers, store.writer, clock=itertools.count(1).__next__)


@pytest.fixture
def messages(store: Store, conversations: Conversations) -> Messages:
    return Messages(conversations, store.writer, rate=Rate(per_minute=60, burst=1))


@pytest.fixture
def blocks(store: Store, conversations: Conversations) -> Blocks:
    return Blocks(store.readers, store.writer, clock=lambda: 1, changed=conversations.forget)


def send(messages: Messages, sender_id: str, recipient_id: str, client_id: str) -> None:
    messages.send(
        sender_id=sender_id,
        recipient_id=recipient_id,
        client_id=client_id,
        content="text",
        limited=False,
        now=1,
        origin=None,
    )


def stored(store: Store) -> list[tuple[str, int]]:
    def read() -> list[tuple[str, int]]:
        return [(row.sender_id, row.seq) for row in Message.select().order_by(Message.seq)]

    store.settle()
    return store.readers.run(read)


class SlowReading:
    """Lets the first route be read, and has it wait before it is given back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.was_read = threading.Event()
        self.may_return = threading.Event()
        find_route = module.find_route

        def find_slowly(sender_id: str, recipient_id: str) -> Route:
            route = find_route(sender_id, recipient_id)
            if not self.was_read.is_set():
                self.was_read.set()
                self.may_return.wait(10)
            return route

        monkeypatch.setattr(module, "find_route", find_slowly)

    def begin(self, conversations: Conversations, sender_id: str, recipient_id: str) -> gevent.Greenlet[..., Route]:
        reading = gevent.spawn(conversations.route, sender_id, recipient_id)
        while not self.was_read.is_set():
            gevent.sleep(0.001)
        return reading


def test_the_first_messages_of_both_at_once_find_one_conversation(store: Store, messages: Messages) -> None:
    writing = [
        gevent.spawn(send, messages, sender_id, recipient_id, f"{sender_id}{number}")
        for number in range(5)
        for sender_id, recipient_id in ((ANN, BOB), (BOB, ANN))
    ]
    gevent.joinall(writing, raise_error=True)
    assert sorted(seq for _, seq in stored(store)) == list(range(1, 11))


def test_a_conversation_that_another_program_began_is_found_by_the_next_message(
    store: Store, conversations: Conversations, messages: Messages
) -> None:
    assert conversations.route(ANN, BOB).conversation_id == ""
    store.writer.write(start_conversation, BOB, ANN, 1)
    send(messages, ANN, BOB, "a")
    assert stored(store) == [(ANN, 1)]


def test_a_route_that_was_read_while_the_conversation_began_is_not_remembered(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowReading(monkeypatch)
    reading = slow.begin(conversations, BOB, ANN)
    started = conversations.start(ANN, BOB)
    slow.may_return.set()
    assert reading.get().conversation_id == ""
    assert conversations.route(BOB, ANN).conversation_id == started.conversation_id


def test_a_route_that_was_read_while_one_blocked_the_other_is_not_remembered(
    conversations: Conversations, blocks: Blocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowReading(monkeypatch)
    reading = slow.begin(conversations, BOB, ANN)
    blocks.block(ANN, BOB)
    slow.may_return.set()
    assert not reading.get().blocked
    assert conversations.route(BOB, ANN).blocked


def test_a_block_counts_from_the_next_message_on_and_an_unblock_too(
    store: Store, conversations: Conversations, messages: Messages, blocks: Blocks
) -> None:
    send(messages, BOB, ANN, "a")
    blocks.block(ANN, BOB)
    with pytest.raises(BlockedError):
        send(messages, BOB, ANN, "b")
    assert conversations.route(ANN, BOB).sender_blocks
    blocks.unblock(ANN, BOB)
    send(messages, BOB, ANN, "c")
    assert stored(store) == [(BOB, 1), (BOB, 2)]


def test_there_is_no_route_to_nobody_or_to_oneself(conversations: Conversations) -> None:
    with pytest.raises(UserNotFoundError):
        conversations.route(ANN, "user-nobody")
    with pytest.raises(WithOneselfError):
        conversations.route(ANN, ANN)


@pytest.mark.parametrize("sender_id", [ANN, BOB])
def test_a_side_is_the_place_in_the_conversation(conversations: Conversations, sender_id: str) -> None:
    started = conversations.start(ANN, BOB)
    route = conversations.route(sender_id, BOB if sender_id == ANN else ANN)
    assert route.side == conversations.side(started.conversation_id, sender_id) == 1 + (sender_id == BOB)
    assert conversations.people(started.conversation_id) == (ANN, BOB)
