"""`python -m rig`: trees for builds, and hosts for a person to try things on."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from rig import __doc__ as description
from rig.host import Host
from rig.machine import RigError, prepare
from rig.slots import Slot, list_slots, wait_until_gone
from rig.trees import SUITES, build_tree, ensure_tree

END_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    """Does what the arguments say; gives the exit code."""
    arguments = _parser().parse_args()
    try:
        prepare()
        match arguments.command:
            case "tree":
                print(build_tree(arguments.suite, arguments.add) if arguments.add else ensure_tree(arguments.suite))
            case "up":
                return _up(arguments.suite, arguments.name or arguments.suite)
            case "down":
                _down(arguments.name)
            case "list":
                for slot in list_slots():
                    print(f"{slot.name}\t{slot.suite}\t{slot.address}\t{_owner(slot)}")
    except RigError as failure:
        print(f"rig: {failure}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m rig", description=description)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    tree = commands.add_parser("tree", help="make the tree of a suite where it is not there yet; prints its path")
    tree.add_argument("suite", choices=SUITES)
    tree.add_argument("--add", nargs="+", metavar="PACKAGE", help="print the path of a copy with these packages added")
    up = commands.add_parser("up", help="boot a host that stays; prints how to log in")
    up.add_argument("suite", choices=SUITES)
    up.add_argument("--name", help="the host's name; the suite's where it is not given")
    down = commands.add_parser("down", help="take a host down that `up` has booted, with all that is on it")
    down.add_argument("name")
    commands.add_parser("list", help="the hosts that are up: name, suite, address, owner")
    return parser


def _owner(slot: Slot) -> str:
    return "rig up" if slot.for_a_person else f"process {slot.keeper}"


def _up(suite: str, name: str) -> int:
    """Boots the host in a process of its own, which keeps it until a signal comes; returns when it is up, or is not."""
    if any(slot.name == name for slot in list_slots() if slot.for_a_person):
        raise RigError(f"{name} is up already: python -m rig down {name}, or give this one another --name")
    tree = ensure_tree(suite)
    told, telling = os.pipe()
    if os.fork() == 0:
        _keep(name, tree, telling)
    os.close(telling)
    with os.fdopen(told) as lines:
        login = lines.read()
    print(login, end="")
    return 0 if login else 1


def _keep(name: str, tree: Path, telling: int) -> NoReturn:
    """The life of the process that keeps a host: until a signal ends it. Tells by the pipe how to log in."""
    for number in END_SIGNALS:
        signal.signal(number, _end)
    with Host.boot(name, tree, for_a_person=True) as host:
        os.write(telling, f"{name} is up at {host.address}: ssh -F {host.ssh_config} {name}\n".encode())
        os.close(telling)
        _let_go_of_the_terminal()
        while True:
            signal.pause()


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the process by way of what it has to take down, which a second signal does not disturb."""
    for each in END_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _let_go_of_the_terminal() -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def _down(name: str) -> None:
    for slot in list_slots():
        if slot.name == name and slot.for_a_person:
            os.kill(slot.keeper, signal.SIGTERM)
            wait_until_gone(slot)
            return
    raise RigError(f"no host {name} stays here: see python -m rig list")


if __name__ == "__main__":
    sys.exit(main())
