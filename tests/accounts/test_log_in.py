"""Logging in, and the lockouts that stop guessing."""

from __future__ import annotations

import sqlite3
import time

import pytest

from chat_server.chat import logins
from chat_server.chat.logins import InvalidCredentialsError, prune_auth_logs, unlock
from chat_server.chat.sessions import Device
from chat_server.config import RateLimitSection
from chat_server.security.lockout import LockedOut
from chat_server.security.passwords import Passwords
from chat_server.storage.models import AuthLog
from tests.accounts.world import DEVICE, PASSWORD, World

ELSEWHERE = Device("198.51.100.9", "")
WINDOW_SECONDS = 15 * 60


def fail(world: World, username: str = "anna", *, times: int = 1, device: Device = DEVICE) -> None:
    for _ in range(times):
        with pytest.raises(InvalidCredentialsError):
            world.log_in(username, "Wrong-Guess-1", device)


def assert_locked_out(world: World, username: str = "anna", *, device: Device = DEVICE) -> int:
    """Even who knows the password is refused; gives the ms to wait."""
    with pytest.raises(LockedOut) as refusal:
        world.log_in(username, PASSWORD, device)
    return refusal.value.retry_after_ms


def test_each_login_is_a_session_of_its_own_whatever_the_names_case(world: World) -> None:
    caller, _ = world.sign_up("Anna")
    again = world.sessions.verify(world.log_in("aNNa"))
    assert (again.user_id, again.username) == (caller.user_id, "Anna")
    assert again.session_id != caller.session_id


def test_a_wrong_password_and_an_unknown_name_are_told_alike(world: World) -> None:
    world.sign_up("anna")
    messages = []
    for name in ("anna", "nobody"):
        with pytest.raises(InvalidCredentialsError) as refusal:
            world.log_in(name, "Wrong-Guess-1")
        messages.append(str(refusal.value))
    assert messages[0] == messages[1]


def test_an_unknown_name_costs_a_hash_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str | None] = []
    verify = Passwords.verify

    def watch(self: Passwords, digest: str | None, password: str, *, address: str = "") -> bool:
        verified.append(digest)
        return verify(self, digest, password, address=address)

    monkeypatch.setattr(Passwords, "verify", watch)
    fail(world, "nobody")
    assert verified == [None]


