"""Searching inside a conversation."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.client import Person
from tests.device import Device, online
from tests.server import Server
from tests.web.visitor import Visitor


def look_for(visitor: Visitor, words: str) -> None:
    """Types words into the conversation's search."""
    button = visitor.page.get_by_role("button", name="Search this conversation")
    field = visitor.page.get_by_role("searchbox", name="Search this conversation")
    if not field.is_visible():
        button.click()
    field.fill(words)


def test_matches_are_marked_in_whatever_case(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    ann.write("The Tea is ready", "no coffee")
    ann.sees_status("no coffee", "sent")
    look_for(ann, "tea")
    matches = ann.page.get_by_label("Matches").get_by_role("listitem")
    expect(matches).to_have_count(1)
    expect(matches.locator("mark")).to_have_text("Tea")


def test_every_character_is_looked_for_as_it_is(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    ann.write("100% (sure).*", "100 percent")
    ann.sees_status("100 percent", "sent")
    look_for(ann, "% (sure).*")
    expect(ann.page.get_by_label("Matches").locator("mark")).to_have_text(["% (sure).*"])


def bury_the_needle(device: Device, visitor: Visitor) -> None:
    """Writes more messages after one than the page has at hand when it opens the conversation."""
    device.say(visitor.person, "the needle")
    for number in range(150):
        device.say(visitor.person, f"hay {number}")


def test_a_match_leads_to_its_message_however_old(ann: Visitor, anna: Person, shared_server: Server) -> None:
    with online(shared_server, anna) as device:
        bury_the_needle(device, ann)
    ann.open_conversation(anna.username)
    look_for(ann, "needle")
    ann.page.get_by_label("Matches").get_by_role("button").click()
    expect(ann.bubble("the needle")).to_be_in_viewport()
    expect(ann.bubble("the needle")).to_have_class(re.compile("pointed"))
    ann.page.get_by_role("button", name="To the newest message").click()
    expect(ann.bubble("hay 149")).to_be_in_viewport()


def test_what_is_written_while_one_looks_at_old_messages_is_shown_among_the_newest(
    ann: Visitor, anna: Person, shared_server: Server
) -> None:
    with online(shared_server, anna) as device:
        bury_the_needle(device, ann)
        ann.open_conversation(anna.username)
        look_for(ann, "needle")
        ann.page.get_by_label("Matches").get_by_role("button").click()
        expect(ann.bubble("the needle")).to_be_in_viewport()
        device.say(ann.person, "meanwhile")
    ann.write("mine")
    expect(ann.bubble("mine")).to_be_in_viewport()
    ann.sees_status("mine", "sent")
    assert list(ann.texts()[-3:]) == ["hay 149", "meanwhile", "mine"]


def test_nothing_found_is_said(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    look_for(ann, "needle")
    expect(ann.page.get_by_text("Nothing found")).to_be_visible()
