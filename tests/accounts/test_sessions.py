"""A session lives while it is used; its tokens rotate; a copied one is found out."""

from __future__ import annotations

import pytest

from chat_server.chat.sessions import (
    AccountDeletedError,
    Caller,
    SessionNotFoundError,
    UnauthorizedError,
    open_session,
    prune_sessions,
)
from chat_server.storage.models import Session
from tests.accounts.world import DEVICE, IDLE_SECONDS, PASSWORD, TOKEN_SECONDS, World


def test_a_token_says_who_calls(world: World) -> None:
    signed_in = world.accounts.sign_up("Anna", PASSWORD, invite_code="", device=DEVICE)
    caller = world.sessions.verify(signed_in.issued.token)
    assert (caller.user_id, caller.username) == (signed_in.user_id, "Anna")
    assert caller.expires_at == world.clock.now + TOKEN_SECONDS * 1000


def test_a_token_expires_on_time(world: World) -> None:
    _, token = world.sign_up("anna")
    world.clock.pass_by(seconds=TOKEN_SECONDS - 0.001)
    world.sessions.verify(token)
    world.clock.pass_by(seconds=0.001)
    with pytest.raises(UnauthorizedError):
        world.sessions.verify(token)


def test_a_token_of_one_person_with_the_session_of_another_is_worth_nothing(world: World) -> None:
    anna, _ = world.sign_up("anna")
    bert, _ = world.sign_up("bert")
    mixed = world.sessions.issue(user_id=anna.user_id, session_id=bert.session_id, token_id="tok-x")
    with pytest.raises(UnauthorizedError):
        world.sessions.verify(mixed.token)


def test_verifying_again_reads_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    _, token = world.sign_up("anna")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read the database")

    monkeypatch.setattr(world.readers, "run", refuse)
    world.sessions.verify(token)


