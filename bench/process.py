"""A system under test as a process: started on a core of its own, with what it uses of processor and memory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

LISTEN_SECONDS = 30
STOP_SECONDS = 60
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class CannotRunError(Exception):
    """A system can't be measured on this machine. The message is one line that says why."""


class Process:
    """Running until `stop`; all its threads share the one core. Its output goes to `log`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int,
        port: int,
        log: Path,
        environ: Mapping[str, str] | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        """Returns once the port is listened on: by the process, or by `listener`, which is passed to it then.

        Raises CannotRunError.
        """
        if listener is not None:
            command = [sys.executable, "-m", "bench.activation", str(listener.fileno()), *command]
        self.address = ("127.0.0.1", port)
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603  the command is the benchmark's own
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environ or {})},
                pass_fds=() if listener is None else (listener.fileno(),),
            )
        self.pid = self._popen.pid
        os.sched_setaffinity(self.pid, {core})  # threads inherit it; there are none yet
        try:
            self._wait_until_it_listens()
        except BaseException:
            self._popen.kill()
            self._popen.wait()
            raise

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + LISTEN_SECONDS
        while True:
            try:
                socket.create_connection(self.address).close()
                return
            except OSError:
                if self._popen.poll() is not None or time.monotonic() > deadline:
                    *_, last = ["no output", *self._log.read_text().splitlines()]
                    raise CannotRunError(f"does not start: {last}") from None
                time.sleep(0.02)

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far, in user mode and in the kernel (proc(5), fields 14 and 15)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_kib(self) -> int:
        """Resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise CannotRunError("has ended")

    def stop(self) -> None:
        """SIGTERM, as a service manager would; SIGKILL if that is not enough."""
        self._popen.send_signal(signal.SIGTERM)
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cores() -> tuple[int, int]:
    """One for the system under test and one for the generator. Raises CannotRunError."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise CannotRunError("two cores are needed: one for the server, one for the generator")
    return usable[0], usable[1]
