"""An admin at the command line: the real chat-server command, each time a process of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHAT_SERVER = str(Path(sys.executable).parent / "chat-server")
PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Done:
    """What a command left behind. On a terminal, output and errors are one."""

    code: int
    output: str
    errors: str = ""

    @property
    def json(self) -> Any:  # noqa: ANN401  as JSON is
        assert self.code == 0, self.errors
        return json.loads(self.output)

    @property
    def refusal(self) -> str:
        """The one line of a command that failed and printed nothing else."""
        assert self.code != 0
        assert self.output == ""
        assert self.errors.startswith("chat-server: ")
        assert self.errors.count("\n") == 1
        return self.errors.removeprefix("chat-server: ").rstrip("\n")


@dataclass(frozen=True)
class Admin:
    """Works with one configuration; `database` is the file it names."""

    config: Path
    database: Path

    def run(self, *words: str, typed: str | bytes = "", environ: Mapping[str, str] | None = None) -> Done:
        """Runs `chat-server WORDS` where there is no terminal, with `typed` on standard input."""
        done = subprocess.run(
            [CHAT_SERVER, "--config", str(self.config), *words],
            input=typed.encode() if isinstance(typed, str) else typed,
            capture_output=True,
            env={**os.environ, **(environ or {})},
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def at_terminal(self, *words: str, answers: Mapping[str, str]) -> Done:
        """Runs `chat-server WORDS` on a terminal, typing each answer once its prompt has appeared."""
        process, terminal = pty.fork()
        if process == 0:
            os.execv(CHAT_SERVER, [CHAT_SERVER, "--config", str(self.config), *words])
        shown = ""
        waiting = list(answers.items())
        deadline = time.monotonic() + PATIENCE_SECONDS
        while select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
            try:
                shown += os.read(terminal, 4096).decode()
            except OSError:  # the process has closed the terminal
                break
            if waiting and waiting[0][0] in shown.splitlines()[-1]:
                os.write(terminal, waiting.pop(0)[1].encode() + b"\n")
        os.close(terminal)
        _, status = os.waitpid(process, 0)
        assert not waiting, f"never asked {waiting}: {shown}"
        return Done(os.waitstatus_to_exitcode(status), shown)
