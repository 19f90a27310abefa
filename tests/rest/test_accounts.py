"""The calls about one's account, as the contract's table has them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.client import PASSWORD, Client, Person
from tests.device import online
from tests.server import SECRET, Server, running_server

NEW_PASSWORD = "Another-Horse-8"


@pytest.fixture
def client(shared_server: Server) -> Client:
    return shared_server.client()


def sign_up(client: Client, username: object, password: object = PASSWORD) -> tuple[int, str]:
    answer = client.post("/auth/signup", {"username": username, "password": password})
    return answer.status, answer.error


class TestSigningUp:
    def test_gives_an_account_that_is_signed_in(self, client: Client) -> None:
        answer = client.post("/auth/signup", {"username": "Signed_Up", "password": PASSWORD})
        assert answer.status == 201
        body = answer.json
        assert set(body) == {"userId", "username", "token", "expiresIn"}
        assert body["userId"].startswith("user-")
        assert (body["username"], body["expiresIn"]) == ("Signed_Up", 3600)
        assert client.signed_in(body["token"]).get("/user/me").json["userId"] == body["userId"]

    def test_a_name_is_taken_once_and_for_all_cases(self, client: Client) -> None:
        assert sign_up(client, "Taken")[0] == 201
        assert sign_up(client, "tAKEN") == (409, "USERNAME_TAKEN")

    @pytest.mark.parametrize("username", ["", "x" * 51, "with space", "umläut", "semi;colon"])
    def test_other_names_are_refused(self, client: Client, username: str) -> None:
        assert sign_up(client, username) == (400, "INVALID_USERNAME")

    @pytest.mark.parametrize(
        "password", ["Short-1", "no-upper-case-1", "NO-LOWER-CASE-1", "No-Digit-Here", "Aa1" + "x" * 1022]
    )
    def test_weak_passwords_are_refused(self, client: Client, password: str) -> None:
        assert sign_up(client, "weak_password", password) == (400, "INVALID_PASSWORD")

    def test_the_longest_password_is_a_password(self, client: Client) -> None:
        password = "Aa1" + "x" * 1021
        assert sign_up(client, "long_password", password)[0] == 201
        assert client.log_in("long_password", password).status == 200

    def test_may_be_closed_or_by_invitation(self, server_by_invitation: Server) -> None:
        client = server_by_invitation.client()
        assert sign_up(client, "anna") == (403, "REGISTRATION_CLOSED")
        body = {"username": "anna", "password": PASSWORD, "inviteCode": "made-up"}
        assert client.post("/auth/signup", body).error == "INVALID_INVITE"


@pytest.fixture(scope="module")
def server_by_invitation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("invite"), auth={"registration": "invite"}) as server:
        yield server


class TestLoggingIn:
    def test_is_possible_in_any_case_of_the_name(self, client: Client, anna: Person) -> None:
        body = client.log_in(anna.username.upper()).succeeded()
        assert (body["userId"], body["username"]) == (anna.user_id, anna.username)
        assert set(body) == {"userId", "username", "token", "expiresIn"}

    def test_fails_alike_for_a_wrong_password_and_an_unknown_name(self, client: Client, anna: Person) -> None:
        wrong, unknown = client.log_in(anna.username, "Wrong-Guess-1"), client.log_in("nobody_at_all")
        assert (wrong.status, wrong.error) == (unknown.status, unknown.error) == (401, "INVALID_CREDENTIALS")
        assert wrong.json["message"] == unknown.json["message"]

    def test_leaves_a_line_with_name_and_address(self, shared_server: Server, anna: Person) -> None:
        shared_server.client().log_in(anna.username, "Wrong-Guess-1")
        line = shared_server.wait_for_log(f"failed login username={anna.username}")
        assert "address=127.0.0.1" in line

    def test_no_password_or_token_is_ever_logged(self, shared_server: Server, anna: Person) -> None:
        shared_server.client().log_in(anna.username, "Secret-Guess-1")
        shared_server.wait_for_log(f"failed login username={anna.username}")
        for secret in (anna.token, PASSWORD, "Secret-Guess-1", SECRET, "$argon2"):
            assert secret not in shared_server.logged()


class TestMe:
    def test_shows_the_account(self, shared_server: Server, anna: Person) -> None:
        now = time.time() * 1000
        body = anna.client.get("/user/me").succeeded()
        assert set(body) == {"userId", "username", "createdAt", "isOnline", "lastSeenAt"}
        assert (body["userId"], body["username"]) == (anna.user_id, anna.username)
        assert (body["isOnline"], body["lastSeenAt"]) == (False, None)
        assert now - 60_000 < body["createdAt"] <= now
        with online(shared_server, anna):
            assert anna.client.get("/user/me").succeeded()["isOnline"]

    @pytest.mark.parametrize(
        "authorization", ["", "Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "bearer\tx", "Bearer é"]
    )
    def test_takes_a_token(self, client: Client, authorization: str) -> None:
        headers = {"Authorization": authorization.encode().decode("latin-1")} if authorization else {}
        answer = client.request("GET", "/user/me", headers=headers)
        assert (answer.status, answer.error) == (401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"] == "Bearer"

    def test_the_scheme_may_be_written_in_any_case(self, client: Client, anna: Person) -> None:
        answer = client.request("GET", "/user/me", headers={"Authorization": f"bEARER {anna.token}"})
        assert answer.status == 200


class TestChangingThePassword:
    def test_ends_every_other_session(self, client: Client, anna: Person) -> None:
        other = client.signed_in(client.log_in(anna.username).succeeded()["token"])
        body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
        assert set(anna.client.post("/user/change-password", body).succeeded()) == {"message"}
        assert anna.client.get("/user/me").status == 200
        assert other.get("/user/me").status == 401
        assert client.log_in(anna.username).status == 401
        assert client.log_in(anna.username, NEW_PASSWORD).status == 200

    def test_takes_the_current_one_and_a_good_one(self, anna: Person) -> None:
        wrong = {"currentPassword": "Wrong-Guess-1", "newPassword": NEW_PASSWORD}
        weak = {"currentPassword": PASSWORD, "newPassword": "weak"}
        answers = [anna.client.post("/user/change-password", body) for body in (wrong, weak)]
        assert [(answer.status, answer.error) for answer in answers] == [
            (401, "INVALID_CREDENTIALS"),
            (400, "INVALID_PASSWORD"),
        ]


class TestDeletingTheAccount:
    def test_has_no_way_back(self, client: Client, anna: Person) -> None:
        assert anna.client.delete("/user/me", {"password": "Wrong-Guess-1"}).status == 401
        gone = anna.client.delete("/user/me", {"password": PASSWORD})
        assert (gone.status, gone.body) == (204, b"")
        assert anna.client.get("/user/me").error == "UNAUTHORIZED"
        known = client.log_in(anna.username)
        assert (known.status, known.error) == (404, "ACCOUNT_DELETED")
        assert client.log_in(anna.username, "Wrong-Guess-1").error == "INVALID_CREDENTIALS"
        assert sign_up(client, anna.username) == (409, "USERNAME_TAKEN")

    def test_leaves_the_messages_signed_deleted_user(self, shared_server: Server, anna: Person, ben: Person) -> None:
        with online(shared_server, anna) as phone:
            conversation_id = phone.say(ben, "remember me")["conversationId"]
        anna.client.delete("/user/me", {"password": PASSWORD}).succeeded()
        [message] = ben.client.get(f"/conversations/{conversation_id}/messages").succeeded()["messages"]
        assert (message["content"], message["senderUsername"]) == ("remember me", "Deleted User")
        [item] = ben.client.get("/conversations").succeeded()["conversations"]
        assert (item["participantUsername"], item["participantIsOnline"]) == ("Deleted User", False)
        assert ben.client.get("/users/search", q=anna.username).succeeded()["results"] == []

    def test_closes_the_sockets(self, shared_server: Server, anna: Person) -> None:
        with online(shared_server, anna) as phone:
            anna.client.delete("/user/me", {"password": PASSWORD}).succeeded()
            assert phone.wait_closed()[0] == 1000


def test_three_at_once_for_one_name_make_one_account(client: Client) -> None:
    with ThreadPoolExecutor(3) as threads:
        statuses = list(threads.map(lambda _: sign_up(client, "raced_for")[0], range(3)))
    assert sorted(statuses) == [201, 409, 409]
