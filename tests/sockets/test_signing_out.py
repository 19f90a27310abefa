"""Who is signed out is cut off at once: their sockets close with 1000, and nothing they send counts any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.client import PASSWORD, Person
from tests.device import Device, online
from tests.server import Server
from tests.wire import texts, wired

PROMPTLY = 1.0
"""Seconds within which sockets close."""

NEW_PASSWORD = "Battery-Staple-8"


def another_session(person: Person) -> Person:
    """The same person, logged in once more, as on another device."""
    token = person.client.log_in(person.username).succeeded()["token"]
    return Person(person.user_id, person.username, token, person.client.signed_in(token))


def session_of(person: Person) -> str:
    """The id of the session whose device was used last, which is the caller's."""
    sessions = person.client.get("/user/me/sessions").succeeded()["sessions"]
    return str(next(one["sessionId"] for one in sessions if one["isCurrent"]))


def log_out(person: Person) -> None:
    person.client.post("/auth/logout").succeeded()


def log_out_everywhere(person: Person) -> None:
    person.client.post("/auth/logout", everywhere="true").succeeded()


def change_password(person: Person) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    person.client.post("/user/change-password", body).succeeded()


def delete_account(person: Person) -> None:
    person.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()


def closed(device: Device) -> int:
    return device.wait_closed(seconds=PROMPTLY)[0]


def alive(device: Device) -> bool:
    device.sync()
    return device.closed is None


def test_logging_out_closes_the_sockets_of_the_session(shared_server: Server, anna: Person) -> None:
    laptop = another_session(anna)
    with (
        online(shared_server, anna) as first,
        online(shared_server, anna) as second,
        online(shared_server, laptop) as elsewhere,
    ):
        log_out(anna)
        assert (closed(first), closed(second)) == (1000, 1000)
        assert alive(elsewhere)


@pytest.mark.parametrize("sign_out", [log_out_everywhere, delete_account])
def test_everywhere_means_every_socket(shared_server: Server, anna: Person, sign_out: Callable[[Person], None]) -> None:
    laptop = another_session(anna)
    with online(shared_server, anna) as here, online(shared_server, laptop) as elsewhere:
        sign_out(anna)
        assert (closed(here), closed(elsewhere)) == (1000, 1000)


def test_changing_the_password_closes_all_but_ones_own(shared_server: Server, anna: Person) -> None:
    laptop = another_session(anna)
    with online(shared_server, anna) as here, online(shared_server, laptop) as elsewhere:
        change_password(anna)
        assert closed(elsewhere) == 1000
        assert alive(here)


def test_ending_a_session_closes_its_sockets(shared_server: Server, anna: Person) -> None:
    laptop = another_session(anna)
    with online(shared_server, anna) as here, online(shared_server, laptop) as elsewhere:
        anna.client.delete(f"/user/me/sessions/{session_of(laptop)}").succeeded()
        assert closed(elsewhere) == 1000
        assert alive(here)


def test_nobody_elses_sockets_close(shared_server: Server, anna: Person, ben: Person) -> None:
    with online(shared_server, ben) as bens:
        log_out_everywhere(anna)
        assert alive(bens)


def test_what_is_sent_afterwards_is_not_taken(shared_server: Server, anna: Person, ben: Person) -> None:
    """This client ignores the CLOSE, until it is hung up on."""
    with online(shared_server, ben) as bens, wired(shared_server, anna.token) as annas:
        frame = {"type": "message", "data": {"recipientId": ben.user_id, "content": "hello"}}
        annas.send({"id": "before", **frame})
        annas.read_until(lambda frames: "delivered" in [ack["data"]["status"] for ack in texts(frames, "ack")])
        log_out(anna)
        assert annas.read_close() == 1000
        annas.send({"id": "after", **frame}, {"type": "typing", "data": {"recipientId": ben.user_id, "isTyping": True}})
        assert texts(annas.read_to_end()) == []
        bens.sync()
        bens.say(anna, "she is gone")
        assert [frame["id"] for frame in bens.of("message")] == ["before"]
        assert bens.of("typing") == []
        assert bens.of("ack")[-1]["data"]["seq"] == 2


def test_a_message_that_came_before_a_close_counts(shared_server: Server, anna: Person, ben: Person) -> None:
    """A page that is being left may send and close in one breath."""
    with online(shared_server, ben) as bens, wired(shared_server, anna.token) as annas:
        annas.send({"id": "last", "type": "message", "data": {"recipientId": ben.user_id, "content": "bye"}})
        annas.hang_up()
        assert bens.wait_for_messages(1)[0]["content"] == "bye"
