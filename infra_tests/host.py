"""`python -m infra_tests.host`: a host to look at, with the service provisioned on it."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from infra_tests.drills.browser import PROGRAMS as BROWSER
from infra_tests.packages import package
from infra_tests.provisioning import EXPECTED, command, name_line, play, variables, write_inventory
from infra_tests.shell import Shell
from rig.machine import RigError, prepare
from rig.slots import list_slots
from rig.trees import SUITES

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Does what the arguments say; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra_tests.host", description=__doc__)
    parser.add_argument("command", choices=["up"], help="boot a host, provision it, and leave it up")
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--name", help="the host's name; the suite's where it is not given")
    arguments = parser.parse_args()
    name = arguments.name or arguments.suite
    try:
        prepare(also=BROWSER)
    except RigError as failure:
        print(f"host: {failure}", file=sys.stderr)
        return 1
    up = subprocess.run([sys.executable, "-m", "rig", "up", arguments.suite, "--name", name], cwd=ROOT, check=False)
    if up.returncode:
        return up.returncode
    [slot] = [slot for slot in list_slots() if slot.name == name and slot.for_a_person]
    folder = Path(slot.directory)
    try:
        deb = package(slot.suite)
    except RigError as failure:
        print(f"host: {failure}", file=sys.stderr)
        return 1
    inventory, expected = folder / "inventory.json", folder / "expectations.yaml"
    write_inventory(inventory, name, slot.ssh_config, variables(deb, exempt=slot.outer_address))
    expected.write_text(EXPECTED)
    Shell(name, slot.ssh_config).root(name_line(slot.address))
    print("provisioning it; this takes a minute", flush=True)
    played = play("site.yml", inventory)
    if played.code:
        print(played.text, file=sys.stderr)
        return 1
    address = f"--hosts=ssh://{name} --ssh-config={slot.ssh_config} --sudo"
    print(f"verify it:  {sys.executable} -m pytest infra_tests {address} --expectations={expected}")
    print(f"break it:   {sys.executable} -m pytest infra_tests/drills {address} --disposable")
    print(f"play again: {' '.join(command('site.yml', inventory))}")
    print(f"look at it: ssh -F {slot.ssh_config} {name}; https://{slot.address}/")
    print(f"take it down: {sys.executable} -m rig down {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
