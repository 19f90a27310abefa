"""Tries what a server that somebody broke into would try; prints what came of each attempt, as JSON.

It runs on the host by Debian's Python, as the service or as anybody: "done", or the name of the error.
"""

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

WRITABLE_BY_ALL = [
    "/etc/anyone", "/usr/local/anyone", "/srv/anyone", "/var/lib/anyone", "/opt/chat-server/anyone", "/home/anyone",
]  # fmt: skip
"""Folders that the host's permissions let everybody write to, made for the probe."""
CLONE_NEWUSER = 0x10000000

libc = ctypes.CDLL(None, use_errno=True)


def call(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), "")


def write(folder: str) -> None:
    Path(folder, f"probe-{os.getpid()}").write_text("here")


def make_setuid() -> None:
    program = Path("/var/lib/chat-server/probe-setuid")
    program.write_text("#!/bin/sh\n")
    try:
        program.chmod(0o4755)
    finally:
        program.unlink()


def change_owner() -> None:
    os.chown("/var/lib/chat-server", Path("/var/lib/chat-server").stat().st_uid, -1)


def enter_user_namespace() -> None:
    child = os.fork()  # what works is not to follow the other attempts
    if child == 0:
        os._exit(0 if libc.unshare(CLONE_NEWUSER) == 0 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "")


def try_all() -> dict[str, str]:
    attempts: dict[str, Callable[[], object]] = {
        "write where its data is": lambda: write("/var/lib/chat-server"),
        **{f"write to {folder}": partial(write, folder) for folder in WRITABLE_BY_ALL},
        "read a file in a home": lambda: Path("/home/anyone/letter").read_text(),
        "see other people's processes": lambda: Path("/proc/1").stat(),
        "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
        "listen to the network's packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "talk to the kernel by netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
        "make memory that is writable and executable": lambda: mmap.mmap(
            -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        ).close(),
        "make a program that runs as its owner": make_setuid,
        "give a file to another owner": change_owner,
        "get a user namespace": enter_user_namespace,
        "mount something": lambda: call(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None)),
        "rename the host": lambda: socket.sethostname(socket.gethostname()),
    }
    return {name: outcome(attempt) for name, attempt in attempts.items()}


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


if __name__ == "__main__":
    json.dump(try_all(), sys.stdout)
