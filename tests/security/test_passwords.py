"""Passwords: which are accepted, and that hashing them never stops anything else."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import gevent
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from gevent.pool import Group
from hypothesis import given
from hypothesis import strategies as st

from chat_server.security.passwords import HashingBusy, Passwords, WeakPassword, check_policy, hash_password

CHEAP = {"memory_kib": 1024, "iterations": 1}
SLOW = {"memory_kib": 32768, "iterations": 2}


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    pool = Passwords(threads=2, queue=4, **CHEAP)
    yield pool
    pool.close()


@pytest.fixture
def slow() -> Iterator[Passwords]:
    """One thread and room for two to wait, each hash taking long enough to be caught at it."""
    pool = Passwords(threads=1, queue=2, **SLOW)
    yield pool
    pool.close()


@pytest.mark.parametrize("password", ["Passw0rd", "Ünïcödé1", "a" * 1022 + "A1", "ΠΑΣΣwοrd٣"])
def test_a_password_with_both_cases_and_a_digit_is_accepted(password: str) -> None:
    check_policy(password)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("Passw0r", "at least 8 characters"),
        ("passw0rd", "upper-case"),
        ("PASSW0RD", "lower-case"),
        ("Password", "digit"),
        ("Password²", "digit"),
        ("a" * 1023 + "A1", "1,024 bytes"),
        ("Aa1" + "ß" * 511, "1,024 bytes"),
        ("Passw0rd\udc80", "Unicode"),
        ("", "at least 8 characters"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        check_policy(password)
    assert reason in refused.value.reason


@given(st.text())
def test_the_policy_answers_any_text_by_accepting_it_or_refusing_it(password: str) -> None:
    try:
        check_policy(password)
    except WeakPassword:
        return
    assert len(password) >= 8
    assert len(password.encode()) <= 1024


def test_a_hashed_password_verifies_and_another_does_not(passwords: Passwords) -> None:
    digest = passwords.hash("Correct1 horse")
    assert passwords.verify(digest, "Correct1 horse")
    assert not passwords.verify(digest, "Correct1 horsf")


def test_the_digest_is_argon2id_with_the_configured_parameters(passwords: Passwords) -> None:
    assert passwords.hash("Correct1 horse").startswith("$argon2id$v=19$m=1024,t=1,p=4$")
    assert hash_password("Correct1 horse", **CHEAP).startswith("$argon2id$v=19$m=1024,t=1,p=4$")


def test_what_the_command_line_hashed_the_server_verifies(passwords: Passwords) -> None:
    assert passwords.verify(hash_password("Correct1 horse", **CHEAP), "Correct1 horse")


def test_only_a_digest_with_other_parameters_needs_a_rehash(passwords: Passwords) -> None:
    assert not passwords.needs_rehash(passwords.hash("Correct1 horse"))
    assert passwords.needs_rehash(PasswordHasher(1, 2048).hash("Correct1 horse"))


def test_a_wrong_password_leaves_no_trace_on_stderr(passwords: Passwords, capfd: pytest.CaptureFixture[str]) -> None:
    passwords.verify(passwords.hash("Correct1 horse"), "wrong")
    assert capfd.readouterr().err == ""


def test_a_corrupt_digest_is_an_error_and_not_a_wrong_password(
    passwords: Passwords, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        passwords.verify("no digest at all", "Correct1 horse")
    with pytest.raises(VerificationError):
        passwords.verify("$argon2id$v=19$m=1024,t=1,p=4$AAAA$", "Correct1 horse")
    assert capfd.readouterr().err == ""
    assert passwords.running == 0


def test_a_hash_that_memory_lacks_for_is_no_wrong_password(capfd: pytest.CaptureFixture[str]) -> None:
    pool = Passwords(threads=1, queue=1, memory_kib=2**21, iterations=1)
    try:
        with memory_for(2**28):
            with pytest.raises(MemoryError):
                pool.hash("Correct1 horse")
            with pytest.raises(MemoryError):
                pool.verify(None, "Correct1 horse")
    finally:
        pool.close()
    assert capfd.readouterr().err == ""


@contextmanager
def memory_for(more: int) -> Iterator[None]:
    """This process may map so many bytes more than it has mapped."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_an_unknown_person_costs_the_same_cpu_time_as_a_known_one(slow: Passwords) -> None:
    digest = slow.hash("Correct1 horse")

    def cost(stored: str | None) -> float:
        started = time.process_time()
        for _ in range(4):
            assert not slow.verify(stored, "wrong")
        return time.process_time() - started

    assert 0.5 < cost(None) / cost(digest) < 2


