"""The machine that the rig runs on: what it must have, and how its programs are called."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

BUILD = Path(__file__).resolve().parents[1] / "build"
"""Where trees, the packages' cache and the hosts' own files are kept."""

# Debian's programs, not those of a Python or Ansible that the caller has put before them.
PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = {
    "apt-cacher-ng": "apt-cacher-ng",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
}
"""The programs that the rig calls, each with the Debian package that has it. The rest is on every Debian."""

TOLD_LINES = 30


class RigError(Exception):
    """The rig can't do what it was asked to. The message tells a person why, and what to do."""


def say(line: str) -> None:
    """Tells whoever waits what takes so long."""
    print(f"rig: {line}", file=sys.stderr, flush=True)


def environment() -> Mapping[str, str]:
    """What the rig's programs get: the caller's environment, but Debian's programs and English."""
    return {**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def run(*command: str | Path, environ: Mapping[str, str] | None = None) -> str:
    """Runs a program of this machine; gives what it wrote to its standard output. Raises RigError where it fails."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        env={**environment(), **(environ or {})},
        check=False,
    )
    if done.returncode:
        told = "\n".join((done.stdout + done.stderr).splitlines()[-TOLD_LINES:])
        raise RigError(f"{shlex.join(map(str, command))} failed with {done.returncode}:\n{told}")
    return done.stdout


def processes(*arguments: str) -> list[int]:
    """The processes that were started with one of the arguments."""
    marks = {argument.encode() for argument in arguments}
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marks & set(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
    return found


def prepare(also: Mapping[str, str] = MappingProxyType({})) -> None:
    """Sees to it that the rig can work on this machine, and installs what is missing. Raises RigError.

    `also`: further programs that the caller needs, each with its package.
    """
    if os.geteuid() != 0:
        raise RigError("only root can bootstrap and boot hosts: run it as root, or with sudo")
    if platform.freedesktop_os_release()["ID"] != "debian":
        raise RigError("the rig works on Debian only: it takes the hosts' packages from where this machine has its own")
    needed = {**PACKAGES, **also}
    missing = sorted(package for program, package in needed.items() if not shutil.which(program, path=PATH))
    if missing:
        _install(missing)


def _install(packages: list[str]) -> None:
    say(f"installing {' '.join(packages)}")
    # The rig starts a cache of its own. The one of the package is not to run beside it, now or after a reboot.
    offline = {"SYSTEMD_OFFLINE": "1"}
    try:
        run("apt-get", "--quiet", "update")
        run("apt-get", "--quiet", "--yes", "install", "--no-install-recommends", *packages, environ=offline)
    except RigError as failure:
        raise RigError(f"the rig needs these packages: apt install {' '.join(packages)}\n{failure}") from failure
    if "apt-cacher-ng" in packages and shutil.which("systemctl", path=PATH):
        run("systemctl", "--quiet", "disable", "apt-cacher-ng", environ=offline)
