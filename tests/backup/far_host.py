"""Another host that takes copies: a real sshd of this machine, with keys of its own, for the user who runs the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server import free_port

SSHD = Path("/usr/sbin/sshd")
SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
START_SECONDS = 10
TAKES_A_LITTLE = f"(stdbuf -o0 head -c 500000; cat >/dev/null) | {SFTP_SERVER}"
"""What sshd runs, and what takes the beginning of a file, and then never answers again."""
CUTS_OFF = f"stdbuf -o0 head -c 500000 | {SFTP_SERVER}"
"""Likewise, and then is gone."""

CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {home}/host_key
AuthorizedKeysFile {home}/backup_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
ForceCommand {runs}
"""


@dataclass(frozen=True)
class FarHost:
    """`directory` takes the copies; `key` opens it, and beside that lies known_hosts."""

    port: int
    directory: Path
    key: Path

    @property
    def section(self) -> dict[str, object]:
        """What goes into [backup]."""
        login = f"{pwd.getpwuid(os.getuid()).pw_name}@127.0.0.1"
        return {"copy_to": f"{login}:{self.directory}", "copy_port": self.port, "copy_key_file": str(self.key)}

    def names(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}


def make_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


@contextmanager
def far_host(
    home: Path, *, directory: Path | None = None, runs: str = "internal-sftp", enter: Sequence[str] = ()
) -> Iterator[FarHost]:
    """Runs it; `home` holds its keys and, where no other is given, the directory. `enter` goes before sshd's command.

    Skips the test where there is no sshd.
    """
    if not SSHD.exists() or not SFTP_SERVER.exists() or not shutil.which("sftp"):
        pytest.skip("sshd is missing: apt install openssh-server")
    home.mkdir(exist_ok=True)
    key, port = home / "backup_key", free_port()
    for name in (home / "host_key", key):
        if not name.exists():
            make_key(name)
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {(home / 'host_key.pub').read_text()}")
    (home / "sshd_config").write_text(CONFIG.format(port=port, home=home, runs=runs))
    if os.getuid() == 0:  # where it locks a part of itself in
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    directory = directory or home / "copies"
    if not enter:
        directory.mkdir(exist_ok=True)
    command = [*enter, str(SSHD), "-D", "-e", "-f", str(home / "sshd_config")]
    with (home / "log").open("ab") as log, subprocess.Popen(command, stderr=log) as sshd:
        try:
            _wait_until_listening(port, sshd, home / "log")
            yield FarHost(port, directory, key)
        finally:
            sshd.terminate()


def _wait_until_listening(port: int, sshd: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert sshd.poll() is None, log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {log.read_text()}")
