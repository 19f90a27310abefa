"""docs/guide-coverage.md: made from what drills have shown, the same each time, and whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat_server.operations.doctor.chapters import HEADINGS, heading
from infra_tests.coverage import DOCUMENT, NO, NOT_APPLICABLE, YES, counts, document, matrix, row
from infra_tests.drills.record import COLUMNS, FAILED, SHOWN, Record, read, write


def record(drill: str, *, entry: str = "1.1", **cells: str) -> Record:
    """A drill that was run; cells are named with _ for a space."""
    return Record(drill, [entry], ["a fault"], {name.replace("_", " "): cell for name, cell in cells.items()})


def test_a_column_is_shown_once_one_drill_has_shown_it() -> None:
    one = row("1.1", [record("a", provoked=SHOWN, cured=SHOWN), record("b", diagnosed=SHOWN)])
    assert dict(zip(COLUMNS, one.marks, strict=True)) == {
        "provoked": YES,
        "diagnosed": YES,
        "named by doctor": NO,
        "cured": YES,
        "nothing lost": NO,
    }
    assert not one.complete


def test_a_drill_that_fails_in_a_column_spoils_it_whatever_others_show() -> None:
    one = row("1.1", [record("a", cured=SHOWN), record("b", cured=FAILED)])
    assert one.marks[COLUMNS.index("cured")] == NO


def test_a_column_that_can_not_apply_has_its_reason() -> None:
    one = row(
        "1.1", [record("a", **dict.fromkeys(["provoked", "diagnosed", "named_by_doctor"], SHOWN), cured="no cure")]
    )
    assert one.marks[COLUMNS.index("cured")] == NOT_APPLICABLE
    assert one.reasons == {"cured": "no cure"}


def test_what_a_drill_has_shown_stays_failed_once_it_failed() -> None:
    tried = Record("a", ["1.1"])
    with pytest.raises(RuntimeError), tried.showing("cured"):
        raise RuntimeError
    with tried.showing("cured"):
        pass
    assert tried.cells == {"cured": FAILED}


def test_a_second_run_takes_the_place_of_the_first_drill_by_drill(tmp_path: Path) -> None:
    write([record("a", cured=FAILED), record("b", cured=SHOWN)], "bookworm", tmp_path)
    write([record("a", cured=SHOWN)], "bookworm", tmp_path)
    assert {one.drill: one.cells["cured"] for one in read(tmp_path / "bookworm.json")} == {"a": SHOWN, "b": SHOWN}


def test_the_document_has_every_entry_and_its_counts(tmp_path: Path) -> None:
    shown = record("a", **{column.replace(" ", "_"): SHOWN for column in COLUMNS})
    write([shown], "bookworm", tmp_path)
    write([shown, record("b", entry="1.2", provoked=SHOWN)], "trixie", tmp_path)
    found = matrix(tmp_path)
    text = document(found)
    assert all(f"| {heading(entry)} |" in text for entry in HEADINGS)
    assert "| 1.1 The port is taken | a fault | ✓ | ✓ | ✓ | ✓ | ✓ |" in text
    assert "| 1.2 The database may not be opened | a fault | ✗ ✓ | ✗ | ✗ | ✗ | ✗ |" in text
    assert counts(found["trixie"])[0] == "2 of 39"
    assert document(matrix(tmp_path)) == text


def test_the_committed_document_is_whole() -> None:
    """A row that was not provoked, or whose columns are not all shown, was not let through by `make test-host`."""
    rows = re.findall(r"^\| (\d\.\d) .*", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == list(HEADINGS)
    assert NO not in DOCUMENT.read_text().split("| --- |", 1)[1]
