"""Changing one's password and deleting one's account."""

from __future__ import annotations

import pytest

from chat_server.chat.accounts import UsernameTakenError, delete_account, set_password
from chat_server.chat.logins import InvalidCredentialsError
from chat_server.chat.refusals import UserNotFoundError
from chat_server.chat.sessions import AccountDeletedError, UnauthorizedError
from chat_server.security.passwords import WeakPassword
from chat_server.storage.models import AuthLog, Block, User
from tests.accounts.world import DEVICE, PASSWORD, World

OTHER = "Another-Horse-8"


class TestChangingThePassword:
    def test_the_new_one_counts_from_now_on(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.accounts.change_password(caller, PASSWORD, OTHER, DEVICE)
        world.log_in("anna", OTHER)
        with pytest.raises(InvalidCredentialsError):
            world.log_in("anna", PASSWORD)
        world.sessions.verify(token)

    def test_every_other_session_ends(self, world: World) -> None:
        caller, mine = world.sign_up("anna")
        other = world.log_in("anna")
        other_session = world.sessions.verify(other).session_id
        world.accounts.change_password(caller, PASSWORD, OTHER, DEVICE)
        world.sessions.verify(mine)
        with pytest.raises(UnauthorizedError):
            world.sessions.verify(other)
        assert world.ended == [other_session]

    def test_it_takes_the_current_one(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        with pytest.raises(InvalidCredentialsError):
            world.accounts.change_password(caller, OTHER, OTHER, DEVICE)
        world.log_in("anna", PASSWORD)

    def test_a_weak_one_is_refused(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        with pytest.raises(WeakPassword):
            world.accounts.change_password(caller, PASSWORD, "weak", DEVICE)

    def test_a_login_that_was_under_way_with_the_old_one_fails(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        caller, _ = world.sign_up("anna")
        prove = world.logins.prove
        digest = world.accounts._passwords.hash(OTHER)

        def prove_then_reset(*args: object) -> object:
            known = prove(*args)  # type: ignore[arg-type]
            world.writer.write(set_password, caller.user_id, digest)
            return known

        monkeypatch.setattr(world.logins, "prove", prove_then_reset)
        with pytest.raises(InvalidCredentialsError):
            world.log_in("anna", PASSWORD)


class TestDeletingTheAccount:
    def test_it_takes_the_password(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        with pytest.raises(InvalidCredentialsError):
            world.accounts.delete(caller, OTHER, DEVICE)
        world.sessions.verify(token)

    def test_every_session_ends_and_others_are_told(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        world.log_in("anna")
        world.accounts.delete(caller, PASSWORD, DEVICE)
        assert len(world.ended) == 2
        assert world.deleted == [caller.user_id]

    def test_only_who_knows_the_password_is_told_that_it_was_deleted(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        world.accounts.delete(caller, PASSWORD, DEVICE)
        with pytest.raises(AccountDeletedError):
            world.log_in("anna", PASSWORD)
        with pytest.raises(InvalidCredentialsError):
            world.log_in("anna", OTHER)

    def test_the_name_is_never_given_out_again(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        world.accounts.delete(caller, PASSWORD, DEVICE)
        with pytest.raises(UsernameTakenError):
            world.sign_up("ANNA")

    def test_what_is_not_needed_any_more_is_gone(self, world: World) -> None:
        anna, _ = world.sign_up("anna")
        bert, _ = world.sign_up("bert")
        world.blocks.block(anna.user_id, bert.user_id)
        world.blocks.block(bert.user_id, anna.user_id)
        world.log_in("anna")
        world.accounts.delete(anna, PASSWORD, DEVICE)
        assert world.blocks.blocked_by(bert.user_id) == []
        assert not world.readers.run(Block.select().exists)
        assert not world.readers.run(AuthLog.select().where(AuthLog.username == "anna").exists)
        row = world.readers.run(User.get_by_id, anna.user_id)
        assert row.deleted_at == world.clock.now
        assert row.last_seen_at is None

    def test_it_can_be_done_once(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        world.writer.write(delete_account, caller.user_id, now=1)
        with pytest.raises(UserNotFoundError):
            world.writer.write(delete_account, caller.user_id, now=2)

    def test_a_deleted_account_gets_no_password_and_is_not_found(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        world.accounts.delete(caller, PASSWORD, DEVICE)
        with pytest.raises(UserNotFoundError):
            world.writer.write(set_password, caller.user_id, "digest")
        with pytest.raises(UserNotFoundError):
            world.accounts.find(caller.user_id)
