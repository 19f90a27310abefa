"""What people see, and never lose, while the connection or the server comes and goes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import WebSocket, expect

from tests.client import Person
from tests.device import online
from tests.server import Server, free_port, running_server
from tests.web.cable import Cable
from tests.web.visitor import Visit, Visitor


def retry(visitor: Visitor) -> None:
    """Does not wait for the back-off."""
    visitor.page.evaluate("dispatchEvent(new Event('online'))")


@pytest.fixture
def one_socket_each(tmp_path: Path) -> Iterator[Server]:
    """A server that refuses the upgrade of a person's second tab."""
    with running_server(tmp_path, limits={"max_connections_per_user": 1}) as server:
        yield server


class TestTheServerIsKilled:
    def test_what_was_written_meanwhile_arrives_once_and_in_order(self, tmp_path: Path, visit: Visit) -> None:
        port = free_port()
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            ann, bob = visit(server), visit(server)
            for person in (ann, bob):
                person.sign_up()
            ann.find(bob.name)
            ann.write("before")
            ann.sees_status("before", "delivered")
            bob.open_conversation(ann.name)
            ann.composer.fill("into the void")
            server.kill()
            ann.composer.press("Enter")
            ann.write("and more")
            ann.sees_status("and more", "pending")
            expect(ann.page.locator(".banner")).to_contain_text("The server does not answer")
        with running_server(tmp_path, port=port):
            retry(ann)
            retry(bob)
            for text in ("into the void", "and more"):
                ann.sees_status(text, "read")
            for person in (ann, bob):
                person.sees("before", "into the void", "and more")
                expect(person.page.locator(".banner")).to_be_hidden()

    def test_what_was_not_sent_survives_the_page(self, tmp_path: Path, visit: Visit) -> None:
        port = free_port()
        with running_server(tmp_path, port=port, exits_cleanly=False) as server:
            ann = visit(server)
            ann.sign_up()
            bob = server.client().sign_up("bob")
            ann.find("bob")
            server.kill()
            ann.write("keep this")
            ann.sees_status("keep this", "pending")
            ann.page.goto("about:blank")
        with running_server(tmp_path, port=port):
            ann.open()
            ann.open_conversation("bob")
            ann.sees_status("keep this", "sent")
            [conversation] = bob.client.get("/conversations").succeeded()["conversations"]
            assert conversation["lastMessage"] == "keep this"

    def test_without_a_server_what_was_read_before_can_be_read(self, tmp_path: Path, visit: Visit) -> None:
        with running_server(tmp_path) as server:
            ann = visit(server)
            ann.sign_up()
            bob = server.client().sign_up("bob")
            with online(server, bob) as device:
                device.say(ann.person, "remember me")
            ann.open_conversation("bob")
            ann.sees("remember me")
            ann.page.wait_for_function("navigator.serviceWorker.controller")
        ann.page.reload()
        ann.sees("remember me")
        expect(ann.page.locator(".banner")).to_contain_text("The server does not answer")


