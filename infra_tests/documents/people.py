"""Who is on the host under test, and what a reader of the documents has at hand of theirs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from infra_tests.shell import Shell

PASSWORD: Final = "Correct-Horse-7"
NAMES: Final = ("alice", "bob", "mallory")
API: Final = "http://localhost:8080"


@dataclass(frozen=True, slots=True)
class AtHand:
    """What is typed before a block, and what is typed into it."""

    variables: str = ""
    standard_input: str = ""


def arrive(shell: Shell) -> None:
    """Makes the accounts, and a conversation of alice and bob."""
    for name in NAMES:
        if shell.types(f"sudo chat-server users create {name}", given=f"{PASSWORD}\n").code:
            _renew(shell, name)  # there from an earlier run
    bob = _asked(shell, "/auth/login", {"username": "bob", "password": PASSWORD})
    started = _asked(shell, "/conversations/start", {"otherUserId": str(bob["userId"])}, token_of(shell, "alice"))
    assert "conversationId" in started, started


def token_of(shell: Shell, name: str) -> str:
    """A fresh token of theirs, whatever the document has done to their account."""
    _renew(shell, name)
    return str(_asked(shell, "/auth/login", {"username": name, "password": PASSWORD})["token"])


def password_of(shell: Shell, name: str) -> str:
    """Their password, likewise."""
    _renew(shell, name)
    return PASSWORD


def _renew(shell: Shell, name: str) -> None:
    shell.root(f"chat-server users reset-password {name}", given=f"{PASSWORD}\n")
    shell.root(f"chat-server users unlock {name}")


def _asked(shell: Shell, path: str, body: Mapping[str, str], token: str = "") -> dict[str, object]:
    line = f"curl -sS {API}{path} --json @- -H 'Authorization: Bearer {token}'"
    answer: dict[str, object] = json.loads(shell.types(line, given=json.dumps(body)).out)
    return answer


GIVEN: Final[Mapping[str, Callable[[Shell], AtHand]]] = {
    "a token of alice's": lambda shell: AtHand(variables=f"TOKEN={token_of(shell, 'alice')}"),
    "the public key of the copies": lambda _: AtHand(variables="KEY=$(sudo cat /opt/chat-server/backup_key.pub)"),
    "the public key of the backups": lambda _: AtHand(variables="RECIPIENT=$(age-keygen -y chat-backups.key)"),
    "a copy from the other host": lambda _: AtHand(
        variables="sudo sh -c 'cat /srv/chat/chat-*.age' >chat-fetched.db.age"
    ),
    "the password of alice": lambda shell: AtHand(standard_input=f"{password_of(shell, 'alice')}\n"),
}
