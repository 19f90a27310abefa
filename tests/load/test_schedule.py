"""An open workload: arrivals by the clock, and what a stall does to the figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.latency import Histogram, Timeline
from loadtests.schedule import Punctuality, Schedule


def schedule(interval: float = 0.1, tolerance: float = 0.05) -> tuple[Schedule, Punctuality]:
    punctuality = Punctuality(tolerance)
    return Schedule(first=100.0, interval=interval, punctuality=punctuality), punctuality


def test_arrivals_are_due_by_the_clock_whatever_became_of_those_before() -> None:
    arrivals, _ = schedule()
    intended = [arrivals.take(now) for now in (100.0, 103.0, 103.0, 103.0)]
    assert intended == pytest.approx([100.0, 100.1, 100.2, 100.3])


def test_what_is_overdue_is_not_waited_for() -> None:
    arrivals, _ = schedule()
    assert arrivals.wait(99.5) == pytest.approx(0.5)
    arrivals.take(100.0)
    assert arrivals.wait(100.04) == pytest.approx(0.06)
    assert arrivals.wait(105.0) == 0.0


def test_a_generator_that_is_late_once_in_a_hundred_times_has_kept_its_schedule() -> None:
    arrivals, punctuality = schedule(interval=1.0)
    for number in range(100):
        arrivals.take(100.0 + number + (0.06 if number == 50 else 0.04))
    assert (punctuality.late, punctuality.kept) == (1, True)


def test_a_generator_that_is_late_twice_in_a_hundred_times_has_not() -> None:
    arrivals, punctuality = schedule(interval=1.0)
    for number in range(100):
        arrivals.take(100.0 + number + (0.06 if number in {50, 51} else 0.04))
    assert (punctuality.late, punctuality.kept) == (2, False)
    assert punctuality.lateness.longest == pytest.approx(0.06)


def test_one_stall_makes_all_arrivals_late_that_were_due_in_it() -> None:
    arrivals, punctuality = schedule(interval=0.01)
    for number in range(100):
        arrivals.take(max(100.0 + number / 100, 100.5 if number > 10 else 0.0))
    assert punctuality.late > 30


@given(st.lists(st.floats(1e-5, 100), min_size=1, max_size=300), st.sampled_from([0.0, 50.0, 90.0, 99.0, 99.9, 100.0]))
def test_a_percentile_is_exact_to_two_percent(durations: list[float], percent: float) -> None:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    exact = sorted(durations)[max(0, -int(-len(durations) * percent // 100) - 1)]
    assert exact * 0.999999 <= histogram.percentile(percent) <= exact * 1.021


def test_nothing_took_no_time() -> None:
    assert Histogram().percentile(99) == 0.0


@given(st.lists(st.tuples(st.floats(0, 5000), st.floats(0.001, 10)), max_size=200))
def test_a_timeline_loses_nothing_and_stays_short_however_long_the_run(arrivals: list[tuple[float, float]]) -> None:
    timeline = Timeline()
    for at, seconds in arrivals:
        timeline.add(at, seconds)
    assert sum(point.count for point in timeline.points) == len(arrivals)
    assert len(timeline.points) <= 600
    if arrivals:
        last = max(at for at, _ in arrivals)
        assert timeline.points[int(last // timeline.width)].count
        assert max(point.longest for point in timeline.points) == max(seconds for _, seconds in arrivals)


def test_points_are_a_second_wide_until_there_are_too_many() -> None:
    timeline = Timeline()
    for second in range(600):
        timeline.add(second, 1.0)
    assert (timeline.width, len(timeline.points)) == (1, 600)
    timeline.add(600, 1.0)
    assert (timeline.width, len(timeline.points)) == (2, 301)
    assert [point.count for point in timeline.points] == [2] * 300 + [1]
