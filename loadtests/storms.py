"""Something that befalls everybody at once, again and again."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.event import Event


class Storms:
    """A storm ends when all who joined have said that they are back; the next begins some time after that."""

    def __init__(self, *, first_after: float, every: float, clock: Callable[[], float]) -> None:
        self._first_after = first_after
        self._every = every
        self._clock = clock
        self._struck = Event()
        self._all_back = Event()
        self._missing = 0
        self.members = 0
        self.lengths: list[float] = []
        """How long each took from its beginning until the last was back, in seconds."""

    def run(self) -> None:
        """Lets storms break loose, until it is killed."""
        gevent.sleep(self._first_after)
        while True:
            began = self._clock()
            self._missing = self.members
            self._all_back.clear()
            struck, self._struck = self._struck, Event()
            struck.set()
            self._all_back.wait()
            self.lengths.append(self._clock() - began)
            gevent.sleep(self._every)

    def wait(self) -> float:
        """Until the next one; gives when it broke loose."""
        self._struck.wait()
        return self._clock()

    def be_back(self) -> None:
        """A member has got over it."""
        self._missing -= 1
        if self._missing <= 0:
            self._all_back.set()
