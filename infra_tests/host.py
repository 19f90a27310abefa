"""`python -m infra_tests.host`: a host to look at, with the service provisioned on it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from rig.machine import RigError
from rig.slots import Slot, list_slots
from rig.trees import SUITES

ROOT = Path(__file__).parents[1]
TOOLS = "curl iputils-ping jq lsof net-tools nginx openssl sqlite3 ufw"


def main() -> int:
    """Does what the arguments say; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra_tests.host", description=__doc__)
    parser.add_argument("command", choices=["up"], help="boot a host, provision it, and leave it up")
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--name", help="the host's name; the suite's where it is not given")
    arguments = parser.parse_args()
    name = arguments.name or arguments.suite
    up = subprocess.run([sys.executable, "-m", "rig", "up", arguments.suite, "--name", name], cwd=ROOT, check=False)
    if up.returncode:
        return up.returncode
    [slot] = [slot for slot in list_slots() if slot.name == name and slot.for_a_person]
    try:
        provision(slot)
    except RigError as failure:
        print(f"host: {failure}", file=sys.stderr)
        return 1
    address = f"--hosts=ssh://{name} --ssh-config={Path(slot.ssh_config).relative_to(ROOT)} --sudo"
    print(f"verify it:  .venv/bin/python -m pytest infra_tests {address}")
    print(f"break it:   .venv/bin/python -m pytest infra_tests/drills {address} --disposable")
    print(f"take it down:  python3 -m rig down {name}")
    return 0


def provision(slot: Slot) -> None:
    """Installs the package and what the guide's commands need."""
    [package] = (ROOT / "dist" / slot.suite).glob("chat-server_*.deb")
    ssh = ["ssh", "-F", slot.ssh_config, slot.name]
    steps = (
        "cat >/tmp/chat-server.deb",
        f"sudo apt-get -qq update && sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install {TOOLS} /tmp/chat-server.deb",
        "sudo ufw allow 22/tcp && sudo ufw allow 8080/tcp && sudo ufw --force enable",
    )
    for step in steps:
        with package.open("rb") as given:
            done = subprocess.run([*ssh, step], stdin=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"{step}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
