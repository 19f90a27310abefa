"""`python -m bench.document`: puts what the last `make bench` and `make bench-growth` found into docs/performance.md.

Figures come into the document in no other way.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import msgspec

from bench import plot, table
from bench.growth import Series
from bench.result import Machine, Result

FOUND = Path("build/bench")
DOCUMENT = Path("docs/performance.md")
PICTURE = Path("docs/performance.svg")


def main() -> int:
    """0; 1 where something is missing or has failed, which then stays as it was."""
    try:
        result = msgspec.json.decode((FOUND / "report.json").read_bytes(), type=Result)
        growth = msgspec.json.decode((FOUND / "growth.json").read_bytes(), type=list[Series])
    except FileNotFoundError as missing:
        sys.stderr.write(f"{missing.filename} is missing: run `make bench` and `make bench-growth` first\n")
        return 1
    if result.failures:
        sys.stderr.write("the last `make bench` failed: run it again on a machine that does nothing else\n")
        return 1
    text = DOCUMENT.read_text()
    text = replaced(text, "machine", f"{machine(result.machine)}, {time.strftime('%Y-%m-%d', time.gmtime(result.at))}.")
    text = replaced(text, "bench", block(table.render(result)))
    text = replaced(text, "growth", block("\n\n".join(series.render() for series in growth)))
    DOCUMENT.write_text(text)
    PICTURE.write_text(plot.render(result))
    return 0


def machine(found: Machine) -> str:
    """In general words."""
    return (
        f"{found.cores} cores, {found.memory_gib} GiB of memory, Linux {found.kernel}, "
        f"Python {found.python}, SQLite {found.sqlite}"
    )


def block(text: str) -> str:
    return f"```text\n{text}\n```"


def replaced(text: str, name: str, content: str) -> str:
    """What stands between the two marks of that name, replaced."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: begin + content + end, text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
