"""Finding people, and the list of conversations."""

from __future__ import annotations

import time

from playwright.sync_api import Route, expect

from tests.client import Person
from tests.device import online
from tests.server import Server
from tests.web.visitor import NO_SERVICE_WORKER, Visit, Visitor


def test_a_person_is_found_by_the_beginning_of_their_name(ann: Visitor, anna: Person) -> None:
    ann.page.get_by_label("Find people").fill(anna.username.upper()[:-1])
    expect(ann.page.get_by_label("People found").get_by_role("button", name=anna.username, exact=True)).to_be_visible()


def test_that_nobody_is_found_is_said(ann: Visitor) -> None:
    ann.page.get_by_label("Find people").fill("nobody_of_that_name")
    expect(ann.page.get_by_text("Nobody's name begins with")).to_be_visible()


def test_typing_quickly_asks_once(visit: Visit, anna: Person) -> None:
    ann = visit(options=NO_SERVICE_WORKER)
    ann.sign_up()
    asked: list[str] = []
    ann.page.on("request", lambda request: asked.append(request.url) if "users/search" in request.url else None)
    ann.page.clock.install()
    ann.page.clock.pause_at(time.time() + 60)
    ann.page.get_by_label("Find people").press_sequentially(anna.username)
    assert asked == []
    ann.page.clock.run_for(250)
    ann.page.clock.resume()
    expect(ann.page.get_by_label("People found").get_by_role("button", name=anna.username, exact=True)).to_be_visible()
    assert len(asked) == 1


def test_a_late_answer_does_not_take_the_place_of_a_newer_one(visit: Visit, anna: Person, ben: Person) -> None:
    ann = visit(options=NO_SERVICE_WORKER)
    ann.sign_up()
    first = anna.username
    came: list[str] = []

    def late(route: Route) -> None:
        answer = route.fetch()
        time.sleep(1)  # a slow network, on purpose
        route.fulfill(response=answer)
        came.append(route.request.url)

    ann.page.route(f"**/users/search?q={first}**", late)
    field = ann.page.get_by_label("Find people")
    with ann.page.expect_request("**/users/search**"):
        field.fill(first)
    field.fill(ben.username)
    found = ann.page.get_by_label("People found")
    expect(found.get_by_role("button", name=ben.username, exact=True)).to_be_visible()
    ann.page.wait_for_timeout(1200)
    expect(found.get_by_role("button", name=first, exact=True)).to_have_count(0)
    assert len(came) == 1


def test_the_list_has_the_newest_first_with_what_was_said_last(ann: Visitor, anna: Person, ben: Person) -> None:
    for person in (anna, ben):
        ann.find(person.username)
        ann.write(f"hello {person.username}")
    rows = ann.page.get_by_label("Conversations").get_by_role("listitem")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(f"hello {ben.username}")
    ann.open_conversation(anna.username)
    ann.write("again")
    expect(rows.first).to_contain_text("again")


def test_unread_messages_are_counted_until_the_conversation_is_opened(
    ann: Visitor, anna: Person, shared_server: Server
) -> None:
    me = ann.person
    with online(shared_server, anna) as device:
        device.say(me, "one")
        device.say(me, "two")
    expect(ann.row(anna.username).locator(".unread")).to_have_text("2 unread")
    expect(ann.page).to_have_title("(2) chat-server")
    ann.open_conversation(anna.username)
    expect(ann.row(anna.username).locator(".unread")).to_be_hidden()
    expect(ann.page).to_have_title("chat-server")


def test_a_dot_says_who_is_online(ann: Visitor, anna: Person, shared_server: Server) -> None:
    ann.find(anna.username)
    ann.write("are you there?")
    dot = ann.row(anna.username).locator(".dot")
    with online(shared_server, anna):
        expect(dot).to_have_text("online")
    expect(dot).to_have_text("")
    expect(ann.page.get_by_role("heading", name=anna.username)).to_contain_text("last seen")
