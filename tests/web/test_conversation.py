"""Writing to one another, and what a conversation looks like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.client import PASSWORD, Person
from tests.device import Device, online
from tests.server import Server
from tests.web.visitor import Visit, Visitor

LONG = 120
"""More messages than a page of history has."""


@contextmanager
def long_conversation(server: Server, visitor: Visitor, other: Person) -> Iterator[Device]:
    """The other person's device, after they have written many messages."""
    with online(server, other) as device:
        for number in range(1, LONG + 1):
            device.say(visitor.person, f"message {number}")
        yield device


def sees_with_dividers(visitor: Visitor, *texts: str) -> None:
    """Waits until the messages are these, with what stands between them."""
    expect(visitor.page.locator(".messages .divider, .messages .content")).to_have_text(list(texts))


class TestMarks:
    def test_a_message_is_delivered_when_the_other_is_there_and_read_when_they_look(
        self, ann: Visitor, bob: Visitor
    ) -> None:
        ann.find(bob.name)
        ann.write("hello")
        ann.sees_status("hello", "delivered")
        bob.open_conversation(ann.name)
        ann.sees_status("hello", "read")

    def test_what_was_stored_while_nobody_was_there_is_sent(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        ann.write("hello")
        ann.sees_status("hello", "sent")

    def test_who_looks_elsewhere_has_not_read_yet(self, ann: Visitor, bob: Visitor) -> None:
        bob.find(ann.name)
        bob.write("one")
        ann.open_conversation(bob.name)
        bob.sees_status("one", "read")
        ann.looks_elsewhere()
        bob.write("two")
        expect(ann.page).to_have_title("(1) chat-server")
        bob.sees_status("two", "delivered")
        ann.page.bring_to_front()
        bob.sees_status("two", "read")
        expect(ann.page).to_have_title("chat-server")

    def test_reading_on_one_device_is_known_on_the_other(self, ann: Visitor, bob: Visitor, visit: Visit) -> None:
        phone = visit(width=390)
        phone.name = bob.name
        phone.sign_in()
        ann.find(bob.name)
        ann.write("hello")
        expect(phone.row(ann.name).locator(".unread")).to_have_text("1 unread")
        bob.open_conversation(ann.name)
        expect(phone.row(ann.name).locator(".unread")).to_be_hidden()


class TestWriting:
    def test_two_people_talk(self, ann: Visitor, bob: Visitor) -> None:
        ann.find(bob.name)
        ann.write("Hello Bob")
        bob.open_conversation(ann.name)
        bob.write("Hello Ann")
        for visitor in (ann, bob):
            visitor.sees("Hello Bob", "Hello Ann")

    def test_shift_and_enter_begin_a_line(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        ann.composer.press_sequentially("one")
        ann.composer.press("Shift+Enter")
        ann.composer.press_sequentially("two")
        ann.composer.press("Enter")
        expect(ann.page.locator(".content")).to_have_text("one\ntwo", use_inner_text=True)

    @pytest.mark.parametrize("told", [{"isComposing": True}, {"keyCode": 229}], ids=["most browsers", "Safari"])
    def test_enter_that_chooses_a_word_while_it_is_composed_sends_nothing(
        self, ann: Visitor, anna: Person, told: dict[str, object]
    ) -> None:
        ann.find(anna.username)
        ann.composer.fill("にほん")
        ann.composer.dispatch_event("keydown", {"key": "Enter", **told})
        expect(ann.composer).to_have_value("にほん")
        ann.composer.press("Enter")
        ann.sees("にほん")

    def test_what_looks_like_markup_is_text(self, ann: Visitor, bob: Visitor) -> None:
        text = "<img src=x onerror=alert(1)><b>bold</b> &amp;"
        ann.find(bob.name)
        ann.write(text)
        bob.open_conversation(ann.name)
        bob.sees(text)
        assert bob.page.locator(".content *").count() == 0

    def test_links_can_be_followed_and_others_than_http_are_text(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        ann.write("see https://example.org/a?b=1, or javascript:alert(1)")
        link = ann.page.locator(".content a")
        expect(link).to_have_attribute("href", "https://example.org/a?b=1")
        expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")

    def test_near_the_limit_what_is_left_is_counted_and_too_much_is_not_sent(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        count = ann.page.locator("#compose-count")
        ann.composer.fill("😀" * 4_990)
        expect(count).to_have_text("10 characters left")
        ann.composer.fill("😀" * 5_001)
        expect(count).to_have_text("1 character too many")
        expect(ann.page.get_by_role("button", name="Send")).to_be_disabled()
        ann.composer.press("Enter")
        expect(ann.page.locator(".content")).to_have_count(0)

    def test_a_draft_is_kept_for_each_conversation(self, ann: Visitor, anna: Person, ben: Person) -> None:
        ann.find(anna.username)
        ann.composer.fill("for anna")
        ann.find(ben.username)
        expect(ann.composer).to_have_value("")
        ann.open_conversation(anna.username)
        expect(ann.composer).to_have_value("for anna")
        ann.page.reload()
        expect(ann.composer).to_have_value("for anna")

    def test_a_draft_that_is_sent_as_it_was_is_no_draft_any_more(self, ann: Visitor, anna: Person, ben: Person) -> None:
        ann.find(anna.username)
        ann.composer.fill("for anna")
        ann.find(ben.username)
        ann.open_conversation(anna.username)
        expect(ann.composer).to_have_value("for anna")
        ann.composer.press("Enter")
        ann.sees_status("for anna", "sent")
        ann.find(ben.username)
        expect(ann.composer).to_have_value("")
        ann.open_conversation(anna.username)
        ann.sees("for anna")
        expect(ann.composer).to_have_attribute("aria-invalid", "false")  # a draft would be there
        expect(ann.composer).to_have_value("")

    def test_the_other_sees_that_one_is_typing(self, ann: Visitor, bob: Visitor) -> None:
        ann.find(bob.name)
        ann.write("hello")
        bob.open_conversation(ann.name)
        ann.composer.press_sequentially("hm")
        expect(bob.page.get_by_text(f"{ann.name} is typing…")).to_be_visible()
        ann.composer.fill("")
        expect(bob.page.get_by_text(f"{ann.name} is typing…")).to_be_hidden()

    def test_a_message_to_who_has_blocked_one_fails_in_words_and_can_be_tried_again(
        self, ann: Visitor, anna: Person
    ) -> None:
        ann.find(anna.username)
        ann.write("hello")
        ann.sees_status("hello", "sent")
        me = ann.person.user_id
        anna.client.post(f"/users/{me}/block").succeeded()
        ann.write("are you angry?")
        ann.sees_status("are you angry?", "failed")
        expect(ann.bubble("are you angry?")).to_contain_text("Not sent")
        anna.client.delete(f"/users/{me}/block").succeeded()
        ann.page.get_by_role("button", name="Try again").click()
        ann.sees_status("are you angry?", "sent")

    def test_that_one_has_failed_is_heard_and_its_buttons_keep_the_focus_whatever_else_comes(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        me = ann.person
        with online(shared_server, anna) as device:
            device.say(me, "before")
            ann.open_conversation(anna.username)
            anna.client.post(f"/users/{me.user_id}/block").succeeded()
            ann.write("hello?")
            log = ann.page.get_by_role("log")
            expect(log).to_contain_text("Not sent: ")
            again = ann.page.get_by_role("button", name="Try again")
            again.focus()
            device.say(me, "after")
            ann.sees("before", "after", "hello?")
            expect(again).to_be_focused()
            again.press("Enter")
            expect(ann.composer).to_be_focused()
            expect(log).to_contain_text("Not sent: ")  # once more
            ann.page.get_by_role("button", name="Discard").press("Enter")
            expect(ann.composer).to_be_focused()
            ann.sees("before", "after")

    def test_a_failed_one_can_be_given_up(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        anna.client.post(f"/users/{ann.person.user_id}/block").succeeded()
        ann.write("hello")
        ann.page.get_by_role("button", name="Discard").click()
        ann.sees()
        ann.page.reload()
        expect(ann.composer).to_be_visible()
        ann.sees()


class TestHistory:
    def test_older_messages_come_as_one_scrolls_up_and_the_place_is_kept(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        with long_conversation(shared_server, ann, anna):
            ann.open_conversation(anna.username)
        expect(ann.bubble(f"message {LONG}")).to_be_in_viewport()
        assert len(ann.texts()) < LONG
        scroller = ann.page.locator(".scroller")
        while ann.texts()[0] != "message 1":
            first = ann.bubble(ann.texts()[0])
            scroller.evaluate("node => node.scrollTop = 0")
            text = first.locator(".content").inner_text()
            ann.page.wait_for_function("text => document.querySelector('.content').textContent !== text", arg=text)
            expect(first).to_be_in_viewport()
        assert list(ann.texts()) == [f"message {number}" for number in range(1, LONG + 1)]

    def test_a_button_leads_back_to_the_newest(self, ann: Visitor, anna: Person, shared_server: Server) -> None:
        with long_conversation(shared_server, ann, anna):
            ann.open_conversation(anna.username)
        newest = ann.page.get_by_role("button", name="To the newest message")
        expect(ann.bubble(f"message {LONG}")).to_be_in_viewport()
        expect(newest).to_be_hidden()
        ann.page.locator(".scroller").evaluate("node => node.scrollTop = 0")
        newest.click()
        expect(ann.bubble(f"message {LONG}")).to_be_in_viewport()
        expect(newest).to_be_hidden()

    def test_a_line_stands_above_what_is_unread(self, ann: Visitor, bob: Visitor) -> None:
        bob.find(ann.name)
        bob.write("seen")
        ann.open_conversation(bob.name)
        bob.sees_status("seen", "read")
        ann.open_account()
        bob.write("unseen")
        expect(ann.row(bob.name).locator(".unread")).to_have_text("1 unread")
        ann.open_conversation(bob.name)
        sees_with_dividers(ann, "Today", "seen", "New messages", "unseen")

    def test_the_line_stands_above_the_first_message_of_a_new_person(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        with online(shared_server, anna) as device:
            device.say(ann.person, "hello")
        ann.open_conversation(anna.username)
        sees_with_dividers(ann, "Today", "New messages", "hello")

    def test_the_line_stands_below_what_one_wrote_oneself(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        me = ann.person
        ann.find(anna.username)
        ann.write("question")
        with online(shared_server, anna) as device:
            for answer, more in (("answer", "another question"), ("another answer", "thank you")):
                ann.open_account()
                device.say(me, answer)
                expect(ann.row(anna.username).locator(".unread")).to_have_text("1 unread")
                ann.open_conversation(anna.username)
                expect(ann.page.locator(".unread-line + li")).to_contain_text(answer)
                ann.write(more)
                ann.sees_status(more, "delivered")
                expect(ann.page.locator(".unread-line")).to_have_count(0)
        sees_with_dividers(ann, "Today", "question", "answer", "another question", "another answer", "thank you")

    def test_a_line_stands_above_what_came_while_one_looked_elsewhere_and_not_above_what_one_saw_come(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        me = ann.person
        with online(shared_server, anna) as device:
            device.say(me, "one")
            ann.open_conversation(anna.username)
            device.wait_for_receipt("read", 1)
            ann.write("two")
            ann.sees_status("two", "delivered")
            device.say(me, "three")
            device.wait_for_receipt("read", 3)
            sees_with_dividers(ann, "Today", "one", "two", "three")
            ann.looks_elsewhere()
            device.say(me, "four")
            device.say(me, "five")
            sees_with_dividers(ann, "Today", "one", "two", "three", "New messages", "four", "five")
            ann.page.bring_to_front()
            device.wait_for_receipt("read", 5)
            device.say(me, "six")
            sees_with_dividers(ann, "Today", "one", "two", "three", "New messages", "four", "five", "six")

    def test_a_line_stands_above_what_came_while_the_page_was_closed(
        self, ann: Visitor, anna: Person, shared_server: Server
    ) -> None:
        me = ann.person
        with online(shared_server, anna) as device:
            device.say(me, "seen")
            ann.open_conversation(anna.username)
            device.wait_for_receipt("read", 1)
            expect(ann.row(anna.username).locator(".unread")).to_be_hidden()
            address = ann.page.url
            ann.page.goto("about:blank")
            device.say(me, "unseen")
        ann.page.goto(address)
        sees_with_dividers(ann, "Today", "seen", "New messages", "unseen")

    def test_who_deleted_their_account_can_not_be_written_to(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        ann.write("hello")
        ann.sees_status("hello", "sent")
        anna.client.delete("/user/me", {"password": PASSWORD}).succeeded()
        ann.page.reload()
        expect(ann.page.get_by_role("heading", name="Deleted User")).to_be_visible()
        expect(ann.composer).to_be_hidden()

    def test_that_an_account_was_deleted_is_seen_at_the_first_message_that_fails_for_it(
        self, ann: Visitor, anna: Person
    ) -> None:
        ann.find(anna.username)
        anna.client.delete("/user/me", {"password": PASSWORD}).succeeded()
        ann.write("hello")
        expect(ann.page.get_by_role("heading", name="Deleted User")).to_be_visible()
        expect(ann.composer).to_be_hidden()
        expect(ann.page.locator(".scroller")).to_be_focused()
        expect(ann.bubble("hello")).to_contain_text("Not sent: That account was deleted")
        expect(ann.page.get_by_role("button", name="Discard")).to_be_visible()
        expect(ann.page.get_by_role("button", name="Try again")).to_have_count(0)
        ann.page.reload()
        expect(ann.page.get_by_role("button", name="Discard")).to_be_visible()
        expect(ann.page.get_by_role("button", name="Try again")).to_have_count(0)


@pytest.mark.parametrize("text", ["שלום עולם", "مرحبا", "W" * 3000, "👩‍👩‍👧‍👦" * 20])
def test_no_text_makes_the_page_wider_than_a_small_phone(visit: Visit, anna: Person, text: str) -> None:
    visitor = visit(width=320, height=640)
    visitor.sign_up()
    visitor.find(anna.username)
    visitor.write(text)
    visitor.sees(text)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert visitor.page.locator(".scroller").evaluate("node => node.scrollWidth <= node.clientWidth")
