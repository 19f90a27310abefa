"""Where the page may lie: on a host without TLS, or below a path of a proxy's."""

from __future__ import annotations

from dataclasses import dataclass

from playwright.sync_api import expect

from tests.client import Person
from tests.server import Server
from tests.web.below import Below
from tests.web.conftest import OTHER_HOST
from tests.web.visitor import Visit


@dataclass(frozen=True)
class Elsewhere:
    """The server by another name."""

    url: str


def test_by_plain_http_from_another_host_two_people_talk(shared_server: Server, visit: Visit) -> None:
    """Browsers lend such a page neither locks nor service workers, nor `crypto.randomUUID`."""
    there = Elsewhere(f"http://{OTHER_HOST}:{shared_server.port}")
    ann, bob = visit(there), visit(there)
    for visitor in (ann, bob):
        visitor.sign_up()
    assert not ann.page.evaluate("isSecureContext")
    ann.find(bob.name)
    ann.write("Hello Bob")
    bob.open_conversation(ann.name)
    ann.sees_status("Hello Bob", "read")
    bob.open_account()
    expect(bob.page.get_by_text("they need https")).to_be_visible()
    bob.page.get_by_role("button", name="Sign out", exact=True).click()
    expect(bob.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_below_a_path_of_a_proxy_all_of_it_works(shared_server: Server, visit: Visit, anna: Person) -> None:
    with Below(shared_server.port, "/chat/") as proxy:
        ann = visit(proxy)
        ann.sign_up()
        ann.find(anna.username)
        ann.write("hello")
        ann.sees_status("hello", "sent")
        ann.page.wait_for_function("navigator.serviceWorker.controller")
        assert ann.page.evaluate("navigator.serviceWorker.controller.scriptURL").startswith(proxy.url)
        ann.page.reload()
        ann.sees("hello")