def test_a_failure_is_logged_with_name_and_address_and_without_the_password(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    fail(world, "anna")
    [record] = [record for record in caplog.records if record.getMessage() == "failed login"]
    assert record.args == {"username": "anna", "address": DEVICE.address}
    assert "Wrong-Guess-1" not in caplog.text


def test_what_is_no_name_is_not_repeated_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    fail(world, "x\nfailed login username=root " * 100)
    [record] = [record for record in caplog.records if record.getMessage() == "failed login"]
    assert record.args == {"username": "(invalid)", "address": DEVICE.address}


class TestLockout:
    def test_five_failures_lock_a_name_for_an_address(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, times=4)
        world.log_in("anna")
        fail(world, "ANNA", times=5)
        assert assert_locked_out(world, "Anna") == WINDOW_SECONDS * 1000

    def test_the_owner_gets_in_from_elsewhere(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, times=5)
        world.log_in("anna", device=ELSEWHERE)

    def test_another_name_gets_in_from_the_same_address(self, world: World) -> None:
        world.sign_up("anna")
        world.sign_up("bert")
        fail(world, times=5)
        world.log_in("bert")

    def test_it_ends_with_the_window(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, times=4)
        world.clock.pass_by(seconds=60)
        fail(world)
        assert assert_locked_out(world) == (WINDOW_SECONDS - 60) * 1000
        world.clock.pass_by(seconds=WINDOW_SECONDS - 60)
        world.log_in("anna")

    def test_attempts_during_a_lockout_do_not_prolong_it(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, times=5)
        world.clock.pass_by(seconds=WINDOW_SECONDS - 1)
        for _ in range(10):
            assert assert_locked_out(world) == 1000
        world.clock.pass_by(seconds=1)
        world.log_in("anna")

    def test_a_success_wipes_the_slate_of_this_name_and_address(self, world: World) -> None:
        world.sign_up("anna")
        for _ in range(3):
            fail(world, times=4)
            world.log_in("anna")
        fail(world, times=5)
        assert_locked_out(world)

    def test_a_success_elsewhere_does_not(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, times=4)
        world.log_in("anna", device=ELSEWHERE)
        fail(world)
        assert_locked_out(world)

    def test_addresses_of_one_ipv6_network_are_one(self, world: World) -> None:
        world.sign_up("anna")
        for number in range(5):
            fail(world, device=Device(f"2001:db8::{number}", ""))
        assert_locked_out(world, device=Device("2001:db8::ffff", ""))

    def test_many_addresses_at_one_name_are_stopped_at_a_higher_bound(self, world: World) -> None:
        world.sign_up("anna")
        world.logins.retune(RateLimitSection(max_auth_attempts_per_username=12))
        for number in range(12):
            fail(world, device=Device(f"198.51.100.{number}", ""))
        assert_locked_out(world, device=ELSEWHERE)

    def test_many_names_from_one_address_are_stopped_at_a_higher_bound(self, world: World) -> None:
        world.sign_up("anna")
        world.logins.retune(RateLimitSection(max_auth_attempts_per_address=12))
        for number in range(12):
            fail(world, f"name{number}")
        assert_locked_out(world)

    def test_an_exempt_address_is_never_locked_out(self, world: World) -> None:
        world.sign_up("anna")
        monitor = Device("192.0.2.1", "", limited=False)
        fail(world, times=8, device=monitor)
        world.log_in("anna", device=monitor)

    def test_a_stolen_token_does_not_help_to_guess_the_password(self, world: World) -> None:
        caller, _ = world.sign_up("anna")
        for _ in range(5):
            with pytest.raises(InvalidCredentialsError):
                world.accounts.change_password(caller, "Wrong-Guess-1", "New-Password-2", DEVICE)
        with pytest.raises(LockedOut):
            world.accounts.delete(caller, PASSWORD, DEVICE)

    def test_the_guides_reset_lifts_it_at_once(self, world: World) -> None:
        """The statement of the troubleshooting guide, chapter 3, as the sqlite3 shell would run it."""
        world.clock.now = time.time_ns() // 1_000_000
        world.sign_up("alice")
        fail(world, "Alice", times=5)
        assert_locked_out(world, "alice")
        shell = sqlite3.connect(world.database.database)
        shell.execute("DELETE FROM auth_logs WHERE username='alice' AND created_at < datetime('now', '-15 minutes');")
        shell.commit()
        shell.close()
        world.log_in("alice")

    def test_an_admin_unlocks_a_name(self, world: World) -> None:
        world.sign_up("anna")
        fail(world, "ANNA", times=5)
        assert world.writer.write(unlock, "anna") == 5
        world.log_in("anna")


def test_attempts_are_forgotten_after_a_month(world: World) -> None:
    fail(world)
    world.clock.pass_by(seconds=logins.KEPT_MS / 1000)
    fail(world)
    world.writer.write(prune_auth_logs, world.clock.now + 1)
    assert [row.created_at for row in world.readers.run(list, AuthLog.select())] == [world.clock.now]


def test_a_digest_of_older_parameters_is_renewed_at_the_next_login(world: World) -> None:
    caller, _ = world.sign_up("anna")
    before = world.digest(caller.user_id)
    stronger = Passwords(threads=1, queue=8, memory_kib=2048, iterations=2)
    world.accounts._passwords = stronger
    world.log_in("anna")
    after = world.digest(caller.user_id)
    stronger.close()
    assert "m=1024,t=1" in before
    assert "m=2048,t=2" in after
    world.log_in("anna")
