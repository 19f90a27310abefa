"""The page as files: what it loads, how much, how it is kept, and what it may not do."""

from __future__ import annotations

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from tests.server import Server, free_port, running_server
from tests.web.visitor import Visit, Visitor


class Unavailable(BaseHTTPRequestHandler):
    """What a proxy says whose server is away."""

    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b"<h1>503 Service Unavailable</h1>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def proxy_without_a_server(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Unavailable) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield
        proxy.shutdown()


WEB = files("chat_server") / "web"
MODULES = sorted(path.name for path in WEB.iterdir() if path.name.endswith(".js") and path.name != "worker.js")
MOST_BYTES = 60 * 1024


def test_the_first_load_is_small(shared_server: Server) -> None:
    client = shared_server.client()
    page = client.request("GET", "/", headers={"Accept-Encoding": "gzip"})
    loaded = re.findall(r'(?:src|href)="(page/[^"]+)"', gzip.decompress(page.body).decode())
    answers = [client.request("GET", f"/{path}", headers={"Accept-Encoding": "gzip"}) for path in loaded]
    assert sum(len(answer.body) for answer in (page, *answers)) < MOST_BYTES


def test_the_entrance_needs_nothing_that_the_page_does_not_name(visit: Visit) -> None:
    """Whatever is not named there would be asked for in a second round."""
    asked: list[str] = []
    visitor = visit()
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.open()
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()
    index = (WEB / "index.html").read_text()
    named = set(re.findall(r"page/{version}/([\w.]+)", index))
    files_asked = {url.rpartition("/")[2] for url in asked} - {""}
    assert files_asked - {"worker.js"} <= named


def test_every_module_is_named_by_the_page_so_that_none_waits_for_another() -> None:
    index = (WEB / "index.html").read_text()
    assert sorted(re.findall(r"page/{version}/(\w+\.js)", index)) == MODULES


def test_files_come_compressed_to_who_takes_that_and_keep_for_ever(shared_server: Server) -> None:
    client = shared_server.client()
    page = client.request("GET", "/").body.decode()
    [script] = re.findall(r'src="([^"]+/main.js)"', page)
    plain = client.request("GET", f"/{script}")
    packed = client.request("GET", f"/{script}", headers={"Accept-Encoding": "br, gzip"})
    refused = client.request("GET", f"/{script}", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body == refused.body
    assert "immutable" in plain.headers["cache-control"]
    assert client.request("GET", "/").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/page/000000000000/main.js", "/page/{version}/none.js", "/page/{version}/index.html"]
)
def test_there_are_no_other_files_or_versions(shared_server: Server, path: str) -> None:
    client = shared_server.client()
    [version] = set(re.findall(r"page/(\w+)/main", client.request("GET", "/").body.decode()))
    answer = client.request("GET", path.replace("{version}", version))
    assert (answer.status, answer.error) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "attempt",
    [
        "document.body.innerHTML = '<b>x</b>'",
        "document.head.append(Object.assign(document.createElement('script'), { src: 'https://example.org/x.js' }))",
        "document.head.append(Object.assign(document.createElement('script'), { text: 'window.ran = true' }))",
        "setTimeout('window.ran = true')",
    ],
)
def test_text_that_became_markup_or_code_would_still_do_nothing(visit: Visit, attempt: str) -> None:
    visitor = visit()
    refused = visitor.page.evaluate(
        f"() => {{ try {{ {attempt}; return ''; }} catch (error) {{ return error.name; }} }}"
    )
    assert refused in {"TypeError", "EvalError"}
    assert any("Trusted" in complaint or "Content Security Policy" in complaint for complaint in visitor.complaints)
    visitor.complaints.clear()


def test_the_page_can_be_installed(visit: Visit) -> None:
    visitor = visit()
    address = visitor.page.evaluate("document.querySelector('link[rel=manifest]').href")
    manifest = visitor.page.evaluate("(address) => fetch(address).then((answer) => answer.json())", address)
    assert (manifest["name"], manifest["display"]) == ("chat-server", "standalone")
    assert urljoin(address, manifest["start_url"]) == f"{visitor.url}/"
    icon = urljoin(address, manifest["icons"][0]["src"])
    assert visitor.page.evaluate("(address) => fetch(address).then(({ status }) => status)", icon) == 200


