"""An open workload: when things are to happen, whatever became of those before."""

from __future__ import annotations

from loadtests.latency import Histogram

MAX_LATE_SHARE = 0.01


class Punctuality:
    """How far the generator kept its schedule. A generator that was late measured itself, not the server."""

    def __init__(self, tolerance_seconds: float) -> None:
        self.tolerance_seconds = tolerance_seconds
        self.lateness = Histogram()
        self.late = 0

    def note(self, seconds: float) -> None:
        """Something was begun so long after it was due."""
        self.lateness.add(seconds)
        self.late += seconds > self.tolerance_seconds

    @property
    def kept(self) -> bool:
        """Whether at most one arrival in a hundred was late."""
        return self.late <= MAX_LATE_SHARE * self.lateness.count


class Schedule:
    """Arrivals at even intervals. Times are of one monotonic clock, in seconds."""

    def __init__(self, *, first: float, interval: float, punctuality: Punctuality) -> None:
        self._next = first
        self._interval = interval
        self._punctuality = punctuality

    def wait(self, now: float) -> float:
        """Until the next arrival, in seconds; 0 where it is due, or overdue."""
        return max(0.0, self._next - now)

    def take(self, now: float) -> float:
        """The next arrival: when it was intended, from which its latency counts, however late it is now."""
        intended = self._next
        self._punctuality.note(max(0.0, now - intended))
        self._next += self._interval
        return intended
