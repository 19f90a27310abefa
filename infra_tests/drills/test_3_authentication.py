"""Chapter 3: who can't log in, and whose session ends in the middle."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from infra_tests.drills.browser import Browser
from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill
from tests.client import PASSWORD, Person
from tests.device import Device, online

NAMED = "SELECT username FROM users WHERE username='alice';"
DELETED = "SELECT deleted_at FROM users WHERE username='alice';"
RESET = "DELETE FROM auth_logs WHERE username='alice' AND created_at < datetime('now', '-15 minutes');"
DATABASE = "/var/lib/chat-server/chat.db"
FORGETFUL = """
async ([username, password]) => {
  const body = JSON.stringify({ username, password });
  const headers = { "Content-Type": "application/json" };
  const { token } = await (await fetch("auth/login", { method: "POST", headers, body })).json();
  const socket = new WebSocket("socket", ["chat-v1", `bearer.${token}`]);
  const closed = await new Promise((resolve) => (socket.onclose = ({ code }) => resolve(code)));
  const me = await fetch("user/me", { headers: { Authorization: `Bearer ${token}` } });
  return { closed, me: me.status };
}
"""
"""What becomes of the session and the socket of a page that never refreshes."""
TOKEN = "JSON.parse(localStorage['chat-session']).token"


@pytest.fixture
def alice(drill: Drill) -> Person:
    """Somebody whom nobody has locked out yet."""
    return drill.client.sign_up(f"alice_{uuid.uuid4().hex[:8]}")


def sql(drill: Drill, statement: str, person: Person) -> str:
    """Types the guide's SQL, which nobody but root and the service's user can run; gives what it printed."""
    written, ours = (f'{shell} {DATABASE} "{statement}"' for shell in ("sqlite3", "sudo -u chat-server sqlite3"))
    return drill.guide_mended(written, ours.replace("alice", person.username), {"alice": person.username}).out.strip()


def status_typed(drill: Drill, person: Person, password: str) -> str:
    """The HTTP status of a login that is typed on the host, which no exemption from limits of rate is for."""
    body = f'{{"username": "{person.username}", "password": "{password}"}}'
    url = "http://127.0.0.1:8080/auth/login"
    return drill.ours(f"curl -s -o /dev/null -w '%{{http_code}}' --json '{body}' {url}").out


def lock_out(drill: Drill, person: Person) -> None:
    assert [status_typed(drill, person, "Wrong-Horse-7") for _ in range(5)] == ["401"] * 5
    assert status_typed(drill, person, PASSWORD) == "429"


@pytest.mark.entry("3.1")
def test_a_wrong_password_and_an_unknown_name_are_told_apart_by_the_admin_only(drill: Drill, alice: Person) -> None:
    stranger = Person("", f"nobody_{uuid.uuid4().hex[:8]}", "", drill.client)
    with drill.provoked("logins with a wrong password, and with an unknown name"):
        answers = [drill.client.log_in(one.username, "Wrong-Horse-7") for one in (alice, stranger) for _ in range(7)]
        assert {(answer.status, answer.error) for answer in answers} == {(401, "INVALID_CREDENTIALS")}

    with drill.diagnosed():
        assert sql(drill, NAMED, alice) == alice.username
        assert sql(drill, NAMED, stranger) == ""
        assert sql(drill, DELETED, alice) == ""
        assert alice.username in drill.logged("failed login")
    drill.named_by_doctor("logins", status="ok", seen=f"{alice.username} (7)")

    with drill.cured():
        reset = drill.ours(f"sudo chat-server users reset-password {alice.username} --generate")
        password = reset.out.partition("password: ")[2].strip()
        assert drill.client.log_in(alice.username, password).status == 200


@pytest.mark.entry("3.2")
def test_five_failed_logins_lock_out_until_the_admin_resets_them(drill: Drill, alice: Person) -> None:
    with drill.provoked("five logins with a wrong password"):
        lock_out(drill, alice)

    with drill.diagnosed():
        wait_for("all five in the journal", lambda: drill.journal().count(f"username={alice.username}") >= 5)
        shown = drill.guide('sudo journalctl -u chat-server | grep "failed login" | tail -20').out
        assert shown.count(f"username={alice.username}") == 5
    named = drill.named_by_doctor("lockouts", status="warning", seen=f"{alice.username} from 127.0.0.1")

    with drill.cured():
        sql(drill, RESET, alice)
        wait_for("a login", lambda: status_typed(drill, alice, PASSWORD) == "200", seconds=5)
        lock_out(drill, alice)
        drill.ours(named["remedy"].partition("\n")[0])
        wait_for("a login", lambda: status_typed(drill, alice, PASSWORD) == "200", seconds=5)


@pytest.mark.entry("3.2")
def test_a_lockout_passes_by_itself(drill: Drill, alice: Person) -> None:
    """After 15 minutes, shortened here to 15 s, in which six logins have their time."""
    drill.configure("rate_limit", "auth_window_seconds", "15")
    drill.restart()
    with drill.provoked("five logins with a wrong password"):
        lock_out(drill, alice)
        locked_at = time.monotonic()
    with drill.cured():
        wait_for("a login", lambda: status_typed(drill, alice, PASSWORD) == "200", seconds=60)
        assert time.monotonic() - locked_at > 1


@pytest.mark.entry("3.3")
def test_a_deleted_account_does_not_come_back_and_its_messages_stay(drill: Drill, alice: Person) -> None:
    carol = drill.client.sign_up(f"carol_{uuid.uuid4().hex[:8]}")
    with online(drill.host, alice) as device:
        device.say(carol, "This stays.")
    conversation = alice.client.get("/conversations").succeeded()["conversations"][0]["conversationId"]
    with drill.provoked("somebody deletes their account"):
        assert alice.client.delete("/user/me", {"password": PASSWORD}).status == 204
        assert drill.client.log_in(alice.username).error == "ACCOUNT_DELETED"

    with drill.diagnosed():
        assert int(sql(drill, DELETED, alice)) > 1_700_000_000_000
        assert alice.username in drill.logged("account deleted")
    deleted = drill.root(f"sqlite3 {DATABASE} 'SELECT count(*) FROM users WHERE deleted_at IS NOT NULL'").strip()
    drill.named_by_doctor("logins", status="ok", seen=f"nobody can log in to: {deleted}")

    with drill.cured():
        again = drill.client.post("/auth/signup", {"username": alice.username.upper(), "password": PASSWORD})
        assert again.error == "USERNAME_TAKEN"
        assert drill.client.sign_up(f"new_{alice.username}").user_id != alice.user_id
        page = carol.client.get(f"/conversations/{conversation}/messages").succeeded()["messages"]
        assert [(one["senderUsername"], one["content"]) for one in page] == [("Deleted User", "This stays.")]


@pytest.mark.entry("3.4")
def test_a_session_outlives_its_tokens(drill: Drill, alice: Person) -> None:
    """An hour each, shortened here to 8 s."""
    drill.configure("auth", "token_expiry_seconds", "8")
    drill.restart()
    with drill.provoked("tokens that end after 8 s"):
        forgetful = signed_in(drill, alice)
        with online(drill.host, forgetful) as socket:
            assert socket.wait_closed(seconds=30)[0] == 1008
            assert socket.error()["code"] == "UNAUTHORIZED"
        assert forgetful.client.get("/user/me").status == 401

    with drill.diagnosed():
        asked = 'TOKEN="your-jwt-token-here"\ncurl -H "Authorization: Bearer $TOKEN" http://localhost:8080/user/me'
        assert "UNAUTHORIZED" in drill.guide(asked, {"your-jwt-token-here": forgetful.token}).out
    drill.named_by_doctor("sessions", status="warning", seen="a token lasts 8 s")

    with drill.cured():
        session = signed_in(drill, alice)
        until = time.monotonic() + 10
        with online(drill.host, session) as socket:
            while time.monotonic() < until:
                session = refreshed(session)
                show_token(socket, session)
                wait_for("a token that is half over", half_over(time.monotonic()))
            assert socket.closed is None
        late = refreshed(session)
        wait_for("its end", lambda: late.client.get("/user/me").status == 401)
        assert refreshed(late).client.get("/user/me").status == 200


@pytest.mark.entry("3.4")
def test_a_page_keeps_its_session_and_its_socket(drill: Drill, browser: Browser, alice: Person) -> None:
    drill.configure("auth", "token_expiry_seconds", "4")
    drill.restart()
    page = browser.page(careful=False)
    page.goto(drill.public_url)
    with drill.provoked("a page that never refreshes its token, which ends after 4 s"):
        assert page.evaluate(FORGETFUL, [alice.username, PASSWORD]) == {"closed": 1008, "me": 401}

    with drill.cured():
        page.get_by_label("Username").fill(alice.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name=alice.username).click()
        for _ in range(3):
            page.wait_for_function(f"old => {TOKEN} !== old", arg=page.evaluate(TOKEN))
        expect(page.get_by_text("this device")).to_be_visible()
        expect(page.locator(".banner")).to_be_hidden()


def signed_in(drill: Drill, person: Person) -> Person:
    """The same person on a new device."""
    token = drill.client.log_in(person.username).succeeded()["token"]
    return Person(person.user_id, person.username, token, person.client.signed_in(token))


def refreshed(person: Person) -> Person:
    """The same session with its next token."""
    token = person.client.post("/auth/refresh").succeeded()["token"]
    return Person(person.user_id, person.username, token, person.client.signed_in(token))


def show_token(socket: Device, session: Person) -> None:
    """Keeps the socket open past the end of the token that it was opened with."""
    asked = socket.send("auth", {"token": session.token})
    socket.wait(lambda frame: frame["type"] == "auth" and frame["id"] == asked)


def half_over(since: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > since + 4
