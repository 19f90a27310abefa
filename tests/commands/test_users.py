"""Looking after accounts, while the server is down."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from chat_server.chat.sessions import Device, open_session
from chat_server.config import DatabaseSection
from chat_server.configuration import load
from chat_server.operations.opening import reading, writing
from chat_server.operations.users import list_users
from chat_server.storage.models import AuthLog, Session, User
from tests.client import PASSWORD
from tests.commands.admin import Admin

NOW = 1_760_000_000_000


def section(admin: Admin) -> DatabaseSection:
    return DatabaseSection(path=str(admin.database))


def add_users(admin: Admin, *names: str) -> None:
    with writing(section(admin)):
        for name in names:
            User.create(id=f"user-{name.lower()}", username=name, password_hash="", created_at=NOW)


def usernames(admin: Admin) -> list[str]:
    """Of accounts that are not deleted."""
    with reading(section(admin)):
        return [user.username for user in User.select().where(User.deleted_at.is_null()).order_by(User.username)]


def is_password(admin: Admin, name: str, password: str) -> bool:
    with reading(section(admin)):
        digest = User.get(User.username == name).password_hash
    try:
        return PasswordHasher().verify(str(digest), password)
    except VerifyMismatchError:
        return False


def test_an_account_is_made_with_the_password_on_standard_input(admin: Admin) -> None:
    done = admin.run("users", "create", "Ada", typed=f"{PASSWORD}\nnot read\n")
    assert done.code == 0
    assert done.output.startswith("created Ada, user-")
    assert PASSWORD not in done.output + done.errors
    assert is_password(admin, "Ada", PASSWORD)


def test_a_generated_password_is_printed_and_is_the_accounts(admin: Admin) -> None:
    made = admin.run("users", "create", "ada", "--generate", "--json").json
    assert is_password(admin, "ada", made["password"])
    again = admin.run("users", "reset-password", "ada", "--generate")
    password = again.output.splitlines()[1].removeprefix("password: ")
    assert password != made["password"]
    assert is_password(admin, "ada", password)


def test_on_a_terminal_the_password_is_typed_twice_and_not_shown(admin: Admin) -> None:
    done = admin.at_terminal("users", "create", "ada", answers={"New password": PASSWORD, "Again": PASSWORD})
    assert done.code == 0, done.output
    assert PASSWORD not in done.output
    assert is_password(admin, "ada", PASSWORD)


def test_two_passwords_that_differ_make_no_account(admin: Admin) -> None:
    done = admin.at_terminal("users", "create", "ada", answers={"New password": PASSWORD, "Again": PASSWORD + "x"})
    assert done.code == 1
    assert "chat-server: the two passwords differ" in done.output
    assert usernames(admin) == []


def test_a_prompt_that_is_interrupted_makes_no_account(admin: Admin) -> None:
    done = admin.at_terminal("users", "create", "ada", answers={"New password": "\x03"})
    assert done.code == 130
    assert "Traceback" not in done.output
    assert usernames(admin) == []


@pytest.mark.parametrize(
    ("name", "typed", "says"),
    [
        ("a b", PASSWORD, "'a b' is no username: it has 1 to 50 of A-Z, a-z, 0-9 and _"),
        ("TAKEN", "", "TAKEN: the name is taken, or was a deleted user's"),
        ("ada", "lower-case-7\n", "The password needs an upper-case letter."),
        ("ada", "", "no password on standard input"),
        ("ada", b"Correct-Horse-7\xff\n", "the password on standard input is not UTF-8 text"),
    ],
)
def test_an_account_that_may_not_be_is_refused(admin: Admin, name: str, typed: str | bytes, says: str) -> None:
    add_users(admin, "taken")
    done = admin.run("users", "create", name, typed=typed)
    assert done.code == 1
    assert done.refusal == says
    assert usernames(admin) == ["taken"]


def test_the_list_is_sorted_and_searched_without_case_and_prefixes_are_literal(admin: Admin) -> None:
    add_users(admin, "bob", "Ada", "a_d", "abe")
    config = load(admin.config, {})

    def listed(prefix: str) -> list[str]:
        return [user.username for user in list_users(config, prefix=prefix, deleted=False, limit=9)[0]]

    assert listed("") == ["a_d", "abe", "Ada", "bob"]
    assert listed("A") == ["a_d", "abe", "Ada"]
    assert listed("a_") == ["a_d"]
    assert listed("%") == []
    assert admin.run("users", "list", "--search", "AD", "--json").json == {
        "users": [{"username": "Ada", "userId": "user-ada", "createdAt": NOW, "lastSeenAt": None, "deletedAt": None}],
        "total": 1,
    }


def test_a_list_that_stops_at_its_limit_says_so(admin: Admin) -> None:
    add_users(admin, "ada", "bob", "eve")
    done = admin.run("users", "list", "--limit", "2", environ={"TZ": "Asia/Tokyo"})
    assert done.output.splitlines() == [
        "USERNAME  USER ID   CREATED              LAST SEEN  DELETED",
        "ada       user-ada  2025-10-09 17:53:20  -          -",
        "bob       user-bob  2025-10-09 17:53:20  -          -",
    ]
    assert done.errors == "shown are 2 of 3: see --limit and --search\n"


def test_a_deletion_is_confirmed_on_a_terminal_or_by_an_option(admin: Admin) -> None:
    add_users(admin, "ada", "bob")
    assert admin.run("users", "delete", "ada", typed="y\n").refusal == "nobody is here to confirm it: add --yes"
    declined = admin.at_terminal("users", "delete", "ada", answers={"[y/N]": ""})
    assert declined.code == 1
    assert "not confirmed" in declined.output
    assert usernames(admin) == ["ada", "bob"]

    assert admin.at_terminal("users", "delete", "ADA", answers={"Delete ada, user-ada, for ever? [y/N]": "y"}).code == 0
    assert admin.run("users", "delete", "bob", "--yes").output == "deleted bob, sessions ended: 0\n"
    assert usernames(admin) == []


def test_a_deleted_user_is_listed_apart_and_keeps_the_name(admin: Admin) -> None:
    add_users(admin, "ada", "bob")
    admin.run("users", "delete", "ada", "--yes")
    assert [user["username"] for user in admin.run("users", "list", "--json").json["users"]] == ["bob"]
    (deleted,) = admin.run("users", "list", "--deleted", "--json").json["users"]
    assert deleted["username"] == "ada"
    assert deleted["deletedAt"] > NOW
    assert "taken" in admin.run("users", "create", "Ada", "--generate").refusal
    assert admin.run("users", "reset-password", "ada", "--generate").refusal == "ada: the account was deleted"


def test_unlocking_forgets_the_failed_logins_of_one_name_only(admin: Admin) -> None:
    add_users(admin, "Ada", "bob")
    with writing(section(admin)):
        for name, succeeded in [("ada", 0), ("ADA", 0), ("Ada", 1), ("bob", 0)]:
            AuthLog.create(username=name, address="192.0.2.1", succeeded=succeeded, created_at=NOW)
    assert admin.run("users", "unlock", "ada", "--json").json == {
        "userId": "user-ada",
        "username": "Ada",
        "forgottenFailures": 2,
    }
    with reading(section(admin)):
        assert [(log.username, log.succeeded) for log in AuthLog.select()] == [("Ada", 1), ("bob", 0)]


def test_sessions_are_ended_singly_or_all_at_once(admin: Admin) -> None:
    add_users(admin, "ada", "bob")
    device = Device(address="192.0.2.1", agent="phone")
    with writing(section(admin)):
        opened = [
            open_session(user_id, device, now=NOW).session_id
            for user_id in ["user-ada", "user-ada", "user-ada", "user-bob"]
        ]
    assert admin.run("users", "sessions", "ada", "--end", opened[0]).output == "ada: sessions ended: 1\n"
    assert admin.run("users", "sessions", "ada", "--end", opened[3]).refusal == f"ada has no session '{opened[3]}'"
    assert admin.run("users", "sessions", "ada", "--end-all", "--json").json["endedSessions"] == 2
    with reading(section(admin)):
        assert [session.id for session in Session.select()] == [opened[3]]


def test_what_a_device_calls_itself_cannot_control_the_terminal(admin: Admin) -> None:
    add_users(admin, "ada")
    with writing(section(admin)):
        tricky = Device(address="192.0.2.1", agent="\x1b[2Jphone\n\u202eenohp")
        open_session("user-ada", tricky, now=4_000_000_000_000)
    done = admin.run("users", "sessions", "ada")
    assert done.output.splitlines()[1].endswith(r"  192.0.2.1  \x1b[2Jphone\n\u202eenohp")
    assert admin.run("users", "sessions", "ada", "--json").json["sessions"][0]["agent"] == tricky.agent


@pytest.mark.parametrize("words", [["delete", "--yes"], ["reset-password"], ["sessions"]])
def test_an_unknown_name_is_refused_in_one_line_before_a_password_is_read(admin: Admin, words: list[str]) -> None:
    done = admin.run("users", *words, "nobody")
    assert done.code == 1
    assert done.refusal == "'nobody': there is no such user"
