"""`python -m bench`: measures the service and its yardsticks, prints tables, and one line of JSON at the end."""

from __future__ import annotations

import argparse
import gc
import os
import resource
import sys
import tempfile
from pathlib import Path

import msgspec

from bench import plot, table
from bench.plan import FULL, QUICK
from bench.process import CannotRunError, cores
from bench.run import Bench

OUTPUT = Path("build/bench")


def main() -> int:
    """0 when everything was measured and nothing was lost, whether or not the goals are met; else 1."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="everything once and small, to see that it works")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where report.json and report.svg are left")
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    try:
        server_core = prepare_this_process()
        # Beside the report, not in /tmp, which may be memory: the disk is part of what is measured.
        with tempfile.TemporaryDirectory(dir=output.absolute(), prefix="run-") as directory:
            plan = QUICK if arguments.quick else FULL
            result = Bench(plan, Path(directory), core=server_core, say=say).run()
    except CannotRunError as error:
        say(f"bench: {error}")
        return 1
    line = msgspec.json.encode({**msgspec.to_builtins(result, str_keys=True), "goals": result.goals()})
    (output / "report.json").write_bytes(line + b"\n")
    (output / "report.svg").write_text(plot.render(result))
    say("\n" + table.render(result))
    say(line.decode())
    return 1 if result.failures else 0


def prepare_this_process() -> int:
    """The generator keeps to a core of its own, opens as many sockets as it may, and makes no pauses for garbage.

    Gives the core that is left for the server. Raises CannotRunError.
    """
    server_core, own_core = cores()
    os.sched_setaffinity(0, {own_core})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.disable()
    return server_core


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