class TestTheNetwork:
    def test_a_connection_that_has_fallen_silent_is_given_up_and_what_was_missed_comes(
        self, shared_server: Server, visit: Visit, anna: Person
    ) -> None:
        with Cable(shared_server.port) as cable, online(shared_server, anna) as device:
            ann = visit(cable)
            ann.sign_up()
            me = ann.person
            device.say(me, "one")
            ann.open_conversation(anna.username)
            ann.sees("one")
            cable.fall_silent()
            retry(ann)  # asks for a sign of life, and gets none
            expect(ann.page.locator(".banner")).to_contain_text("The server does not answer")
            for text in ("two", "three"):
                device.say(me, text)
            cable.mend()
            retry(ann)
            device.say(me, "four")
            ann.sees("one", "two", "three", "four")
            expect(ann.page.locator(".banner")).to_be_hidden()

    def test_nobody_is_said_to_be_online_while_there_is_no_connection(
        self, shared_server: Server, visit: Visit, anna: Person
    ) -> None:
        with Cable(shared_server.port) as cable, online(shared_server, anna) as device:
            ann = visit(cable)
            ann.sign_up()
            device.say(ann.person, "hello")
            ann.open_conversation(anna.username)
            dot = ann.row(anna.username).locator(".dot")
            heading = ann.page.get_by_role("heading", name=anna.username)
            expect(dot).to_have_text("online")
            expect(heading).to_contain_text("online")
            cable.fall_silent()
            retry(ann)
            expect(dot).to_have_text("")
            expect(heading).not_to_contain_text("online")
            cable.mend()
            retry(ann)
            expect(dot).to_have_text("online")
            expect(heading).to_contain_text("online")

    def test_a_silence_is_noticed_though_nothing_hints_at_it(self, shared_server: Server, visit: Visit) -> None:
        with Cable(shared_server.port) as cable:
            ann = visit(cable)
            ann.page.clock.install()
            ann.sign_up()
            expect(ann.page.locator(".banner")).to_be_hidden()
            ann.page.wait_for_timeout(500)  # it is connected
            cable.fall_silent()
            ann.page.clock.fast_forward(30_000)  # a heartbeat is due
            ann.page.clock.fast_forward(6_000)  # and so is its answer
            expect(ann.page.locator(".banner")).to_contain_text("The server does not answer")
            cable.mend()

    def test_connections_that_do_not_hold_are_tried_less_and_less_often(
        self, shared_server: Server, visit: Visit
    ) -> None:
        with Cable(shared_server.port) as cable:
            visitor = visit(cable)
            visitor.context.add_init_script("Math.random = () => 1")  # all that jitter allows
            opened: list[float] = []
            ready: list[float] = []

            def follow(socket: WebSocket) -> None:
                opened.append(time.monotonic())
                socket.once("framereceived", lambda _: ready.append(time.monotonic()))

            visitor.open()
            visitor.page.on("websocket", follow)
            visitor.sign_up()
            for tries in range(1, 5):
                while len(ready) < tries:
                    visitor.page.wait_for_timeout(20)
                cable.mend()
            while len(opened) < 5:
                visitor.page.wait_for_timeout(20)
            pauses = [later - earlier for earlier, later in zip(ready, opened[1:], strict=False)]
            for pause, least in zip(pauses, (0.5, 1, 2, 4), strict=True):
                assert pause >= least - 0.1, pauses

    def test_what_is_written_without_a_network_goes_out_when_it_is_back(
        self, shared_server: Server, visit: Visit, anna: Person
    ) -> None:
        with Cable(shared_server.port) as cable:
            ann = visit(cable)
            ann.sign_up()
            ann.find(anna.username)
            cable.fall_silent()
            ann.context.set_offline(True)
            ann.write("hello?")
            expect(ann.page.locator(".banner")).to_contain_text("This device has no network")
            ann.sees_status("hello?", "pending")
            cable.mend()
            ann.context.set_offline(False)
            ann.sees_status("hello?", "sent")


WITHOUT_JITTER = """
Math.random = () => 1; // all that jitter allows
window.tries = [];
const Real = WebSocket;
window.WebSocket = class extends Real {
    constructor(...args) {
        super(...args);
        window.tries.push(performance.now());
    }
};
"""


class TestNoWebSocket:
    def test_it_is_told_apart_from_a_server_that_is_away(self, one_socket_each: Server, visit: Visit) -> None:
        visitor = visit(one_socket_each)
        visitor.sign_up()
        other = visitor.another_tab()
        expect(other.locator(".banner")).to_contain_text("something keeps the WebSocket from opening")

    def test_it_is_tried_less_and_less_often(self, one_socket_each: Server, visit: Visit) -> None:
        visitor = visit(one_socket_each)
        visitor.sign_up()
        visitor.context.add_init_script(WITHOUT_JITTER)
        other = visitor.context.new_page()
        visitor.open(other)
        other.wait_for_function("() => window.tries.length === 5")
        pauses = [later - earlier for earlier, later in itertools.pairwise(other.evaluate("window.tries"))]
        for pause, least in zip(pauses, (500, 1000, 2000, 4000), strict=True):
            assert pause >= least, pauses


class TestSeveralTabs:
    def test_each_has_all_messages_once_whichever_was_written_in(self, ann: Visitor, anna: Person) -> None:
        ann.find(anna.username)
        ann.write("from the first")
        ann.sees_status("from the first", "sent")
        other = ann.another_tab()
        other.goto(ann.page.url)
        other.reload()
        other.locator("#compose").fill("from the second")
        other.locator("#compose").press("Enter")
        for page in (ann.page, other):
            expect(page.locator(".content")).to_have_text(["from the first", "from the second"])
            expect(page.locator(".mark[data-status=sent]")).to_have_count(2)
