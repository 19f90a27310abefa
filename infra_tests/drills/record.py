"""What a drill has shown of its entry of the guide, column by column."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

COLUMNS = ("provoked", "diagnosed", "named by doctor", "cured", "nothing lost")
FOLDER = Path(__file__).parents[2] / "build" / "guide-coverage"

SHOWN = "yes"
FAILED = "no"


@dataclass
class Record:
    """One drill on one host. A cell is SHOWN, FAILED, or the reason why the column can't apply; or nothing was said."""

    drill: str
    entries: list[str]
    provoked: list[str] = field(default_factory=list)
    """What was done to the host, in words."""
    cells: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def showing(self, column: str) -> Iterator[None]:
        """The column is shown where the block passes, and failed where it does not, or did not before."""
        assert column in COLUMNS, column
        try:
            yield
        except BaseException:
            self.cells[column] = FAILED
            raise
        self.cells.setdefault(column, SHOWN)

    def does_not_apply(self, column: str, reason: str) -> None:
        """Nothing can be shown there, because …"""
        assert column in COLUMNS, column
        assert reason not in {SHOWN, FAILED, ""}, reason
        self.cells.setdefault(column, reason)


def write(records: Sequence[Record], suite: str, folder: Path = FOLDER) -> None:
    """Puts the records of a run on a host of that suite beside those of other runs, in place of the same drills'."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{suite}.json"
    known = {record.drill: record for record in read(file)} if file.exists() else {}
    known |= {record.drill: record for record in records}
    file.write_text(json.dumps([asdict(known[drill]) for drill in sorted(known)], indent=1) + "\n")


def read(file: Path) -> list[Record]:
    """The records that were written to a file."""
    return [Record(**each) for each in json.loads(file.read_text())]
