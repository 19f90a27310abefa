"""Signing up: names, passwords, and who may."""

from __future__ import annotations

import pytest

from chat_server.chat.accounts import (
    InvalidUsernameError,
    RegistrationClosedError,
    UsernameTakenError,
    create_account,
    sign_up,
)
from chat_server.chat.invites import InvalidInviteError, create_invite, list_invites
from chat_server.security.passwords import WeakPassword
from chat_server.storage.models import Session, User
from tests.accounts.world import DEVICE, PASSWORD, World


@pytest.mark.parametrize("name", ["a", "Z9_", "x" * 50, "___", "1234"])
def test_names_of_letters_digits_and_underscores(world: World, name: str) -> None:
    assert world.sign_up(name)[0].username == name


@pytest.mark.parametrize("name", ["", "x" * 51, "a b", "ä", "a-b", "a\n", "a\0", "Deleted User", "٣"])
def test_no_other_names(world: World, name: str) -> None:
    with pytest.raises(InvalidUsernameError):
        world.sign_up(name)


def test_a_name_is_taken_in_whatever_case(world: World) -> None:
    world.sign_up("Anna")
    with pytest.raises(UsernameTakenError):
        world.sign_up("aNNA")


def test_who_is_second_in_a_race_for_a_name_is_refused_by_the_transaction(world: World) -> None:
    world.sign_up("anna")
    with pytest.raises(UsernameTakenError):
        world.writer.write(sign_up, "ANNA", "digest", "", DEVICE, now=1)


def test_a_weak_password_makes_no_account(world: World) -> None:
    with pytest.raises(WeakPassword):
        world.accounts.sign_up("anna", "password", invite_code="", device=DEVICE)
    assert not world.readers.run(User.select().exists)


def test_the_password_is_nowhere_in_the_database(world: World) -> None:
    caller, _ = world.sign_up("anna")
    assert world.digest(caller.user_id).startswith("$argon2id$")
    assert PASSWORD not in "\n".join(world.database.connection().iterdump())


def test_nobody_signs_up_where_registration_is_closed(world: World) -> None:
    world.accounts.registration = "closed"
    with pytest.raises(RegistrationClosedError):
        world.sign_up("anna")


def test_an_account_made_by_an_admin_needs_no_server(world: World) -> None:
    with world.database.atomic("IMMEDIATE"):
        user_id = create_account("anna", world.accounts._passwords.hash(PASSWORD), now=world.clock.now)
    assert world.sessions.verify(world.log_in("anna")).user_id == user_id


class TestByInvitation:
    @pytest.fixture(autouse=True)
    def only_by_invitation(self, world: World) -> None:
        world.accounts.registration = "invite"

    def join(self, world: World, name: str, code: str) -> str:
        return world.accounts.sign_up(name, PASSWORD, invite_code=code, device=DEVICE).user_id

    def invite(self, world: World, *, expires_at: int | None = None) -> str:
        _, code = world.writer.write(create_invite, note="", expires_at=expires_at, now=world.clock.now)
        return code

    def test_without_a_code_registration_is_closed(self, world: World) -> None:
        with pytest.raises(RegistrationClosedError):
            self.join(world, "anna", "")

    def test_a_code_lets_one_person_in(self, world: World) -> None:
        code = self.invite(world)
        anna = self.join(world, "anna", code)
        with pytest.raises(InvalidInviteError):
            self.join(world, "bert", code)
        [invite] = world.readers.run(list_invites, now=world.clock.now)
        assert (invite.state, invite.used_by_id) == ("used", anna)

    def test_a_code_is_used_up_only_with_the_account_it_made(self, world: World) -> None:
        world.accounts.registration = "open"
        world.sign_up("anna")
        world.accounts.registration = "invite"
        code = self.invite(world)
        with pytest.raises(UsernameTakenError):
            self.join(world, "anna", code)
        with pytest.raises(UsernameTakenError):
            world.writer.write(sign_up, "anna", "digest", code, DEVICE, now=world.clock.now)
        self.join(world, "bert", code)

    def test_a_race_for_one_code_has_one_winner_and_no_half_account(self, world: World) -> None:
        code = self.invite(world)
        world.writer.write(sign_up, "anna", "digest", code, DEVICE, now=world.clock.now)
        with pytest.raises(InvalidInviteError):
            world.writer.write(sign_up, "bert", "digest", code, DEVICE, now=world.clock.now)
        assert [user.username for user in world.readers.run(list, User.select())] == ["anna"]
        assert world.readers.run(Session.select().count) == 1

    def test_an_expired_code_is_worth_nothing(self, world: World) -> None:
        code = self.invite(world, expires_at=world.clock.now + 1000)
        world.clock.pass_by(seconds=1)
        with pytest.raises(InvalidInviteError):
            self.join(world, "anna", code)

    def test_a_made_up_code_costs_no_hash(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: str) -> str:
            raise AssertionError("hashed a password")

        monkeypatch.setattr(world.accounts._passwords, "hash", refuse)
        with pytest.raises(InvalidInviteError):
            self.join(world, "anna", "made-up")
