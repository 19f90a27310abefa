"""For everybody: WCAG 2.2 AA as far as a machine can judge it, the keyboard, and large letters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Route, expect

from tests.client import Person
from tests.device import online
from tests.server import Server, free_port, running_server
from tests.web.visitor import NO_SERVICE_WORKER, Visit, Visitor

LISTEN = """node => {
    node.heard = [];
    new MutationObserver(() => node.heard.push(node.textContent)).observe(node, { childList: true });
}"""
"""What a live region says from now on."""

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def entrance(visitor: Visitor, _: Person) -> None:
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()


def sign_up_form(visitor: Visitor, _: Person) -> None:
    visitor.page.get_by_role("button", name="I have no account yet").click()


def empty_list(visitor: Visitor, _: Person) -> None:
    visitor.sign_up()


def found_people(visitor: Visitor, other: Person) -> None:
    visitor.sign_up()
    visitor.page.get_by_label("Find people").fill(other.username)
    expect(visitor.page.get_by_label("People found").get_by_role("button").first).to_be_visible()


def conversation(visitor: Visitor, other: Person) -> None:
    visitor.sign_up()
    visitor.find(other.username)
    visitor.write("hello", "see https://example.org")
    visitor.sees_status("hello", "sent")
    other.client.post(f"/users/{visitor.person.user_id}/block").succeeded()
    visitor.write("not for you")
    visitor.sees_status("not for you", "failed")


def search(visitor: Visitor, other: Person) -> None:
    conversation(visitor, other)
    visitor.page.get_by_role("button", name="Search this conversation").click()
    visitor.page.get_by_role("searchbox", name="Search this conversation").fill("hello")
    expect(visitor.page.locator("mark")).to_have_count(1)


def account(visitor: Visitor, _: Person) -> None:
    visitor.sign_up()
    visitor.open_account()
    expect(visitor.page.get_by_text("this device")).to_be_visible()


def question(visitor: Visitor, other: Person) -> None:
    account(visitor, other)
    visitor.page.get_by_role("button", name="Delete my account").click()
    expect(visitor.page.get_by_role("dialog")).to_be_visible()


Show = Callable[[Visitor, Person], None]
SCREENS = [entrance, sign_up_form, empty_list, found_people, conversation, search, account, question]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_axe_finds_nothing(visit: Visit, anna: Person, screen: Show, *, dark: bool) -> None:
    visitor = visit(dark=dark)
    screen(visitor, anna)
    found = Axe().run(visitor.page, options={"runOnly": LEVELS, "resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def test_one_can_sign_up_find_somebody_and_write_by_keyboard_alone(
    visit: Visit, anna: Person, shared_server: Server
) -> None:
    visitor = visit()
    keys = visitor.page.keyboard
    visitor.page.get_by_role("button", name="I have no account yet").focus()
    keys.press("Enter")
    keys.type(visitor.name)  # the first field has the focus
    keys.press("Tab")
    keys.type("Correct-Horse-7")
    keys.press("Enter")
    expect(visitor.account).to_be_visible()
    visitor.account.focus()
    keys.press("Tab")
    keys.type(anna.username)
    expect(visitor.page.get_by_label("People found").get_by_role("button")).to_have_count(1)
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(visitor.composer).to_be_focused()
    keys.type("hello")
    keys.press("Enter")
    visitor.sees_status("hello", "sent")
    keys.press("Shift+Tab")
    expect(visitor.page.get_by_role("region", name=f"Messages with {anna.username}")).to_be_focused()


def test_on_a_phone_who_opens_a_conversation_and_comes_back_keeps_their_place(visit: Visit, anna: Person) -> None:
    """The keyboard does not come up by itself, and a screen reader goes where the page has gone."""
    phone = visit(width=390, options={"has_touch": True, "is_mobile": True})
    phone.sign_up()
    phone.find(anna.username)
    expect(phone.page.get_by_role("heading", name=anna.username)).to_be_focused()
    phone.page.get_by_role("button", name="Back to the list").tap()
    expect(phone.row(anna.username)).to_be_focused()


def test_in_a_narrow_window_who_comes_back_keeps_their_place(visit: Visit, anna: Person) -> None:
    ann = visit(width=640)
    ann.sign_up()
    ann.find(anna.username)
    expect(ann.composer).to_be_focused()
    back = ann.page.get_by_role("button", name="Back to the list")
    back.press("Enter")
    expect(ann.row(anna.username)).to_be_focused()
    ann.account.press("Enter")
    expect(ann.page.get_by_role("heading", name=ann.name)).to_be_focused()
    back.press("Enter")
    expect(ann.account).to_be_focused()


def test_a_conversation_that_moves_up_keeps_the_focus(
    ann: Visitor, anna: Person, ben: Person, shared_server: Server
) -> None:
    with online(shared_server, anna) as device:
        device.say(ann.person, "one")
        expect(ann.row(anna.username)).to_contain_text("one")
        with online(shared_server, ben) as other:
            other.say(ann.person, "two")
        expect(ann.page.locator(".conversations .name")).to_have_text([ben.username, anna.username])
        ann.row(anna.username).focus()
        device.say(ann.person, "three")
        expect(ann.page.locator(".conversations .name")).to_have_text([anna.username, ben.username])
    expect(ann.row(anna.username)).to_be_focused()


def test_where_a_button_goes_with_what_it_did_the_focus_stays_beside_it(
    ann: Visitor, anna: Person, shared_server: Server
) -> None:
    shared_server.client().log_in(ann.name).succeeded()
    ann.person.client.post(f"/users/{anna.user_id}/block").succeeded()
    ann.open_account()
    ann.page.get_by_label("Devices").get_by_role("button", name="Sign out").press("Enter")
    expect(ann.page.get_by_role("heading", name="Devices you are signed in on")).to_be_focused()
    ann.page.get_by_role("button", name=f"Unblock {anna.username}").press("Enter")
    expect(ann.page.get_by_role("heading", name="Blocked people")).to_be_focused()


def test_a_button_that_is_at_work_keeps_the_focus(visit: Visit) -> None:
    ann = visit(options=NO_SERVICE_WORKER)
    ann.sign_up()
    ann.open_account()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ann.page.route("**/user/me/export", hold)
    export = ann.page.get_by_role("button", name="Export my data")
    export.press("Enter")
    expect(ann.page.get_by_text("Gathering it…")).to_be_visible()
    expect(export).to_be_focused()
    expect(export).to_be_disabled()
    export.press("Enter")
    while not held:
        ann.page.wait_for_timeout(20)
    held[0].abort()
    expect(export).to_be_enabled()
    expect(export).to_be_focused()
    assert len(held) == 1


def test_on_a_phone_enter_begins_a_line_and_the_button_sends(visit: Visit, anna: Person) -> None:
    phone = visit(width=390, options={"has_touch": True, "is_mobile": True})
    phone.sign_up()
    phone.find(anna.username)
    phone.composer.press_sequentially("one")
    phone.composer.press("Enter")
    phone.composer.press_sequentially("two")
    phone.page.get_by_role("button", name="Send").tap()
    expect(phone.page.locator(".content")).to_have_text("one\ntwo", use_inner_text=True)


def test_who_closes_the_search_by_keyboard_is_back_at_its_button(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    button = ann.page.get_by_role("button", name="Search this conversation")
    button.press("Enter")
    expect(ann.page.get_by_role("searchbox", name="Search this conversation")).to_be_focused()
    ann.page.keyboard.press("Escape")
    expect(button).to_be_focused()


def test_words_say_what_colours_and_places_say(ann: Visitor, bob: Visitor) -> None:
    ann.find(bob.name)
    ann.write("hello")
    ann.sees_status("hello", "delivered")
    expect(ann.bubble("hello")).to_contain_text("You: ")
    expect(ann.bubble("hello").locator(".mark")).to_contain_text("delivered")
    expect(ann.row(bob.name)).to_have_attribute("aria-current", "page")
    block = ann.page.get_by_role("button", name="Block", exact=True)
    expect(block).to_have_attribute("aria-pressed", "false")
    ann.composer.fill("x" * 5_001)
    expect(ann.composer).to_have_attribute("aria-invalid", "true")
    expect(ann.composer).to_have_accessible_description("1 character too many")


def test_a_new_message_is_read_aloud_and_older_ones_are_not(ann: Visitor, bob: Visitor) -> None:
    bob.find(ann.name)
    bob.write("one")
    ann.open_conversation(bob.name)
    bob.write("two")
    expect(ann.page.get_by_role("log")).to_have_text(f"{bob.name}: two")
    # The same words again are news again.
    ann.page.evaluate(
        """new MutationObserver(() => window.heardAgain = true)
            .observe(document.querySelector('[role=log]'), { childList: true })"""
    )
    bob.write("two")
    ann.page.wait_for_function("() => window.heardAgain")


def test_how_much_is_left_is_read_aloud_a_few_times_and_not_at_each_letter(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    told = ann.page.locator(".composer").get_by_role("status")
    expect(told).to_be_attached()
    told.evaluate(LISTEN)
    for length in (4_499, 4_500, 4_501, 4_899, 4_900, 4_901, 4_980, 4_981, 5_001, 5_002):
        ann.composer.fill("x" * length)
    assert told.evaluate("node => node.heard") == [
        "500 characters left",
        "100 characters left",
        "20 characters left",
        "1 character too many",
    ]


def test_an_outage_is_read_aloud_once_and_its_end(tmp_path: Path, visit: Visit) -> None:
    port = free_port()
    with running_server(tmp_path, port=port, exits_cleanly=False) as server:
        ann = visit(server)
        ann.sign_up()
        ann.find(server.client().sign_up("bob").username)
        ann.write("hello")
        ann.sees_status("hello", "sent")  # it is connected
        told = ann.page.locator(".screen > [role=status]")
        expect(told).to_be_attached()
        banner = ann.page.locator(".banner > span")
        for node in (told, banner):
            node.evaluate(LISTEN)
        server.kill()
        ann.waits_for("() => document.querySelector('.banner > span').heard.length > 3")
    with running_server(tmp_path, port=port):
        ann.page.evaluate("dispatchEvent(new Event('online'))")
        expect(told).to_have_text("Connected again.")
    assert told.evaluate("node => node.heard")[:2] == ["The server does not answer.", "Connected again."]


@pytest.mark.parametrize(
    "screen", [entrance, empty_list, conversation, search, account], ids=lambda screen: screen.__name__
)
def test_at_twice_the_size_on_a_small_screen_nothing_is_cut_off(visit: Visit, anna: Person, screen: Show) -> None:
    """What 200 % of zoom leaves of 640 by 800 pixels."""
    visitor = visit(width=320, height=400)
    screen(visitor, anna)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    outside = page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, a, h1, h2, h3')]
            .filter((node) => node.checkVisibility() && !node.closest('.heard'))
            .filter((node) => { const box = node.getBoundingClientRect(); return box.left < 0 || box.right > 320.5; })
            .map((node) => node.outerHTML)"""
    )
    assert outside == []


def test_where_the_system_allows_few_colours_lines_say_what_they_said(ann: Visitor, bob: Visitor, anna: Person) -> None:
    ann.page.emulate_media(forced_colors="active")
    ann.find(anna.username)
    ann.write("to anna")
    ann.find(bob.name)
    ann.write("hello")
    bob.open_conversation(ann.name)
    ann.sees_status("hello", "read")
    expect(ann.row(bob.name).locator(".dot")).to_have_text("online")

    def line(selector: str) -> str:
        look = """node => {
            const { borderBottomStyle, borderBottomColor } = getComputedStyle(node);
            return `${borderBottomStyle} ${borderBottomColor}`;
        }"""
        return str(ann.page.locator(selector).first.evaluate(look))

    black = "solid rgb(0, 0, 0)"
    for selector in (".mine", ".mark[data-status=read] > span", ".conversations [aria-current]", ".dot.online"):
        assert line(selector) == black, selector
    assert line(".conversations a:not([aria-current])") != black


def test_who_wants_no_motion_has_none(ann: Visitor) -> None:
    """The tests' browsers ask for it."""
    assert ann.page.evaluate("document.getAnimations().length") == 0
    assert ann.page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
