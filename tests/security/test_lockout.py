"""Guessing passwords: how many wrong ones are looked at, one after another or all at once."""

from __future__ import annotations

import contextlib

import pytest
from greenlet import getcurrent, greenlet
from hypothesis import given
from hypothesis import strategies as st

from chat_server.config import RateLimitSection
from chat_server.security.lockout import Failed, Failures, LockedOut, Lockout

NOW = 1_700_000_000_000
WINDOW = 15 * 60 * 1000
ANNA, HOME = "anna", "198.51.100.7"


def failures(*, pair: int = 0, username: int = 0, address: int = 0, oldest_at: int = NOW) -> Failures:
    return Failures(
        pair=Failed(pair, oldest_at), username=Failed(username, oldest_at), address=Failed(address, oldest_at)
    )


def attempt(lockout: Lockout, found: Failures, username: str = ANNA, address: str = HOME, *, now: int = NOW) -> bool:
    try:
        with lockout.attempt(username, address, lambda: found, now=now):
            return True
    except LockedOut:
        return False


@pytest.fixture
def lockout() -> Lockout:
    return Lockout(RateLimitSection())


@pytest.mark.parametrize(
    ("fewer", "bound"),
    [
        (failures(pair=4), failures(pair=5)),
        (failures(username=99), failures(username=100)),
        (failures(address=99), failures(address=100)),
    ],
)
def test_a_login_is_tried_until_one_of_the_bounds_is_reached(
    lockout: Lockout, fewer: Failures, bound: Failures
) -> None:
    assert attempt(lockout, fewer)
    assert not attempt(lockout, bound)


def test_a_stranger_with_five_failures_does_not_lock_the_owner_out(lockout: Lockout) -> None:
    assert not attempt(lockout, failures(pair=5, username=5, address=5), address="203.0.113.66")
    assert attempt(lockout, failures(pair=0, username=5, address=0))


@given(st.integers(0, WINDOW - 1))
def test_the_wait_ends_when_the_oldest_failure_leaves_the_window(age: int) -> None:
    with (
        pytest.raises(LockedOut) as locked_out,
        Lockout(RateLimitSection()).attempt(ANNA, HOME, lambda: failures(pair=5, oldest_at=NOW - age), now=NOW),
    ):
        pass
    assert locked_out.value.retry_after_ms == WINDOW - age


def test_the_longest_of_several_waits_is_named(lockout: Lockout) -> None:
    found = Failures(pair=Failed(5, NOW - 60_000), username=Failed(100, NOW - 1000), address=Failed(3, NOW))
    with pytest.raises(LockedOut) as locked_out, lockout.attempt(ANNA, HOME, lambda: found, now=NOW):
        pass
    assert locked_out.value.retry_after_ms == WINDOW - 1000


def test_a_wait_is_named_even_if_the_failure_left_the_window_meanwhile(lockout: Lockout) -> None:
    found = failures(pair=5, oldest_at=NOW - WINDOW - 5)
    with pytest.raises(LockedOut) as locked_out, lockout.attempt(ANNA, HOME, lambda: found, now=NOW):
        pass
    assert locked_out.value.retry_after_ms == 1


def test_attempts_under_way_count_and_their_wait_is_short(lockout: Lockout) -> None:
    with (
        lockout.attempt(ANNA, HOME, lambda: failures(pair=3), now=NOW),
        lockout.attempt("Anna", HOME, lambda: failures(pair=3), now=NOW),
        pytest.raises(LockedOut) as locked_out,
        lockout.attempt("ANNA", HOME, lambda: failures(pair=3), now=NOW),
    ):
        pass
    assert locked_out.value.retry_after_ms == 1000


def test_attempts_at_another_name_or_from_elsewhere_do_not_count_for_the_pair(lockout: Lockout) -> None:
    with (
        lockout.attempt("bert", HOME, lambda: failures(pair=4), now=NOW),
        lockout.attempt(ANNA, "203.0.113.66", lambda: failures(pair=4), now=NOW),
    ):
        assert attempt(lockout, failures(pair=4))


def test_an_attempt_that_ended_is_forgotten_however_it_ended(lockout: Lockout) -> None:
    assert attempt(lockout, failures(pair=4))
    assert not attempt(lockout, failures(pair=5))
    with (
        pytest.raises(RuntimeError, match="database gone"),
        lockout.attempt(ANNA, HOME, lambda: failures(pair=4), now=NOW),
    ):
        raise RuntimeError("database gone")
    assert attempt(lockout, failures(pair=4))
    assert not lockout._under_way


def test_retuned_bounds_and_window_hold_at_once(lockout: Lockout) -> None:
    lockout.retune(RateLimitSection(max_auth_attempts=2, auth_window_seconds=60))
    assert attempt(lockout, failures(pair=1))
    with (
        pytest.raises(LockedOut) as locked_out,
        lockout.attempt(ANNA, HOME, lambda: failures(pair=2), now=NOW),
    ):
        pass
    assert locked_out.value.retry_after_ms == 60_000


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), max_size=8))
def test_in_whatever_order_parallel_guesses_run_no_more_are_looked_at(turns: list[tuple[int, int]]) -> None:
    lockout = Lockout(RateLimitSection(max_auth_attempts=1))
    in_auth_logs: list[int] = []
    looked_at: list[int] = []
    scheduler = getcurrent()

    def read() -> Failures:
        scheduler.switch()
        found = failures(pair=len(in_auth_logs))
        scheduler.switch()
        return found

    def guess(number: int) -> None:
        with contextlib.suppress(LockedOut), lockout.attempt(ANNA, HOME, read, now=NOW):
            looked_at.append(number)
            scheduler.switch()
            in_auth_logs.append(number)
            scheduler.switch()

    guesses = [greenlet(guess) for _ in range(3)]
    for number, steps in [*turns, (0, 5), (1, 5), (2, 5)]:
        for _ in range(steps):
            if not guesses[number].dead:
                guesses[number].switch(number)
    assert all(one.dead for one in guesses)
    assert len(looked_at) == len(in_auth_logs) == 1