def test_without_a_server_the_page_opens_all_the_same(visit: Visit, tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_server(tmp_path_factory.mktemp("gone")) as server:
        visitor = visit(server)
        visitor.page.wait_for_function("() => navigator.serviceWorker.controller")
    visitor.page.reload()
    expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_what_a_proxy_answers_while_the_server_is_away_does_not_take_the_page_s_place(
    visit: Visit, tmp_path: Path
) -> None:
    port = free_port()
    with running_server(tmp_path, port=port) as server:
        visitor = visit(server)
        visitor.page.wait_for_function("() => navigator.serviceWorker.controller")
    with proxy_without_a_server(port):
        visitor.page.reload()
        expect(visitor.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_new_version_is_there_at_the_next_visit_and_nothing_is_left_of_the_old(visit: Visit, tmp_path: Path) -> None:
    port = free_port()
    with running_server(tmp_path, port=port) as server:
        visitor = visit(server)
        visitor.page.wait_for_function("() => navigator.serviceWorker.controller")
        old = visitor.page.evaluate("document.documentElement.dataset.version")
    # Who may register is part of the page, and so of its version.
    with running_server(tmp_path, port=port, auth={"registration": "closed"}):
        visitor.page.reload()
        expect(visitor.page.get_by_text("New accounts are made by whoever runs this server.")).to_be_visible()
        new = visitor.page.evaluate("document.documentElement.dataset.version")
        visitor.waits_for("(old) => caches.keys().then((names) => !names.some((name) => name.includes(old)))", old)
    visitor.page.reload()
    expect(visitor.page.get_by_text("New accounts are made by whoever runs this server.")).to_be_visible()
    assert new != old


def test_a_browser_without_websockets_is_told(visit: Visit) -> None:
    visitor = visit()
    visitor.page.add_init_script("delete window.WebSocket")
    visitor.open()
    expect(visitor.page.get_by_role("status")).to_contain_text("This browser has no WebSocket")


def test_without_javascript_the_page_says_that_it_needs_it(visit: Visit) -> None:
    visitor = visit(options={"java_script_enabled": False})
    expect(visitor.page.get_by_role("alert")).to_contain_text("needs JavaScript")


NOTIFICATIONS = """async () => {
    const worker = await navigator.serviceWorker.ready;
    return (await worker.getNotifications()).map(({ body }) => body);
}"""


class TestNotifications:
    def test_one_who_looks_elsewhere_is_notified(self, visit: Visit, bob: Visitor) -> None:
        notified(visit, by=bob)

    def test_one_that_is_chosen_opens_its_conversation_in_a_tab(self, visit: Visit, bob: Visitor) -> None:
        ann = notified(visit, by=bob)
        expect(ann.page.get_by_role("main")).to_contain_text("Choose a conversation")
        (worker,) = ann.context.service_workers
        # As the system does it: a browser without a window has no notifications that one could point at.
        worker.evaluate(
            """async () => {
                const [notification] = await self.registration.getNotifications();
                self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
            }"""
        )
        expect(ann.page.get_by_role("main")).to_contain_text("psst")
        ann.waits_for(f"async () => (await ({NOTIFICATIONS})()).length === 0")

    def test_what_is_read_is_not_announced_any_more(self, visit: Visit, bob: Visitor) -> None:
        ann = notified(visit, by=bob)
        ann.page.bring_to_front()
        ann.open_conversation(bob.name)
        bob.sees_status("psst", "read")
        ann.waits_for(f"async () => (await ({NOTIFICATIONS})()).length === 0")

    def test_who_has_signed_out_leaves_none_behind(self, visit: Visit, bob: Visitor) -> None:
        ann = notified(visit, by=bob)
        ann.open_account()
        ann.page.get_by_role("button", name="Sign out", exact=True).click()
        expect(ann.page.get_by_role("button", name="Sign in")).to_be_visible()
        ann.waits_for(f"async () => (await ({NOTIFICATIONS})()).length === 0")

    def test_a_tab_does_not_announce_what_another_one_shows(self, visit: Visit, bob: Visitor) -> None:
        ann = attentive(visit)
        front = ann.another_tab()
        front.bring_to_front()
        expect(front.get_by_role("link", name=ann.name, exact=True)).to_be_visible()
        written(ann, by=bob)
        assert ann.page.evaluate(NOTIFICATIONS) == []


def attentive(visit: Visit) -> Visitor:
    """Somebody who wants notifications, and looks elsewhere."""
    ann = visit(options={"permissions": ["notifications"]})
    ann.sign_up()
    ann.page.wait_for_function("() => navigator.serviceWorker.controller")
    (worker,) = ann.context.service_workers
    # Chromium forgets a notification that is asked for between its being stored and its being seen.
    worker.evaluate(
        """() => {
            const { prototype } = ExtendableEvent;
            const { waitUntil } = prototype;
            prototype.waitUntil = function (work) {
                if (this.type === "message") self.notifying = work;
                waitUntil.call(this, work);
            };
        }"""
    )
    ann.context.new_cdp_session(ann.page).send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    ann.context.new_page().bring_to_front()
    return ann


def written(ann: Visitor, by: Visitor) -> None:
    """Somebody is written to, and their browser has done about it what it does."""
    by.find(ann.name)
    by.write("psst")
    expect(ann.page).to_have_title("(1) chat-server")
    (worker,) = ann.context.service_workers
    while not worker.evaluate("async () => { await self.notifying; return Boolean(self.notifying); }"):
        ann.page.wait_for_timeout(50)


def notified(visit: Visit, by: Visitor) -> Visitor:
    """Somebody who looked elsewhere when they were written to, and has a notification of it."""
    ann = attentive(visit)
    written(ann, by)
    assert ann.page.evaluate(NOTIFICATIONS) == ["psst"]
    return ann
