"""Prosody, as Debian has it, with the archive that clients expect: in files, or in SQLite.

It is started by hand with a configuration of its own on loopback; the machine's Prosody, if it runs one, is not
touched.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from bench.peer import Peer
from bench.process import CannotRunError, Process, free_port
from bench.xmpp import DOMAIN

Archive = Literal["files", "sqlite"]

CONFIGURATION = """
-- root, where there is no other user: nothing is reachable from outside the machine
run_as_root = {run_as_root}
data_path = "{directory}"
pidfile = "{directory}/prosody.pid"
log = {{ warn = "*console" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
modules_enabled = {{ "roster", "saslauth", "disco", "carbons", "ping", "mam" }}
modules_disabled = {{ "s2s" }}
default_archive_policy = true
archive_expires_after = "never"
storage = {{ archive = "{archive}" }}
sql = {{ driver = "SQLite3", database = "{directory}/archive.sqlite" }}
VirtualHost "{domain}"
"""


class Prosody:
    """A running one that knows these people."""

    def __init__(self, archive: Archive, peers: Sequence[Peer], directory: Path, *, core: int) -> None:
        """Raises CannotRunError, where it is not installed."""
        program = shutil.which("prosody")
        if program is None:
            raise CannotRunError("Prosody is not installed: apt install prosody lua-dbi-sqlite3")
        self._archive = archive
        self._directory = directory
        accounts = directory / DOMAIN / "accounts"
        accounts.mkdir(parents=True)
        for peer in peers:
            (accounts / f"{peer.name}.dat").write_text(f'return {{ ["password"] = "{peer.token}" }};\n')
        port = free_port()
        configuration = directory / "prosody.cfg.lua"
        configuration.write_text(
            CONFIGURATION.format(
                run_as_root=str(os.geteuid() == 0).lower(),
                directory=directory,
                port=port,
                archive={"files": "internal", "sqlite": "sql"}[archive],
                domain=DOMAIN,
            )
        )
        command = [program, "--config", str(configuration), "-F"]
        self.process = Process(command, core=core, port=port, log=directory / "prosody.log")

    def archived(self) -> int:
        """How many messages its archive holds; it keeps a copy for each of the two people."""
        if self._archive == "sqlite":
            with sqlite3.connect(self._directory / "archive.sqlite") as database:
                (copies,) = database.execute("SELECT count(*) FROM prosodyarchive").fetchone()
        else:
            lists = (self._directory / DOMAIN / "archive").glob("*.list")
            copies = sum(line.startswith(b"item(") for file in lists for line in file.read_bytes().splitlines())
        return int(copies) // 2
