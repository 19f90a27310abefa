"""Plays systemd's part in socket activation (sd_listen_fds(3)): the listening socket outlives the server.

`python -m bench.activation DESCRIPTOR COMMAND...`
"""

from __future__ import annotations

import os
import sys

FIRST_PASSED_DESCRIPTOR = 3

if __name__ == "__main__":
    descriptor, command = int(sys.argv[1]), sys.argv[2:]
    if descriptor != FIRST_PASSED_DESCRIPTOR:
        os.dup2(descriptor, FIRST_PASSED_DESCRIPTOR)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    os.execvp(command[0], command)  # noqa: S606  that is what it is for
