"""Reading a conversation while it goes on, after its people have gone, and at the ends of numbers."""

from __future__ import annotations

import pytest

from chat_server.chat.history import read_history
from chat_server.storage.models import User
from tests.database.store import ANN, BOB, Store, draft


@pytest.fixture
def talk(store: Store) -> str:
    """Twenty messages, which are Ann's and Bob's by turns."""
    conversation_id = store.start_conversation()
    people = ((ANN, BOB), (BOB, ANN))
    store.send(*(draft(conversation_id, by=by, to=to) for _ in range(10) for by, to in people))
    return conversation_id


@pytest.mark.parametrize("span", [{"offset": 2**80}, {"before": 2**80}, {"after": 2**80}])
def test_no_number_is_too_large(store: Store, talk: str, span: dict[str, int]) -> None:
    page = store.readers.run(read_history, ANN, talk, limit=5, **span)
    assert len(page.messages) == (5 if "before" in span else 0)


def test_a_deleted_persons_messages_stay_under_no_name(store: Store, talk: str) -> None:
    store.writer.write(User.update(deleted_at=5).where(User.id == BOB).execute)
    page = store.readers.run(read_history, ANN, talk, limit=2)
    assert [message.sender_username for message in page.messages] == ["ann", "Deleted User"]
    assert [message.sender_id for message in page.messages] == [ANN, BOB]


def test_walking_back_meets_each_message_once_though_new_ones_come(store: Store, talk: str) -> None:
    met: list[int] = []
    before = None
    while before != 1:
        page = store.readers.run(read_history, ANN, talk, limit=3, before=before)
        met = [message.seq for message in page.messages] + met
        before = met[0]
        store.send(draft(talk))
    assert met == list(range(1, 21))
