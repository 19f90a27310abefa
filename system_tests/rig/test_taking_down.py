"""Whatever happens, no host leaves anything behind: no mount, device, process, address or file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rig.host import Host
from rig.machine import RigError, processes
from rig.slots import Slot, list_slots
from rig.trees import ensure_tree
from system_tests.conftest import fresh_host

ROOT = Path(__file__).parents[2]

# A rig of its own, as another test run would be.
KEEPER = """
import signal, sys, threading
from rig.host import Host
from rig.trees import ensure_tree
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, these tests too, ignore it
try:
    with Host.boot("kept", ensure_tree("bookworm")) as host:
        host.serve_directory(".")
        print(host.slot.number, flush=True)
        threading.Event().wait()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@contextmanager
def another_rig() -> Iterator[tuple[subprocess.Popen[str], Slot]]:
    """A process that has booted a host and keeps it."""
    with subprocess.Popen([sys.executable, "-c", KEEPER], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            number = int(process.stdout.readline())
            yield process, next(slot for slot in list_slots() if slot.number == number)
        finally:
            process.kill()


def witness(slot: Slot) -> str:
    """The argument of a process on the host by which it is told from all others on this machine."""
    return f"1000.{slot.number}"


def traces(slot: Slot) -> list[str]:
    """What can be seen of a host from outside."""
    found = [line for line in Path("/proc/self/mounts").read_text().splitlines() if f"{slot.directory}/" in line]
    found += [str(path) for path in (Path("/sys/class/net") / slot.device, Path(slot.directory)) if path.exists()]
    found += [str(path) for path in [slot.ssh_socket] if path.exists()]
    addresses = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
    found += [line for line in addresses.splitlines() if f" {slot.outer_address}/" in line]
    found += [f"process {pid}" for pid in processes(slot.mark, slot.ssh_config, witness(slot))]
    return found


def test_a_host_that_is_up_shows(bookworm: Host) -> None:
    told = "\n".join(traces(bookworm.slot))
    for trace in ("overlay", bookworm.slot.device, "process", bookworm.slot.outer_address):
        assert trace in told


def test_nothing_is_left_of_a_host_whose_block_ends() -> None:
    with fresh_host("bookworm") as host:
        host.run("systemd-run", "--quiet", "--property=Type=exec", "sleep", witness(host.slot))
        assert processes(witness(host.slot))
    assert traces(host.slot) == []


def test_nothing_is_left_when_a_test_fails() -> None:
    with pytest.raises(ZeroDivisionError), fresh_host("bookworm") as host:
        print(1 / 0)
    assert traces(host.slot) == []


def test_nothing_is_left_of_a_host_that_does_not_boot(tmp_path: Path) -> None:
    """A tree without an init, but with all that is called before it is started."""
    (tmp_path / "tree").mkdir()
    with pytest.raises(RigError, match="chroot"), Host.boot("broken", tmp_path / "tree"):
        pass
    assert "broken" not in [slot.name for slot in list_slots()]


def test_nothing_is_left_after_ctrl_c() -> None:
    with another_rig() as (process, slot):
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert traces(slot) == []


def test_what_a_killed_rig_left_is_removed_by_the_next() -> None:
    with another_rig() as (process, slot):
        process.kill()
        process.wait()
    assert traces(slot) != []
    assert slot not in list_slots()
    assert traces(slot) == []


def test_rigs_run_side_by_side() -> None:
    ensure_tree("bookworm")
    with another_rig() as (_, one), another_rig() as (_, other):
        assert one.number != other.number
        assert {one, other} <= set(list_slots())


def test_the_cache_of_packages_ends_with_its_last_user() -> None:
    script = """
import socket
from rig.apt_cache import ADDRESS, PORT, apt_cache
with apt_cache() as url, apt_cache():
    socket.create_connection((ADDRESS, PORT)).close()
"""
    # In a network of its own, and with locks of its own, nobody else uses it.
    alone = "ip link set lo up; mount -t tmpfs tmpfs /run; " + '"$0" -c "$1"; ip -oneline address; ps -eo args'
    done = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-euc", alone, sys.executable, script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in done.stdout
    assert "10.231.0.1" not in done.stdout
    assert "apt-cacher-ng" not in done.stdout