def test_callers_beyond_the_queue_are_turned_away_and_the_others_served(slow: Passwords) -> None:
    outcomes: list[str] = []

    def sign_up() -> None:
        try:
            outcomes.append(slow.hash("Correct1 horse")[:9])
        except HashingBusy as busy:
            outcomes.append(f"busy for {busy.retry_after_seconds} s")

    callers = Group()
    for _ in range(5):
        callers.start(gevent.Greenlet(sign_up))
    gevent.sleep(0)
    assert (slow.running, slow.waiting) == (1, 2)
    assert outcomes == ["busy for 1 s"] * 2
    callers.join()
    assert outcomes[2:] == ["$argon2id"] * 3
    assert (slow.running, slow.waiting) == (0, 0)


def test_one_address_can_hold_an_eighth_of_the_queue_and_no_more() -> None:
    pool = Passwords(threads=1, queue=16, **SLOW)
    try:
        held = [gevent.spawn(pool.hash, "Correct1 horse", address="192.0.2.1") for _ in range(2)]
        gevent.sleep(0)
        with pytest.raises(HashingBusy):
            pool.hash("Correct1 horse", address="192.0.2.1")
        others = [gevent.spawn(pool.hash, "Correct1 horse", address=address) for address in ("192.0.2.2", "", "")]
        gevent.joinall([*held, *others], raise_error=True)
        assert pool.hash("Correct1 horse", address="192.0.2.1").startswith("$argon2id")
    finally:
        pool.close()


def test_the_wait_named_to_those_turned_away_follows_what_hashing_really_takes() -> None:
    pool = Passwords(threads=1, queue=29, **CHEAP)

    def named_wait() -> int:
        callers = [gevent.spawn(pool.hash, "Correct1 horse") for _ in range(30)]
        gevent.sleep(0)
        with pytest.raises(HashingBusy) as busy:
            pool.hash("Correct1 horse")
        gevent.joinall(callers, raise_error=True)
        return busy.value.retry_after_seconds

    before_anything_was_measured = named_wait()
    assert 1 <= named_wait() < before_anything_was_measured
    pool.close()


def test_other_greenlets_run_while_a_password_is_hashed(slow: Passwords) -> None:
    hashing = gevent.spawn(slow.hash, "Correct1 horse")
    turns = 0
    while not hashing.ready():
        gevent.sleep(0.001)
        turns += 1
    assert turns > 5


def test_a_caller_killed_while_it_waits_gives_its_place_back(slow: Passwords) -> None:
    callers = [gevent.spawn(slow.hash, "Correct1 horse") for _ in range(3)]
    gevent.sleep(0)
    callers[2].kill()
    assert (slow.running, slow.waiting) == (1, 1)
    gevent.joinall(callers)


def test_a_caller_killed_while_its_password_is_hashed_holds_the_thread_to_its_end(
    slow: Passwords,
) -> None:
    caller = gevent.spawn(slow.hash, "Correct1 horse")
    gevent.sleep(0)
    caller.kill()
    assert slow.running == 1
    slow.hash("Correct1 horse")
    assert slow.running == 0


def test_hashing_runs_at_a_lower_priority_than_the_hub(passwords: Passwords) -> None:
    passwords.hash("Correct1 horse")
    hub, others = niceness_of_threads()
    assert hub < 10
    assert 10 in others


def niceness_of_threads() -> tuple[int, list[int]]:
    """The main thread's and the others' (proc_pid_stat(5), field 19, counted after the bracketed name)."""

    def niceness(task: Path) -> int:
        return int((task / "stat").read_text().rpartition(")")[2].split()[16])

    main = Path("/proc/thread-self").resolve()
    others = []
    for task in main.parent.iterdir():
        with suppress(FileNotFoundError):  # it has just ended
            others += [niceness(task)] if task != main else []
    return niceness(main), others


def test_closing_ends_the_threads() -> None:
    before = len(niceness_of_threads()[1])
    pool = Passwords(threads=2, queue=4, **CHEAP)
    pool.hash("Correct1 horse")
    assert len(niceness_of_threads()[1]) > before
    pool.close()
    deadline = time.monotonic() + 5
    while len(niceness_of_threads()[1]) > before and time.monotonic() < deadline:
        gevent.sleep(0.01)
    assert len(niceness_of_threads()[1]) <= before
