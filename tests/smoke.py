"""The least that an installed server must do, tried on an executable: `python -m tests.smoke EXECUTABLE`.

The Debian package's build runs it on what it is about to pack, with the libraries that are packed.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.client import PASSWORD
from tests.server import Server, running_server

PATIENCE_SECONDS = 10


def try_out(executable: str, directory: Path) -> None:
    """Two people sign up, one writes to the other, the server stops. Raises AssertionError for what went wrong."""
    with running_server(directory, command=(executable,)) as server:
        ada, bob = (sign_up(server, name) for name in ("ada", "bob"))
        with connect(f"{server.socket_url}?token={ada['token']}", proxy=None) as socket:
            send(socket, message_id="hello-1", recipient=bob["userId"], content="Hello Bob")
    with closing(sqlite3.connect(server.database)) as database:
        stored = database.execute("SELECT content FROM messages").fetchall()
    assert stored == [("Hello Bob",)], stored
    wal = Path(f"{server.database}-wal")
    assert not wal.exists(), f"the server left {wal.stat().st_size} bytes of WAL behind"


def sign_up(server: Server, username: str) -> Any:  # noqa: ANN401  as JSON is
    """The answer: the user's id and a token."""
    return server.client().post("/auth/signup", {"username": username, "password": PASSWORD}).succeeded()


def send(socket: ClientConnection, *, message_id: str, recipient: str, content: str) -> None:
    """Returns when the server has said that the message is on disk."""
    data = {"recipientId": recipient, "content": content}
    socket.send(json.dumps({"id": message_id, "type": "message", "data": data}))
    while True:
        frame = json.loads(socket.recv(timeout=PATIENCE_SECONDS))
        assert frame["type"] != "error", frame
        if frame["type"] == "ack":
            assert (frame["id"], frame["data"]["status"]) == (message_id, "sent"), frame
            return


if __name__ == "__main__":
    (executable,) = sys.argv[1:]
    with TemporaryDirectory() as directory:
        try_out(executable, Path(directory))
    print(f"{executable}: serves, stores a message, and stops without a WAL")
