"""The limits of rate: how much they let through, when they say to come back, and what they remember."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from chat_server.security.throttle import Quota, Rate, RequestWindow, TokenBucket, Violations

NOW = 1_700_000_000_000

per_minutes = st.integers(1, 6000)
bursts = st.integers(1, 50)
gaps = st.lists(st.integers(0, 2_000) | st.integers(0, 120_000), min_size=1, max_size=60)


def test_a_burst_passes_and_then_one_at_a_time() -> None:
    bucket = TokenBucket(Rate(per_minute=100, burst=20), NOW)
    assert [bucket.take(NOW) for _ in range(21)] == [0] * 20 + [600]
    assert bucket.take(NOW + 599) == 1
    assert bucket.take(NOW + 600) == 0
    assert bucket.take(NOW + 600) == 600


@given(per_minutes, bursts, gaps)
def test_no_stretch_of_time_lets_through_more_than_a_burst_and_the_rate(
    per_minute: int, burst: int, waits: list[int]
) -> None:
    bucket = TokenBucket(Rate(per_minute=per_minute, burst=burst), NOW)
    now, passed = NOW, []
    for wait in waits:
        now += wait
        passed += [now] * sum(bucket.take(now) == 0 for _ in range(3))
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            stretch = passed[last] - begin
            assert last - first + 1 <= burst + Fraction(stretch * per_minute, 60_000)


@given(per_minutes, bursts, gaps)
def test_the_wait_it_names_is_enough_and_not_a_millisecond_too_long(
    per_minute: int, burst: int, waits: list[int]
) -> None:
    rate = Rate(per_minute=per_minute, burst=burst)
    bucket, twin = TokenBucket(rate, NOW), TokenBucket(rate, NOW)
    now = NOW
    for wait in waits:
        now += wait
        for _ in range(burst + 1):
            retry_after = bucket.take(now)
            assert twin.take(now) == retry_after
        assert twin.take(now + retry_after - 1) > 0
        now += retry_after
        assert bucket.take(now) == twin.take(now) == 0


@given(per_minutes, bursts)
def test_who_keeps_to_the_rate_is_never_refused(per_minute: int, burst: int) -> None:
    bucket = TokenBucket(Rate(per_minute=per_minute, burst=burst), NOW)
    gap = -(-60_000 // per_minute)
    assert all(bucket.take(NOW + n * gap) == 0 for n in range(200))


def test_a_clock_set_back_neither_fills_the_bucket_nor_blocks_it() -> None:
    bucket = TokenBucket(Rate(per_minute=60, burst=1), NOW)
    assert bucket.take(NOW) == 0
    assert bucket.take(NOW - 3_600_000) == 1000
    assert bucket.take(NOW - 3_599_000) == 0


def test_a_retuned_rate_governs_the_buckets_that_exist() -> None:
    rate = Rate(per_minute=60, burst=10)
    bucket = TokenBucket(rate, NOW)
    rate.retune(per_minute=600, burst=2)
    assert [bucket.take(NOW) for _ in range(3)] == [0, 0, 100]


def test_the_third_violation_closes() -> None:
    violations = Violations()
    assert not violations.refused(NOW, retry_after_ms=600)
    assert not violations.refused(NOW + 600, retry_after_ms=600)
    assert violations.refused(NOW + 1200, retry_after_ms=600)


def test_everything_sent_within_one_wait_is_one_violation() -> None:
    violations = Violations()
    assert not any(violations.refused(NOW + n, retry_after_ms=600 - n) for n in range(600))
    assert not violations.refused(NOW + 600, retry_after_ms=600)
    assert violations.refused(NOW + 1200, retry_after_ms=600)


def test_violations_are_forgotten_after_a_quiet_minute_and_not_before() -> None:
    violations, lasting = Violations(), Violations()
    for offender in (violations, lasting):
        offender.refused(NOW, retry_after_ms=600)
        offender.refused(NOW + 600, retry_after_ms=600)
    assert not violations.refused(NOW + 1200 + 60_000, retry_after_ms=600)
    assert lasting.refused(NOW + 1200 + 59_999, retry_after_ms=600)


def test_a_flood_against_a_bucket_closes_within_two_waits() -> None:
    bucket, violations = TokenBucket(Rate(per_minute=100, burst=20), NOW), Violations()
    for now in range(NOW, NOW + 60_000):
        while (retry_after := bucket.take(now)) == 0:
            pass
        if violations.refused(now, retry_after_ms=retry_after):
            assert now == NOW + 2 * 600
            return
    raise AssertionError("never closed")


def test_requests_are_allowed_up_to_the_limit_within_a_minute() -> None:
    window = RequestWindow(3)
    assert [window.count("198.51.100.7", NOW + n) for n in range(4)] == [
        Quota(allowed=True, limit=3, remaining=2, reset_seconds=60),
        Quota(allowed=True, limit=3, remaining=1, reset_seconds=60),
        Quota(allowed=True, limit=3, remaining=0, reset_seconds=60),
        Quota(allowed=False, limit=3, remaining=0, reset_seconds=60),
    ]
    assert window.count("198.51.100.7", NOW + 59_999) == Quota(allowed=False, limit=3, remaining=0, reset_seconds=1)
    assert window.count("198.51.100.7", NOW + 60_000).remaining == 2


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30_000)), max_size=80))
def test_every_address_has_its_own_minute(limit: int, requests: list[tuple[str, int]]) -> None:
    window = RequestWindow(limit)
    began: dict[str, int] = {}
    counts: dict[str, int] = {}
    now = NOW
    for address, wait in requests:
        now += wait
        if now >= began.get(address, 0) + 60_000:
            began[address], counts[address] = now, 0
        counts[address] += 1
        quota = window.count(address, now)
        assert quota.allowed is (counts[address] <= limit)
        assert quota.remaining == max(0, limit - counts[address])
        assert 0 <= quota.reset_seconds * 1000 - (began[address] + 60_000 - now) < 1000


def test_a_window_lasts_its_minute_whatever_others_begin() -> None:
    window = RequestWindow(1000)
    for second in range(180):
        now = NOW + second * 1000
        assert window.count(f"10.0.0.{second}", now).remaining == 999
        if second >= 59:
            assert window.count(f"10.0.0.{second - 59}", now).remaining == 998


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    window = RequestWindow(1)
    assert window.count("2001:db8:1:2::1", NOW).allowed
    assert not window.count("2001:db8:1:2:ffff::9", NOW).allowed
    assert window.count("2001:db8:1:3::1", NOW).allowed


def test_a_retuned_limit_counts_what_was_counted() -> None:
    window = RequestWindow(10)
    for _ in range(5):
        window.count("198.51.100.7", NOW)
    window.retune(5)
    assert not window.count("198.51.100.7", NOW).allowed


def test_a_clock_set_back_does_not_prolong_a_refusal() -> None:
    window = RequestWindow(1)
    for _ in range(2):
        window.count("198.51.100.7", NOW)
    assert window.count("198.51.100.7", NOW - 3_600_000) == Quota(allowed=True, limit=1, remaining=0, reset_seconds=60)


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    window = RequestWindow(10, max_addresses=1000)

    def flood(network: int) -> int:
        for host in range(5000):
            window.count(f"10.{network}.{host >> 8}.{host & 255}", NOW)
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        after_one_flood = flood(1)
        assert flood(2) < after_one_flood + 20_000
    finally:
        tracemalloc.stop()


def test_a_minute_after_a_flood_its_memory_is_free() -> None:
    tracemalloc.start()
    try:
        window = RequestWindow(10)
        for host in range(5000):
            window.count(f"10.0.{host >> 8}.{host & 255}", NOW)
        peak = tracemalloc.get_traced_memory()[0]
        for minute in (1, 2):
            window.count("198.51.100.7", NOW + minute * 60_000)
        assert tracemalloc.get_traced_memory()[0] < peak / 10
    finally:
        tracemalloc.stop()


def test_a_bucket_and_its_violations_take_little_memory() -> None:
    rate = Rate(per_minute=100, burst=20)
    tracemalloc.start()
    try:
        kept = [(TokenBucket(rate, NOW), Violations()) for _ in range(1000)]
        assert tracemalloc.get_traced_memory()[0] / len(kept) < 400
    finally:
        tracemalloc.stop()
