"""Rules of the page that can be tried without a conversation, in the browser that follows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.web.visitor import Visit

Run = Callable[..., Any]


RUN = """async ([name, code, argument]) => {
    const main = document.querySelector("script[src]").src;
    const module = await import(new URL(name, main));
    return CODE(module, argument);
}"""


@pytest.fixture
def run(visit: Visit) -> Run:
    """`run("text.js", "(module, text) => module.pieces(text)", "…")` in a page of the server's."""
    page = visit().page

    def ran(name: str, code: str, argument: object = None) -> Any:  # noqa: ANN401  as JSON is
        return page.evaluate(RUN.replace("CODE", f"({code})"), [name, code, argument])

    return ran


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("no link", []),
        ("https://example.org", ["https://example.org/"]),
        ("(see https://example.org/a).", ["https://example.org/a"]),
        ("https://en.wikipedia.org/wiki/Chat_(software)", ["https://en.wikipedia.org/wiki/Chat_(software)"]),
        ("http://a.example http://b.example!", ["http://a.example/", "http://b.example/"]),
        ("javascript:alert(1) data:text/html,x ftp://a.example", []),
        ("https://", []),
        ("https://exa<b>mple", ["https://exa/"]),
    ],
)
def test_links_are_http_and_end_before_the_sentence_does(run: Run, text: str, links: list[str]) -> None:
    found = run("text.js", "(module, text) => module.pieces(text)", text)
    assert "".join(piece["text"] for piece in found) == text
    assert [piece["href"] for piece in found if "href" in piece] == links


def test_pauses_double_to_half_a_minute_and_begin_anew_only_when_told(run: Run) -> None:
    code = """({ Backoff }) => {
        const pause = new Backoff(() => 1);
        const pauses = Array.from({ length: 9 }, () => pause.next());
        pause.held();
        return [...pauses, pause.next()];
    }"""
    assert run("backoff.js", code) == [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000, 500]


def test_pauses_are_anything_up_to_their_bound(run: Run) -> None:
    pauses = run("backoff.js", "({ Backoff }) => [...Array(300)].map(() => new Backoff().next())")
    assert min(pauses) < 50
    assert max(pauses) > 450
    assert all(0 <= pause < 500 for pause in pauses)