class TestRefresh:
    def test_the_newest_token_gives_another_even_when_it_has_expired(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.clock.pass_by(seconds=TOKEN_SECONDS + 1)
        issued = world.sessions.refresh(token, DEVICE)
        assert issued.token != token
        assert issued.expires_in == TOKEN_SECONDS
        assert world.sessions.verify(issued.token).session_id == caller.session_id

    def test_an_older_expired_token_ends_the_session(self, world: World, caplog: pytest.LogCaptureFixture) -> None:
        caller, stolen = world.sign_up("anna")
        newest = world.sessions.refresh(stolen, DEVICE)
        world.clock.pass_by(seconds=TOKEN_SECONDS + 61)
        with pytest.raises(UnauthorizedError):
            world.sessions.refresh(stolen, DEVICE)
        assert world.ended == [caller.session_id]
        assert "token reused" in caplog.text
        assert stolen not in caplog.text
        with pytest.raises(UnauthorizedError):
            world.sessions.refresh(newest.token, DEVICE)

    def test_two_tabs_may_race_with_the_same_expired_token(self, world: World) -> None:
        _, token = world.sign_up("anna")
        world.clock.pass_by(seconds=TOKEN_SECONDS + 1)
        first = world.sessions.refresh(token, DEVICE)
        world.clock.pass_by(seconds=60)
        second = world.sessions.refresh(token, DEVICE)
        # Neither is left behind: hours later, each of them still counts as the newest.
        world.clock.pass_by(seconds=TOKEN_SECONDS * 2)
        world.sessions.refresh(first.token, DEVICE)
        world.sessions.refresh(second.token, DEVICE)
        assert world.ended == []

    def test_the_race_is_over_after_a_minute(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.clock.pass_by(seconds=TOKEN_SECONDS + 1)
        world.sessions.refresh(token, DEVICE)
        world.clock.pass_by(seconds=60.001)
        with pytest.raises(UnauthorizedError):
            world.sessions.refresh(token, DEVICE)
        assert world.ended == [caller.session_id]

    def test_the_token_before_the_previous_one_does_not_race(self, world: World) -> None:
        caller, oldest = world.sign_up("anna")
        world.clock.pass_by(seconds=TOKEN_SECONDS + 1)
        previous = world.sessions.refresh(oldest, DEVICE)
        world.sessions.refresh(previous.token, DEVICE)
        with pytest.raises(UnauthorizedError):
            world.sessions.refresh(oldest, DEVICE)
        assert world.ended == [caller.session_id]

    def test_a_valid_token_always_gives_another_whatever_its_age(self, world: World) -> None:
        _, first = world.sign_up("anna")
        for _ in range(3):
            world.sessions.refresh(world.sessions.refresh(first, DEVICE).token, DEVICE)
            world.clock.pass_by(seconds=120)
        assert world.sessions.verify(world.sessions.refresh(first, DEVICE).token)
        assert world.ended == []

    def test_a_session_unused_for_too_long_is_over(self, world: World) -> None:
        _, token = world.sign_up("anna")
        world.clock.pass_by(seconds=IDLE_SECONDS)
        with pytest.raises(UnauthorizedError):
            world.sessions.refresh(token, DEVICE)

    def test_a_token_that_outlives_its_idle_session_is_worth_nothing(self, world: World) -> None:
        _, token = world.sign_up("anna")
        world.sessions._idle_ms = 60_000
        world.clock.pass_by(seconds=59)
        world.sessions.verify(token)
        world.clock.pass_by(seconds=60)
        with pytest.raises(UnauthorizedError):
            world.sessions.verify(token)

    def test_refreshing_is_using(self, world: World) -> None:
        _, token = world.sign_up("anna")
        for _ in range(3):
            world.clock.pass_by(seconds=IDLE_SECONDS - 1)
            token = world.sessions.refresh(token, DEVICE).token
            world.sessions.verify(token)


class TestEnding:
    def test_an_ended_session_takes_its_tokens_along(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.sessions.end(caller.user_id, caller.session_id)
        assert world.ended == [caller.session_id]
        for attempt in (world.sessions.verify, lambda token: world.sessions.refresh(token, DEVICE)):
            with pytest.raises(UnauthorizedError):
                attempt(token)

    def test_nobody_ends_the_session_of_another(self, world: World) -> None:
        anna, token = world.sign_up("anna")
        bert, _ = world.sign_up("bert")
        with pytest.raises(SessionNotFoundError):
            world.sessions.end(bert.user_id, anna.session_id)
        world.sessions.verify(token)

    def test_everywhere_means_every_device(self, world: World) -> None:
        caller, first = world.sign_up("anna")
        second = world.log_in("anna")
        _, stranger = world.sign_up("bert")
        world.sessions.end_all(caller.user_id)
        for token in (first, second):
            with pytest.raises(UnauthorizedError):
                world.sessions.verify(token)
        world.sessions.verify(stranger)
        assert len(world.ended) == 2

    def test_the_token_of_a_deleted_account_says_so(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.accounts.delete(caller, PASSWORD, DEVICE)
        with pytest.raises(AccountDeletedError):
            world.sessions.verify(token)

    def test_a_thousandth_and_first_login_displaces_the_least_used(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.clock.pass_by(seconds=1)

        def open_many() -> None:
            for _ in range(999):
                open_session(caller.user_id, DEVICE, now=world.clock.now)

        world.writer.write(open_many)
        world.sessions.verify(token)
        world.log_in("anna")
        assert world.ended == [caller.session_id]
        assert len(world.sessions.devices(caller.user_id)) == 1000


class TestOutsideChanges:
    """The command line writes to the same database."""

    def test_a_session_deleted_by_another_process_is_over_once_all_is_forgotten(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.writer.write(Session.delete().where(Session.id == caller.session_id).execute)
        world.sessions.verify(token)  # from memory
        world.sessions.forget_all()
        with pytest.raises(UnauthorizedError):
            world.sessions.verify(token)

    def test_open_sockets_can_be_checked_in_one_go(self, world: World) -> None:
        anna, _ = world.sign_up("anna")
        bert, _ = world.sign_up("bert")
        world.writer.write(Session.delete().where(Session.id == bert.session_id).execute)
        asked = [anna.session_id, bert.session_id, *(f"sess-{number}" for number in range(1200))]
        assert world.sessions.still_living(asked) == {anna.session_id}


class TestUse:
    def saved(self, world: World, caller: Caller) -> int:
        """When the database says the session was last used."""
        if world.sessions._saver is not None:
            world.sessions._saver.join()
        [item] = world.sessions.devices(caller.user_id)
        return item.last_used_at

    def test_is_written_down_once_a_minute_at_most(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        begun = world.clock.now
        world.clock.pass_by(seconds=59)
        world.sessions.verify(token)
        assert self.saved(world, caller) == begun
        world.clock.pass_by(seconds=1)
        world.sessions.verify(token)
        assert self.saved(world, caller) == begun + 60_000

    def test_keeps_a_session_alive_across_a_restart(self, world: World) -> None:
        caller, token = world.sign_up("anna")
        world.clock.pass_by(seconds=60)
        world.sessions.verify(token)
        assert self.saved(world, caller) == world.clock.now
        world.writer.write(prune_sessions, world.clock.now - 1)
        assert world.sessions.still_living([caller.session_id]) == {caller.session_id}
        world.writer.write(prune_sessions, world.clock.now)
        assert world.sessions.still_living([caller.session_id]) == set()


def test_devices_are_listed_the_last_used_first_without_the_idle(world: World) -> None:
    caller, _ = world.sign_up("anna")
    world.clock.pass_by(seconds=10)
    newer = world.sessions.verify(world.log_in("anna"))
    listed = world.sessions.devices(caller.user_id)
    assert [item.session_id for item in listed] == [newer.session_id, caller.session_id]
    assert (listed[0].address, listed[0].agent) == (DEVICE.address, DEVICE.agent)
    world.clock.pass_by(seconds=IDLE_SECONDS - 10)
    assert [item.session_id for item in world.sessions.devices(caller.user_id)] == [newer.session_id]
