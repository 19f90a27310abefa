"""A file goes to a directory of another host, by OpenSSH's sftp: whole, on its disk, or not under its name."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from chat_server.config import BackupSection
from chat_server.operations.errors import CopyFailedError
from chat_server.operations.programs import Ended, run

UNFINISHED = ".unfinished-chat.db"
"""What is still being sent, or was when something broke; the next one takes its place."""
AVAILABLE = re.compile(r"^ +\d+ +\d+ +(\d+) +\d+ +\d+%$", re.MULTILINE)  # in KiB, by sftp's df


@dataclass(frozen=True, slots=True)
class Destination:
    """A directory of another host, and what opens it: a private key, and the key by which that host is known."""

    login: str
    directory: str
    port: int
    key: Path

    @classmethod
    def configured(cls, section: BackupSection) -> Destination:
        """`copy_to` and its like; it was checked that they have their forms."""
        login, _, directory = section.copy_to.partition(":/")
        return cls(login, f"/{directory.strip('/')}".rstrip("/"), section.copy_port, Path(section.copy_key_file))

    @property
    def known_hosts(self) -> Path:
        """The file that lies beside the key."""
        return self.key.with_name("known_hosts")

    def named(self, name: str) -> str:
        """Where a file of this name is, as `copy_to` has it."""
        return f"{self.login}:{self.directory}/{name}"

    @property
    def options(self) -> tuple[str, ...]:
        """What sftp is to heed, and nothing else: no file of the host's, no agent, no question."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": 30,
            "GlobalKnownHostsFile": "none",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": self.key,
            "LogLevel": "ERROR",
            "PreferredAuthentications": "publickey",
            "ServerAliveCountMax": 4,
            "ServerAliveInterval": 15,
            "StrictHostKeyChecking": "yes",
            "UpdateHostKeys": "no",
            "UserKnownHostsFile": self.known_hosts,
        }
        return ("-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}")))


def upload(source: BinaryIO, name: str, there: Destination, *, lock: int, seconds: float) -> str:
    """Sends a file, from its beginning, and gives it this name there; gives where it is.

    Whatever happens, there is no part of it under that name. `lock` is a descriptor that stays open until nothing is
    sent any more. Raises CopyFailedError.
    """
    for file, what in ((there.key, "the private key"), (there.known_hosts, "the host's key")):
        if not os.access(file, os.R_OK):
            raise CopyFailedError(f"{file}, for {what}, must be there and the server's user must be able to read it")
    unfinished = f"{there.directory}/{UNFINISHED}"
    with tempfile.TemporaryFile() as batch:
        batch.write(
            f"-df {there.directory or '/'}\n"
            f"put -f /dev/fd/{source.fileno()} {unfinished}\n"
            f"rename {unfinished} {there.directory}/{name}\n".encode()
        )
        batch.seek(0)
        sftp = ("sftp", *there.options, "-P", str(there.port), "-b", "-", there.login)
        inherits = (source.fileno(), lock)
        ended = run(*sftp, package="openssh-client", given=batch, inherits=inherits, seconds=seconds)
    if ended.code:
        raise CopyFailedError(f"{there.login}: {_reason(ended, there, os.fstat(source.fileno()).st_size)}")
    return there.named(name)


def _reason(ended: Ended, there: Destination, size: int) -> str:
    if "Host key verification failed" in ended.err:
        return (
            f"its key is not the one in {there.known_hosts}: where that host was set up anew, put its new key there; "
            "otherwise somebody may be in between"
        )
    if "Permission denied (" in ended.err:
        return f"{there.key} does not open it: it must be a key without a passphrase that is in authorized_keys there"
    available = AVAILABLE.search(ended.out)
    if available and int(available[1]) * 1024 < size:
        free, needed = (f"{amount / 2**20:,.0f} MiB" for amount in (int(available[1]) * 1024, size))
        return f"{free} were free in {there.directory} and the copy needs {needed}: remove something there"
    return f"{ended.complaint}: see that the host is up, and that {there.directory} is there and can be written"
