"""The people of a load test: signed up once, kept in a file, and used again by every run."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gevent.pool import Pool

from loadtests.api import Api, RefusedError, UnreachableError

AT_ONCE = 8
SAID_EVERY = 100

log = logging.getLogger("loadtests")


class PreparationError(Exception):
    """The run cannot begin; the text says why, and what to do."""


@dataclass
class Account:
    """Somebody who has signed up. Their newest token is kept: an older one that expired would end the session."""

    username: str
    password: str
    user_id: str = ""
    token: str = ""
    expires_at: float = 0.0
    """When the token expires: seconds since the Unix epoch, by this machine's clock."""
    lifetime: float = 0.0
    """How long it was valid when it was new, in seconds."""

    def needs_refresh(self, now: float) -> bool:
        """Whether less than half of the token's life is left."""
        return self.expires_at - now < self.lifetime / 2

    def accept(self, answer: dict[str, Any], now: float) -> None:
        """Takes the token that signing up, logging in or refreshing gave."""
        self.user_id = answer.get("userId", self.user_id)
        self.token = answer["token"]
        self.lifetime = answer["expiresIn"]
        self.expires_at = now + self.lifetime


@dataclass
class Accounts:
    """Everybody there is for one host. The two at 2n and 2n + 1 talk with each other, in every run."""

    file: Path
    host: str
    people: list[Account] = field(default_factory=list)
    archivists: list[Account] = field(default_factory=list)
    """Two whose conversation is only read, once it is long enough."""

    @classmethod
    def load(cls, file: Path, host: str) -> Accounts:
        """From the file, or none where there is no file. Raises PreparationError."""
        if not file.exists():
            return cls(file, host)
        try:
            stored = json.loads(file.read_text())
            people, archivists = ([Account(**person) for person in stored[name]] for name in ("people", "archivists"))
            accounts = cls(file, stored["host"], people, archivists)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise PreparationError(f"{file} is not a file of accounts ({error}): delete it, or name another") from error
        if accounts.host != host:
            raise PreparationError(f"{file} has the accounts of {accounts.host}, not of {host}: name another")
        return accounts

    def save(self) -> None:
        """Writes the file anew, for its owner's eyes only."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.file.with_name(f"{self.file.name}.new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as output:
            json.dump({**asdict(self), "file": str(self.file)}, output)
        new.replace(self.file)

    def prepare(self, people: int, archivists: int, api: Api) -> None:
        """Sees to it that so many of each are signed in, and saves what has changed. Raises PreparationError."""
        missing = [max(0, people - len(self.people)), max(0, archivists - len(self.archivists))]
        if any(missing):
            log.info("signing up %d accounts, once; they are kept in %s", sum(missing), self.file)
        self.people += [_nobody() for _ in range(missing[0])]
        self.archivists += [_nobody() for _ in range(missing[1])]
        needed = self.people[:people] + self.archivists[:archivists]
        try:
            for done, failure in enumerate(Pool(AT_ONCE).imap_unordered(_sign_in_or_why, needed, repeat(api)), start=1):
                if failure is not None:
                    raise PreparationError(_explain(failure)) from failure
                if done % SAID_EVERY == 0:
                    log.info("%d of %d accounts are ready", done, len(needed))
        finally:
            self.save()

    def person(self, index: int, api: Api) -> Account:
        """The person with this index, signed in on the spot where that was not prepared.

        Raises RefusedError, UnreachableError.
        """
        while len(self.people) <= index:
            self.people.append(_nobody())
        person = self.people[index]
        if person.needs_refresh(time.time()):
            sign_in(person, api)
        return person

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else uses the file meanwhile. Raises PreparationError where somebody does."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.file.with_name(f"{self.file.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PreparationError(f"{self.file} is in use by another run: name another with --accounts") from error
            yield


def default_file(host: str) -> Path:
    """Where the accounts of a host are kept unless told otherwise: in the user's cache directory."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "chat-server-loadtests" / f"{urlsplit(host).netloc.replace(':', '-')}.json"


def renew_token(person: Account, api: Api) -> None:
    """Gets a fresh token by refreshing, or else by logging in, which costs the server a password's hash.

    Raises RefusedError, UnreachableError.
    """
    try:
        person.accept(api.call("POST", "/auth/refresh", token=person.token), time.time())
    except RefusedError as error:
        if error.status != 401:
            raise
        credentials = {"username": person.username, "password": person.password}
        person.accept(api.call_patiently("POST", "/auth/login", credentials), time.time())


def sign_in(person: Account, api: Api) -> None:
    """Gets a fresh token; signs up, under a new name, who has no account or whose account is no more.

    Raises RefusedError, UnreachableError.
    """
    if person.user_id:
        try:
            renew_token(person, api)
            return
        except RefusedError as error:
            if error.code not in {"INVALID_CREDENTIALS", "ACCOUNT_DELETED"}:
                raise
    person.username = _nobody().username
    credentials = {"username": person.username, "password": person.password}
    person.accept(api.call_patiently("POST", "/auth/signup", credentials), time.time())


def _sign_in_or_why(person: Account, api: Api) -> RefusedError | UnreachableError | None:
    """Signs in; gives why that failed, for whoever waits for it."""
    try:
        sign_in(person, api)
    except (RefusedError, UnreachableError) as error:
        return error
    return None


def _nobody() -> Account:
    return Account(f"load_{secrets.token_hex(8)}", f"Aa1{secrets.token_urlsafe(24)}")


def _explain(error: Exception) -> str:
    if isinstance(error, RefusedError) and error.code in {"REGISTRATION_CLOSED", "INVALID_INVITE"}:
        return f'{error}; accounts are made by signing up: set [auth] registration = "open" while that is done'
    return str(error)
