"""The server with one promise broken on purpose: `python -m tests.faults.broken_server FAULT --config PATH`.

A test that would not notice these has no worth.
"""

from __future__ import annotations

import sys
import time

import gevent

from chat_server.cli import main
from chat_server.storage import database
from chat_server.storage.commit import GroupCommit
from chat_server.storage.writer import Writer


def sync_taken_away() -> None:
    """Commits, but leaves it to the kernel when the WAL gets to the disk."""
    database.SYNCHRONOUS = "off"


def ack_before_commit() -> None:
    """Acknowledges messages when they are written, while the transaction is still to be committed."""
    save = GroupCommit.save

    def save_slowly(commit: GroupCommit) -> None:
        save(commit)
        time.sleep(0.005)

    def run(writer: Writer) -> None:
        while not writer._stopping or writer._queued():
            writer._wake.wait()
            writer._wake.clear()
            while writer._queued():
                batch = writer._take()
                committing = writer._thread.spawn(writer._commit, batch)
                while batch.operations or not batch.outcomes:
                    if committing.ready():
                        break
                    gevent.sleep(0.001)
                writer._release(batch)
                committing.get()

    setattr(GroupCommit, "save", save_slowly)  # noqa: B010  mypy would have it that methods are for good
    setattr(Writer, "_run", run)  # noqa: B010


FAULTS = {fault.__name__: fault for fault in (sync_taken_away, ack_before_commit)}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
