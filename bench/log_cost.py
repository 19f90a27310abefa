"""What a log call costs the thread that makes it, in microseconds: `python bench/log_cost.py`, by hand.

Prints the cost of a call below the level, of one that is written, and of rendering a line, which happens on
the log's own thread but under the same interpreter lock.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

from chat_server.observability import lines, logs

CALLS = 10_000
ROUNDS = 7

log = logging.getLogger("chat_server.bench")


def microseconds(call: Callable[[], object], rest: Callable[[], object] = lambda: None) -> float:
    """The CPU time of this thread per call, of the best round; `rest` runs between rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(CALLS):
            call()
        best = min(best, time.thread_time() - started)
        rest()
    return best / CALLS * 1e6


def main() -> None:
    fields = {"username": "anna", "address": "198.51.100.7"}
    with tempfile.TemporaryFile("w") as stream:
        handle = logs.configure("info", "journal", stream)
        report = {
            "disabled call": microseconds(lambda: log.debug("failed login", fields)),
            "enabled call": microseconds(lambda: log.info("failed login", fields), lambda: time.sleep(0.5)),
        }
        handle.close()
    record = logging.LogRecord(log.name, logging.INFO, "", 0, "failed login", (fields,), None)
    for render in (lines.text_line, lines.journal_line, lines.json_line):
        report[f"rendering, {render.__name__}"] = microseconds(partial(render, record))
    for name, cost in report.items():
        sys.stdout.write(f"{name:24} {cost:6.2f} µs\n")


if __name__ == "__main__":
    main()
