"""Somebody's device that stays online, as the protocol asks of a client: back-off, fresh tokens, answers to PINGs."""

from __future__ import annotations

import logging
import random
import secrets
from typing import Protocol

import gevent
from gevent.event import Event

from loadtests.accounts import Account, renew_token
from loadtests.api import Api, RefusedError, UnreachableError
from loadtests.back_off import BackOff
from loadtests.line import Frame, Line, LineLostError
from loadtests.measurements import Measurements

HURRY_SECONDS = 0.5

log = logging.getLogger("loadtests")


class Attendant(Protocol):
    """Who uses the device."""

    def ready(self, line: Line, data: Frame) -> None:
        """A connection is there; `data` is that of its `ready`. What is raised as by Api ends it."""

    def take(self, frame: Frame) -> None:
        """A frame has come."""


class Device:
    """Connects, and comes back whenever the connection is lost, until it is closed."""

    def __init__(self, account: Account, api: Api, measurements: Measurements, attendant: Attendant) -> None:
        self.account = account
        self.online = Event()
        """Set while there is a connection whose `ready` was dealt with."""
        self.line: Line | None = None
        self._api = api
        self._measurements = measurements
        self._attendant = attendant
        self._hurry = Event()
        self._closing = False
        self._dropped = False
        self._lost_at = 0.0
        self._came_at = 0.0
        self._back_off = BackOff()
        self._life = gevent.spawn(self._live)
        self._life.link_exception(measurements.note_crash)

    def drop(self) -> None:
        """Loses the connection, as a network does."""
        if self.line is not None:
            self._dropped = True
            self.online.clear()
            self.line.cut()

    def hurry(self) -> None:
        """Waits no longer than half a second before an attempt from now on: the run is ending."""
        self._hurry.set()

    def close(self) -> None:
        """Hangs up, for good."""
        self._closing = True
        self._hurry.set()
        if self.line is not None:
            self.line.hang_up()

    def tend(self, now: float) -> None:
        """Renews the token in time; `now` is in seconds since the Unix epoch."""
        if self.line is not None and self.account.needs_refresh(now) and self._renew_token():
            self.line.send("auth", {"token": self.account.token}, secrets.token_hex(8))

    def join(self, seconds: float) -> None:
        """Waits until it has hung up."""
        self._life.join(seconds)

    def _live(self) -> None:
        while not self._closing:
            self._came_at = 0.0
            self._connect_and_attend()
            self.online.clear()
            if not self._closing:
                held = self._measurements.clock() - self._came_at if self._came_at else 0.0
                self._pause(self._back_off.pause(held))

    def _pause(self, seconds: float) -> None:
        until = self._measurements.clock() + seconds
        if self._hurry.wait(seconds):
            left = until - self._measurements.clock()
            gevent.sleep(max(0.0, min(left, random.uniform(0.0, HURRY_SECONDS))))

    def _connect_and_attend(self) -> None:
        try:
            self.line = Line(self._api.host, self.account.token)
            self._attend(self.line)
        except RefusedError as error:
            self._measurements.refuse(error.code)
            if error.status == 401:
                self._renew_token()
        except UnreachableError as error:
            self._measurements.losses[f"cannot connect: {error}"] += 1
        except LineLostError as error:
            if not (self._dropped or self._closing):
                self._measurements.losses[str(error)] += 1
            if error.code == 1008:
                self._renew_token()
        finally:
            self._lost_at = self._lost_at or self._measurements.clock()
            self._dropped = False
            if self.line is not None:
                self.line.release()
                self.line = None

    def _attend(self, line: Line) -> None:
        first = line.receive()
        line.hear_every(first["data"]["heartbeatSeconds"])
        self._attendant.ready(line, first["data"])
        if self._lost_at:
            self._measurements.record("return", self._lost_at)
            self._lost_at = 0.0
        self._came_at = self._measurements.clock()
        self.online.set()
        while True:
            self._attendant.take(line.receive())

    def _renew_token(self) -> bool:
        try:
            renew_token(self.account, self._api)
        except (RefusedError, UnreachableError) as error:
            log.warning("no fresh token for %s: %s", self.account.username, error)
            return False
        return True
