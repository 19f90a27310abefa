"""Who gets a WebSocket, and what is answered to who does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.client import PASSWORD, Client, Person
from tests.device import online
from tests.server import Server, running_server
from tests.wire import Wire, upgrade_headers


def error_of(wire: Wire) -> str:
    """The code of a refusal, which has the one shape of errors and ends the connection or the request."""
    body = wire.answer.json
    wire.close()
    assert wire.answer.headers["content-type"] == "application/json"
    assert set(body) - {"details"} == {"error", "message", "timestamp"}
    assert abs(body["timestamp"] - time.time() * 1000) < 60_000
    code: str = body["error"]
    return code


class TestToken:
    def test_in_the_query(self, shared_server: Server, anna: Person) -> None:
        wire = Wire(shared_server, f"/socket?token={anna.token}")
        assert wire.answer.status == 101
        assert "sec-websocket-protocol" not in wire.answer.headers
        wire.close()

    def test_in_a_header(self, shared_server: Server, anna: Person) -> None:
        wire = Wire(shared_server, headers={"Authorization": f"Bearer {anna.token}"})
        assert wire.answer.status == 101
        wire.close()

    @pytest.mark.parametrize("offer", ["chat-v1, bearer.{}", "chat-v1,bearer.{}", "bearer.{}, chat-v1"])
    def test_as_a_subprotocol_which_is_not_echoed(self, shared_server: Server, anna: Person, offer: str) -> None:
        wire = Wire(shared_server, headers={"Sec-WebSocket-Protocol": offer.format(anna.token)})
        assert wire.answer.status == 101
        assert wire.answer.headers["sec-websocket-protocol"] == "chat-v1"
        wire.close()

    @pytest.mark.parametrize(
        "query",
        ["", "?token=", "?token", "?token=rubbish", "?token=a.b.c", "?token=%ff%00", "?other=1", "?" + "a=1&" * 50],
    )
    def test_is_needed(self, shared_server: Server, query: str) -> None:
        wire = Wire(shared_server, f"/socket{query}")
        assert wire.answer.status == 401
        assert error_of(wire) == "UNAUTHORIZED"

    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": "Bearer rubbish"},
            {"Authorization": "Basic cnViYmlzaA=="},
            {"Authorization": "Bearer \xe9"},
            {"Sec-WebSocket-Protocol": "chat-v1, bearer."},
            {"Sec-WebSocket-Protocol": "chat-v1, bearer.rubbish"},
        ],
    )
    def test_must_be_good(self, shared_server: Server, headers: dict[str, str]) -> None:
        wire = Wire(shared_server, headers=headers)
        assert wire.answer.status == 401
        assert error_of(wire) == "UNAUTHORIZED"

    def test_with_another_signature_is_none(self, shared_server: Server, anna: Person) -> None:
        head, claims, signature = anna.token.split(".")
        wire = Wire(shared_server, f"/socket?token={head}.{claims}.{signature[::-1]}")
        assert wire.answer.status == 401
        assert error_of(wire) == "UNAUTHORIZED"

    def test_of_a_session_that_has_ended_is_none(self, shared_server: Server, anna: Person) -> None:
        anna.client.post("/auth/logout").succeeded()
        wire = Wire(shared_server, f"/socket?token={anna.token}")
        assert wire.answer.status == 401
        assert error_of(wire) == "UNAUTHORIZED"

    def test_of_a_deleted_person(self, shared_server: Server, anna: Person) -> None:
        anna.client.request("DELETE", "/user/me", {"password": PASSWORD}).succeeded()
        wire = Wire(shared_server, f"/socket?token={anna.token}")
        assert wire.answer.status == 403
        assert error_of(wire) == "ACCOUNT_DELETED"


def test_the_subprotocol_is_echoed_when_offered(shared_server: Server, anna: Person) -> None:
    for offer in ("chat-v1", "other, chat-v1"):
        wire = Wire(shared_server, f"/socket?token={anna.token}", {"Sec-WebSocket-Protocol": offer})
        assert wire.answer.headers["sec-websocket-protocol"] == "chat-v1"
        wire.close()


def test_no_other_subprotocol_is(shared_server: Server, anna: Person) -> None:
    wire = Wire(shared_server, f"/socket?token={anna.token}", {"Sec-WebSocket-Protocol": "chat-v2, graphql-ws"})
    assert wire.answer.status == 101
    assert "sec-websocket-protocol" not in wire.answer.headers
    wire.close()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Upgrade": None}, 426),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": None}, 426),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
        ({"Sec-WebSocket-Key": "not base64, but long enough"}, 400),
    ],
)
def test_what_is_no_upgrade_is_refused(
    shared_server: Server, anna: Person, changed: dict[str, str | None], status: int
) -> None:
    wire = Wire(shared_server, f"/socket?token={anna.token}", changed)
    assert wire.answer.status == status
    assert error_of(wire)
    if status == 426:
        assert wire.answer.headers["upgrade"].lower() == "websocket"
        assert wire.answer.headers["sec-websocket-version"] == "13"


def test_upgrade_headers_may_be_in_any_case(shared_server: Server, anna: Person) -> None:
    headers = {"Connection": "keep-alive, UPGRADE", "Upgrade": "WebSocket"}
    wire = Wire(shared_server, f"/socket?token={anna.token}", headers)
    assert wire.answer.status == 101
    wire.close()


def test_only_get_upgrades(shared_server: Server, anna: Person) -> None:
    client = Client("127.0.0.1", shared_server.port, token=anna.token)
    answer = client.request("POST", "/socket", headers=upgrade_headers())
    assert answer.status in {400, 405, 426}
    assert answer.error


class TestFull:
    """The server has as many sockets as it may."""

    def test_nobody_else_comes_in(self, tmp_path: Path) -> None:
        with running_server(tmp_path, limits={"max_connections": 2}) as server:
            anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
            with online(server, anna), online(server, anna) as second:
                wire = Wire(server, f"/socket?token={ben.token}")
                assert wire.answer.status == 503
                assert error_of(wire) == "TOO_MANY_CONNECTIONS"
                assert ben.client.get("/user/me").status == 200
                second.close()
                with online(server, ben) as late:
                    late.sync()

    def test_nor_another_device_of_a_person_who_has_as_many_as_one_may(self, tmp_path: Path) -> None:
        with running_server(tmp_path, limits={"max_connections_per_user": 2}) as server:
            anna, ben = server.client().sign_up("anna"), server.client().sign_up("ben")
            with online(server, anna), online(server, anna) as second:
                wire = Wire(server, f"/socket?token={anna.token}")
                assert wire.answer.status == 503
                assert error_of(wire) == "TOO_MANY_CONNECTIONS"
                with online(server, ben):
                    pass
                second.close()
                with online(server, anna) as third:
                    third.sync()
