"""Two people who write to each other without a pause, whatever happens to the server meanwhile."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.client import Client, Person
from tests.faults.correspondent import Correspondent
from tests.faults.line import LineLostError

WINDOW = 8
RETRY_SECONDS = 0.1
FINISH_SECONDS = 30


@contextmanager
def conversation(client: Client, *names: str, window: int = WINDOW, pause_seconds: float = 0) -> Iterator[Conversation]:
    """Goes on for the length of the block, in a thread; at its end nobody waits for anything any more.

    What was lost by then, or doubled, or came in another order, fails. The server needs its limits of rate off.
    """
    talk = Conversation(client, *names, window=window, pause_seconds=pause_seconds)
    thread = threading.Thread(target=talk.go_on)
    thread.start()
    try:
        talk.wait_until_under_way()
        yield talk
    finally:
        talk.finish()
        thread.join()
    if talk.failure:
        raise talk.failure
    talk.check()


class Conversation:
    """Both of its people, with what each has sent, heard of and got."""

    def __init__(self, client: Client, *names: str, window: int = WINDOW, pause_seconds: float = 0) -> None:
        """Each is `window` messages ahead of their acknowledgements; both rest for a moment after what has come."""
        ann, bob = [client.sign_up(name) for name in names]
        self.people = [Correspondent(one, other, window=window) for one, other in [(ann, bob), (bob, ann)]]
        self.interruptions = 0
        """How often one of the two had to connect again."""
        self.failure: BaseException | None = None
        self._finishing = threading.Event()
        self._pause_seconds = pause_seconds
        self._port = client.port

    @property
    def acknowledged(self) -> int:
        """How many messages the server has promised to keep."""
        return sum(len(one.acknowledged) for one in self.people)

    def wait_until_under_way(self) -> None:
        """Returns when either has had some acknowledged, or the thread has failed."""
        while not self.failure and not all(one.acknowledged for one in self.people):
            time.sleep(0.05)

    def finish(self) -> None:
        """Nothing new is written; what is under way comes to its end."""
        self._finishing.set()

    def go_on(self) -> None:
        """The thread's life."""
        try:
            while not self._finishing.wait(self._pause_seconds):
                self._turn(writing=True)
            self._end()
        except BaseException as failure:  # noqa: BLE001  told to whoever waits
            self.failure = failure
        for one in self.people:
            one.hang_up()

    def exchange(self, count: int) -> None:
        """Without a thread: each has so many more acknowledged, the other has got them, and both hang up."""
        wanted = [len(one.acknowledged) + count for one in self.people]
        deadline = time.monotonic() + FINISH_SECONDS
        while any(len(one.acknowledged) < each for one, each in zip(self.people, wanted, strict=True)):
            assert time.monotonic() < deadline, [
                (len(one.acknowledged), len(one.unacknowledged)) for one in self.people
            ]
            self._turn(writing=True)
        self._end()
        for one in self.people:
            one.hang_up()

    def _end(self) -> None:
        """Returns when both have all that was written."""
        deadline = time.monotonic() + FINISH_SECONDS
        while not all(self._is_done(one) for one in self.people):
            assert time.monotonic() < deadline, [(len(one.unacknowledged), one.reached) for one in self.people]
            self._turn(writing=False)

    def _turn(self, *, writing: bool) -> None:
        for one in self.people:
            if one.line is None:
                self._connect(one)
        lines = {one.line: one for one in self.people if one.line}
        if not lines:
            time.sleep(RETRY_SECONDS)
            return
        readable, _, _ = select.select(lines, [], [], RETRY_SECONDS)
        for line in readable:
            lines[line].attend(writing=writing)

    def _connect(self, one: Correspondent) -> None:
        try:
            one.connect(self._port)
        except (OSError, LineLostError):
            return
        self.interruptions += bool(one.sent)

    def _is_done(self, one: Correspondent) -> bool:
        everything = max(max(each.known, default=0) for each in self.people)
        return one.line is not None and not one.unacknowledged and one.reached == everything

    def check(self) -> None:
        """What `check` says, of both."""
        check(self.people)


def check(people: Sequence[Correspondent]) -> None:
    """Each message is in the history once, in the order of its writing, under the number that was promised."""
    messages = history(people[0].person)
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    for one in people:
        own = [message for message in messages if message["senderId"] == one.person.user_id]
        written = [f"{number} from {one.person.username}" for number in range(1, one.sent + 1)]
        assert [message["content"] for message in own] == written
        assert {message["id"]: message["seq"] for message in own} == one.acknowledged
        assert one.known == {message["seq"]: message["id"] for message in messages}


def history(person: Person) -> list[dict[str, object]]:
    """All messages of a person's only conversation, the oldest first."""
    [conversation] = person.client.get("/conversations").succeeded()["conversations"]
    messages: list[dict[str, object]] = []
    while len(messages) < conversation["lastSeq"]:
        page = person.client.get(
            f"/conversations/{conversation['conversationId']}/messages", after=len(messages), limit=100
        ).succeeded()
        messages += page["messages"]
    return messages