class TestAConversationsMessages:
    """Whatever comes twice, late or in another order, each is there once and in order."""

    SETUP = """
        const none = { conversationId: "c", participantId: "bob", participantUsername: "bob", lastMessage: null,
            lastMessageAt: 0, unreadCount: 0, deliveredSeq: 0, readSeq: 0, myReadSeq: 0 };
        const upTo = (lastSeq) => new Conversation({ ...none, lastSeq, messageCount: lastSeq });
        const message = (seq) => ({ id: `m${seq}`, seq, senderId: "bob", content: `${seq}`, createdAt: seq });
        const seqs = (conversation) => conversation.messages.map(({ seq }) => seq);
    """

    def result(self, run: Run, code: str) -> object:
        return run("conversation.js", f"({{ Conversation }}) => {{ {self.SETUP} {code} }}")

    def test_a_message_that_comes_twice_is_there_once(self, run: Run) -> None:
        code = """
            const c = upTo(0);
            for (const seq of [1, 2, 2, 1, 3]) c.receive(message(seq), "ann");
            return [seqs(c), c.facts.unreadCount];
        """
        assert self.result(run, code) == [[1, 2, 3], 3]

    def test_one_that_comes_too_early_waits_for_those_before_it(self, run: Run) -> None:
        code = """
            const c = upTo(0);
            for (const seq of [1, 4]) c.receive(message(seq), "ann");
            const early = [seqs(c), c.hasGap];
            c.append([message(2), message(3)]);
            return [early, seqs(c), c.hasGap];
        """
        assert self.result(run, code) == [[[1], True], [1, 2, 3, 4], False]

    def test_ones_own_is_shown_though_what_is_before_it_is_missing(self, run: Run) -> None:
        code = """
            const own = (seq) => ({ ...message(seq), senderId: "ann", recipientId: "bob" });
            const c = upTo(5);
            c.isWanted = true;
            c.replace([1, 2].map(message));
            for (const seq of [7, 6]) c.receive(own(seq), "ann");
            const before = [seqs(c), c.ahead.map(({ seq }) => seq), c.hasGap];
            c.append([3, 4, 5].map(message));
            return [before, seqs(c), c.ahead, c.hasGap];
        """
        assert self.result(run, code) == [[[1, 2], [6, 7], True], [1, 2, 3, 4, 5, 6, 7], [], False]

    def test_one_that_the_list_told_of_before_it_came_is_there(self, run: Run) -> None:
        code = """
            const c = upTo(0);
            c.receive(message(1), "ann");
            c.learn({ ...c.facts, lastSeq: 2 });
            for (const seq of [2, 3]) c.receive(message(seq), "ann");
            return seqs(c);
        """
        assert self.result(run, code) == [1, 2, 3]

    def test_pages_that_overlap_are_laid_together(self, run: Run) -> None:
        code = """
            const c = upTo(6);
            c.replace([4, 5].map(message));
            c.prepend([2, 3, 4].map(message));
            c.append([5, 6].map(message));
            return [seqs(c), c.hasOlder, c.isAtNewest];
        """
        assert self.result(run, code) == [[2, 3, 4, 5, 6], True, True]

    def test_what_comes_while_old_messages_are_shown_is_not_put_beside_them(self, run: Run) -> None:
        code = """
            const c = upTo(90);
            c.replace([10, 11].map(message));
            c.receive(message(91), "ann");
            return [seqs(c), c.facts.lastSeq, c.isAtNewest];
        """
        assert self.result(run, code) == [[10, 11], 91, False]

    def test_marks_only_rise(self, run: Run) -> None:
        code = """
            const c = upTo(3);
            c.reach("read", 3);
            c.reach("delivered", 2);
            c.reach("read", 1);
            return c.statusOf(message(3));
        """
        assert self.result(run, code) == "read"

    def test_an_older_answer_lowers_no_mark_and_takes_nothing_away(self, run: Run) -> None:
        code = """
            const c = upTo(3);
            c.isThere(false, 77);
            c.reach("read", 3);
            c.learn({ ...none, lastSeq: 3, messageCount: 3 });
            return [c.statusOf(message(3)), c.facts.lastSeenAt];
        """
        assert self.result(run, code) == ["read", 77]

    def test_pages_asked_for_before_others_took_their_place_are_not_put_beside_them(self, run: Run) -> None:
        code = """
            const c = upTo(90);
            c.replace([40, 41].map(message));
            c.append([80, 81].map(message));
            c.prepend([7, 8].map(message));
            return seqs(c);
        """
        assert self.result(run, code) == [40, 41]

    def test_what_was_read_in_part_on_another_device_leaves_at_most_the_rest_unread(self, run: Run) -> None:
        code = """
            const c = upTo(10);
            c.learn({ ...none, lastSeq: 10, messageCount: 10, unreadCount: 10 });
            c.readHere(7);
            return c.facts.unreadCount;
        """
        assert self.result(run, code) == 3

    def test_messages_of_a_conversation_that_the_list_has_not_told_of_say_how_far_it_goes(self, run: Run) -> None:
        code = """
            const c = upTo(0);
            c.replace([{ ...message(8), senderId: "ann", recipientId: "bob", status: "read" }, message(9)]);
            return [c.facts.lastSeq, c.facts.unreadCount, c.statusOf({ seq: 8 })];
        """
        assert self.result(run, code) == [9, 1, "read"]

    def test_one_that_is_stored_and_still_in_the_outbox_is_shown_once(self, run: Run) -> None:
        code = """async () => {
            const { Conversation } = await import(new URL("conversation.js", document.querySelector("script").src));
            const { bubbles } = await import(new URL("bubbles.js", document.querySelector("script").src));
            SETUP
            const c = upTo(1);
            c.replace([{ ...message(1), senderId: "ann" }]);
            const shown = bubbles(c, { me: "ann", unreadAfter: null, unsent: [{ id: "m1" }, { id: "m2" }] });
            return shown.map(({ key }) => key);
        }"""
        keys = run("dom.js", code.replace("SETUP", self.SETUP))
        assert keys[1:] == ["mine-m1", "mine-m2"]

    def test_what_was_read_here_stays_read_whatever_an_older_answer_says(self, run: Run) -> None:
        code = """
            const c = upTo(3);
            c.replace([1, 2, 3].map(message));
            c.readHere(3);
            c.learn({ ...none, lastSeq: 3, messageCount: 3, unreadCount: 3 });
            return [c.facts.myReadSeq, c.facts.unreadCount];
        """
        assert self.result(run, code) == [3, 0]


def test_messages_that_come_at_once_are_kept_at_once_so_that_reading_waits_for_few(run: Run) -> None:
    code = """async ({ Store }) => {
        const begin = IDBDatabase.prototype.transaction;
        let begun = 0;
        IDBDatabase.prototype.transaction = function (...how) {
            begun += 1;
            return begin.apply(this, how);
        };
        const store = await Store.open("somebody");
        const seqs = Array.from({ length: 1000 }, (_, at) => at + 1);
        await Promise.all(seqs.map((seq) => store.keepMessages([{ conversationId: "c", seq }])));
        const kept = await store.newest("c", { limit: 2000 });
        store.close();
        return [kept.length, begun < 10];
    }"""
    assert run("store.js", code) == [1000, True]
