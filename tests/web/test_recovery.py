"""What goes wrong around the page: files that do not come, answers that fail, a browser that keeps nothing."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.client import PASSWORD, Person
from tests.device import online
from tests.server import Server, free_port, running_server
from tests.web.visitor import NO_SERVICE_WORKER, Visit, Visitor

NO_DATABASE = "indexedDB.open = () => { throw new DOMException('not here', 'SecurityError'); };"
NO_ROOM = "IDBObjectStore.prototype.put = () => { throw new DOMException('no room', 'QuotaExceededError'); };"
WOULD_BE_ASKED = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
MANY = 55
"""More conversations than the list fetches at once."""


def fails_once(page: Page, pattern: str) -> list[str]:
    """Lets the first request of the page to such an address fail; gives the addresses that failed."""
    failed: list[str] = []

    def once(route: Route) -> None:
        if failed:
            route.continue_()
        else:
            failed.append(route.request.url)
            route.abort()

    page.route(pattern, once)
    return failed


class TestFiles:
    def test_one_that_does_not_come_is_fetched_anew(self, visit: Visit) -> None:
        visitor = visit(options=NO_SERVICE_WORKER)
        failed = fails_once(visitor.page, "**/thread.js")
        visitor.open()
        expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert len(failed) == 1
        assert visitor.page.evaluate("sessionStorage.length") == 0

    def test_while_one_is_missing_that_is_said(self, visit: Visit) -> None:
        visitor = visit(options=NO_SERVICE_WORKER)
        visitor.page.route("**/thread.js", lambda route: route.abort())
        visitor.open()
        expect(visitor.page.get_by_role("status")).to_contain_text("A file of this page did not come")


class TestAnswers:
    def test_a_list_that_could_not_be_fetched_comes_all_the_same(
        self, visit: Visit, anna: Person, shared_server: Server
    ) -> None:
        ann = visit(options=NO_SERVICE_WORKER)
        ann.sign_up()
        ann.page.goto("about:blank")
        with online(shared_server, ann_device(ann, shared_server)) as device:
            device.say(anna, "from my other device")
        failed = fails_once(ann.page, "**/conversations?*")
        ann.open()
        expect(ann.row(anna.username)).to_contain_text("from my other device")
        assert len(failed) == 1

    def test_messages_that_could_not_be_fetched_come_all_the_same(
        self, visit: Visit, anna: Person, shared_server: Server
    ) -> None:
        ann = visit()
        ann.sign_up()
        with online(shared_server, ann.person) as device:
            device.say(anna, "one")
        phone = visit(options=NO_SERVICE_WORKER)
        phone.name = ann.name
        phone.sign_in()
        failed = fails_once(phone.page, "**/messages?*")
        phone.open_conversation(anna.username)
        phone.sees("one")
        assert len(failed) == 1

    def test_what_is_written_is_sent_though_nothing_can_be_fetched(self, visit: Visit, anna: Person) -> None:
        ann = visit(options=NO_SERVICE_WORKER)
        ann.sign_up()
        ann.find(anna.username)
        ann.write("one")
        ann.sees_status("one", "sent")
        ann.page.route("**/conversations*?*", lambda route: route.abort())
        ann.page.reload()
        ann.write("two")
        ann.sees_status("two", "sent")

    def test_what_is_sent_stays_while_what_is_before_it_can_not_be_fetched(
        self, visit: Visit, anna: Person, shared_server: Server
    ) -> None:
        ann = visit(options=NO_SERVICE_WORKER)
        ann.sign_up()
        ann.find(anna.username)
        ann.write("one")
        ann.sees_status("one", "sent")
        address = ann.page.url
        ann.page.goto("about:blank")
        with online(shared_server, ann_device(ann, shared_server)) as device:
            device.say(anna, "two, from my other device")
        ann.page.route("**/messages?*", lambda route: route.abort())
        ann.page.goto(address)
        ann.sees("one")
        ann.write("three")
        ann.sees_status("three", "sent")
        ann.sees("one", "three")
        ann.page.unroute("**/messages?*")
        ann.sees("one", "two, from my other device", "three")

    def test_messages_over_the_rate_limit_are_sent_later_in_their_order(self, tmp_path: Path, visit: Visit) -> None:
        with running_server(tmp_path, rate_limit={"burst": 2, "messages_per_minute": 60}) as server:
            ann = visit(server)
            ann.sign_up()
            server.client().sign_up("bob")
            ann.find("bob")
            ann.write("one", "two", "three", "four")
            ann.sees_status("four", "sent")
            ann.page.reload()
            ann.sees("one", "two", "three", "four")


class TestABrowserThatKeepsNothing:
    @pytest.mark.parametrize("fault", [NO_DATABASE, NO_ROOM], ids=["no database", "no room"])
    def test_one_can_chat_all_the_same(self, visit: Visit, anna: Person, fault: str) -> None:
        ann = visit()
        ann.page.add_init_script(fault)
        ann.open()
        ann.sign_up()
        ann.find(anna.username)
        ann.write("hello")
        ann.sees_status("hello", "sent")
        ann.page.reload()
        ann.sees("hello")

    @pytest.mark.parametrize("fault", [NO_DATABASE, NO_ROOM], ids=["no database", "no room"])
    def test_drafts_stay_as_long_as_the_page_is_open(self, visit: Visit, anna: Person, ben: Person, fault: str) -> None:
        ann = visit()
        ann.page.add_init_script(fault)
        ann.open()
        ann.sign_up()
        ann.find(anna.username)
        ann.composer.fill("for anna")
        ann.find(ben.username)
        expect(ann.composer).to_have_value("")
        ann.open_conversation(anna.username)
        expect(ann.composer).to_have_value("for anna")
        ann.write("for anna, again")
        ann.open_conversation(ben.username)
        ann.open_conversation(anna.username)
        expect(ann.composer).to_have_value("")

    @pytest.mark.parametrize("fault", [NO_DATABASE, NO_ROOM], ids=["no database", "no room"])
    def test_who_leaves_while_a_message_waits_is_asked(self, tmp_path: Path, visit: Visit, fault: str) -> None:
        port = free_port()
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            server.client().sign_up("bob")
            ann = visit(server)
            ann.page.add_init_script(fault)
            ann.open()
            ann.sign_up()
            ann.find("bob")
            assert ann.page.evaluate(WOULD_BE_ASKED) is False
            server.kill()
            ann.write("not yet")
            ann.sees_status("not yet", "pending")
            assert ann.page.evaluate(WOULD_BE_ASKED) is True
        with running_server(tmp_path, port=port):
            ann.page.evaluate("dispatchEvent(new Event('online'))")
            ann.sees_status("not yet", "sent")
            ann.waits_for(f"() => !({WOULD_BE_ASKED})")


class TestLongAway:
    def test_a_conversation_is_loaded_and_what_was_written_is_shown_once_the_server_is_back(
        self, tmp_path: Path, visit: Visit
    ) -> None:
        port = free_port()
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            ann, bob = server.client().sign_up("ann"), server.client().sign_up("bob")
            with online(server, ann) as device:
                device.say(bob, "one")
            phone = visit(server)
            phone.name = "ann"
            phone.sign_in()
            expect(phone.row("bob")).to_contain_text("one")
            server.kill()
            phone.open_conversation("bob")
            phone.write("two")
            phone.sees_status("two", "pending")
        with running_server(tmp_path, port=port):
            phone.page.evaluate("dispatchEvent(new Event('online'))")
            phone.sees("one", "two")
            phone.sees_status("two", "sent")

    def test_the_whole_list_is_right_however_many_have_written(
        self, ann: Visitor, new_people: list[Person], shared_server: Server
    ) -> None:
        with online(shared_server, ann.person) as device:
            for person in new_people:
                device.say(person, "first")
            expect(ann.row(new_people[0].username)).to_contain_text("first")
            ann.page.goto("about:blank")
            for person in new_people:
                device.say(person, "second")
        ann.open()
        for person in (new_people[0], new_people[-1]):
            expect(ann.row(person.username)).to_contain_text("second")

    def test_after_a_restored_backup_the_page_shows_what_the_server_has(self, tmp_path: Path, visit: Visit) -> None:
        port = free_port()
        backup = tmp_path / "backup.db"
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            ann = visit(server)
            ann.sign_up()
            bob = server.client().sign_up("bob")
            me = ann.person
            with online(server, bob) as device:
                device.say(me, "one")
                with closing(sqlite3.connect(server.database)) as source, closing(sqlite3.connect(backup)) as copy:
                    source.backup(copy)
                for text in ("lost", "lost too"):
                    device.say(me, text)
                ann.open_conversation("bob")
                ann.sees("one", "lost", "lost too")
            server.kill()
        for ending in ("", "-wal", "-shm"):
            server.database.with_name(server.database.name + ending).unlink(missing_ok=True)
        shutil.copy(backup, server.database)
        with running_server(tmp_path, port=port) as server:
            ann.page.evaluate("dispatchEvent(new Event('online'))")
            ann.sees("one")
            with online(server, bob) as device:
                device.say(me, "new")
                ann.sees("one", "new")
            ann.page.reload()
            ann.sees("one", "new")


class TestTheEndOfASession:
    def test_what_is_not_sent_yet_outlives_a_session_that_was_ended_elsewhere(
        self, tmp_path: Path, visit: Visit
    ) -> None:
        port = free_port()
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            server.client().sign_up("bob")
            ann = visit(server)
            ann.sign_up()
            other = ann.another_tab()
            ann.find("bob")
            server.kill()
            ann.write("keep this")
            ann.sees_status("keep this", "pending")
            ann.page.goto("about:blank")
            other.goto("about:blank")
        with running_server(tmp_path, port=port) as server:
            ann_device(ann, server).client.post("/auth/logout?everywhere=true").succeeded()
            ann.open(other)
            ann.open()
            for page in (ann.page, other):
                expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            ann.sign_in()
            ann.open_conversation("bob")
            ann.sees_status("keep this", "sent")

    def test_who_signs_out_is_told_of_what_is_not_sent_yet(self, tmp_path: Path, visit: Visit) -> None:
        with running_server(tmp_path, exits_cleanly=False) as server:
            server.client().sign_up("bob")
            ann = visit(server)
            ann.sign_up()
            ann.find("bob")
            server.kill()
            ann.write("not yet")
            ann.account.click()
            ann.page.get_by_role("button", name="Sign out", exact=True).click()
            expect(ann.page.get_by_role("dialog")).to_contain_text("A message is not sent yet")
            ann.page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
            expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()

    def test_who_signs_out_is_told_of_what_another_tab_has_not_sent_yet(self, tmp_path: Path, visit: Visit) -> None:
        with running_server(tmp_path, exits_cleanly=False) as server:
            server.client().sign_up("bob")
            ann = visit(server)
            ann.sign_up()
            ann.find("bob")
            other = ann.another_tab()
            other.get_by_role("link", name=ann.name, exact=True).click()
            server.kill()
            ann.write("not yet")
            ann.sees_status("not yet", "pending")
            other.get_by_role("button", name="Sign out", exact=True).click()
            expect(other.get_by_role("dialog")).to_contain_text("A message is not sent yet")

    def test_who_signs_out_everywhere_is_told_of_what_has_failed_and_would_be_lost(
        self, ann: Visitor, anna: Person
    ) -> None:
        ann.find(anna.username)
        anna.client.post(f"/users/{ann.person.user_id}/block").succeeded()
        other = ann.another_tab()
        other.get_by_role("link", name=ann.name, exact=True).click()
        ann.write("hello")
        ann.sees_status("hello", "failed")
        other.get_by_role("button", name="Sign out everywhere").click()
        expect(other.get_by_role("dialog")).to_contain_text("A message is not sent yet, and would be lost.")

    def test_an_account_that_is_deleted_elsewhere_leads_to_the_entrance(self, ann: Visitor) -> None:
        ann.person.client.delete("/user/me", {"password": PASSWORD}).succeeded()
        expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()

    def test_signing_out_closes_what_is_open_in_another_tab(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        other = ann.another_tab()
        other.goto(ann.page.url)
        other.locator("#compose").fill("half a thought")
        other.get_by_role("button", name="Block").click()
        expect(other.get_by_role("dialog")).to_be_visible()
        ann.open_account()
        ann.page.get_by_role("button", name="Sign out", exact=True).click()
        expect(other.get_by_role("button", name="Sign in")).to_be_visible()
        expect(other.get_by_role("dialog")).to_have_count(0)

    def test_a_token_that_comes_after_signing_out_is_not_kept(self, tmp_path: Path, visit: Visit) -> None:
        with running_server(tmp_path, auth={"token_expiry_seconds": 20}) as server:
            ann = visit(server, options=NO_SERVICE_WORKER)
            ann.sign_up()
            ann.open_account()
            held: list[tuple[Route, APIResponse]] = []
            ann.page.route("**/auth/refresh", lambda route: held.append((route, route.fetch())))
            while not held:
                ann.page.wait_for_timeout(20)
            ann.page.get_by_role("button", name="Sign out", exact=True).click()
            expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()
            with ann.page.expect_request_finished(lambda request: "auth/refresh" in request.url):
                held[0][0].fulfill(response=held[0][1])
            ann.page.reload()
            expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()
            assert ann.page.evaluate("localStorage.length") == 0


def test_a_conversation_that_is_not_known_yet_is_shown_as_soon_as_it_is(
    ann: Visitor, visit: Visit, anna: Person
) -> None:
    ann.find(anna.username)
    ann.write("hello")
    ann.sees_status("hello", "sent")
    phone = visit()
    phone.name = ann.name
    phone.page.goto(ann.page.url)
    phone.sign_in()
    phone.sees("hello")


def test_a_draft_stays_when_another_tab_leaves_the_conversation(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    other = ann.another_tab()
    other.goto(ann.page.url)
    expect(other.locator("#compose")).to_be_visible()
    ann.composer.fill("half a thought")
    ann.open_account()
    other.get_by_role("link", name=ann.name, exact=True).click()
    expect(other.get_by_role("heading", name="Your data")).to_be_visible()
    ann.page.reload()
    ann.open_conversation(anna.username)
    expect(ann.composer).to_have_value("half a thought")


def test_a_draft_stays_though_the_page_is_left_with_the_last_letter(ann: Visitor, anna: Person) -> None:
    ann.find(anna.username)
    ann.page.evaluate("window.setTimeout = () => 1")  # no pause ends
    ann.composer.fill("half a thought")
    ann.page.reload()
    expect(ann.composer).to_have_value("half a thought")


def test_asking_for_a_sign_of_life_before_the_server_is_ready_does_not_end_the_connection(
    ann: Visitor, anna: Person
) -> None:
    ann.page.clock.install()
    opened: list[str] = []
    ann.page.on("websocket", lambda socket: opened.append(socket.url))
    ann.page.add_init_script(
        """const Real = WebSocket;
        window.WebSocket = class extends Real {
            constructor(...args) {
                super(...args);
                this.addEventListener("open", () => dispatchEvent(new Event("online")));
            }
        };"""
    )
    ann.page.reload()
    ann.find(anna.username)
    ann.write("hello")
    ann.sees_status("hello", "sent")
    ann.page.clock.fast_forward(16_000)
    ann.write("still here")
    ann.sees_status("still here", "sent")
    assert len(opened) == 1


@pytest.fixture
def new_people(shared_server: Server, ann: Visitor) -> list[Person]:
    """Many who have just signed up."""
    return [shared_server.client().sign_up(f"{ann.name}_{number}") for number in range(MANY)]


def ann_device(visitor: Visitor, server: Server) -> Person:
    """Another device of a person's whose page is closed."""
    signed_in = server.client().log_in(visitor.name).succeeded()
    client = server.client(signed_in["token"])
    return Person(signed_in["userId"], signed_in["username"], signed_in["token"], client)
