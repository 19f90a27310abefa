"""docs/troubleshooting.md has the entries that doctor names, and its links lead to them. Hosts type its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat_server.operations.doctor.chapters import HEADINGS, heading
from infra_tests.documents.faults import FAULTS
from infra_tests.documents.people import GIVEN
from infra_tests.documents.reading import UnreadableError, blocks, sections

DOCS = Path(__file__).parents[2] / "docs"
TYPED = ("troubleshooting.md", "deployment.md", "backup.md")
DOCUMENT = (DOCS / "troubleshooting.md").read_text()


def test_it_has_each_entry_under_the_heading_that_doctor_names() -> None:
    assert re.findall(r"^### (.+)$", DOCUMENT, re.MULTILINE) == [heading(entry) for entry in HEADINGS]


def test_each_entry_has_something_to_type() -> None:
    with_commands = {section.heading for section in sections("troubleshooting.md")}
    assert {heading(entry) for entry in HEADINGS} - with_commands == set()


def test_its_first_table_leads_to_every_entry_that_somebody_may_look_for() -> None:
    table = DOCUMENT.partition("| you see | read |")[2].partition("\n## ")[0]
    asks_for_help = {entry for entry in HEADINGS if entry.startswith("8.")}
    assert set(re.findall(r"\[(\d\.\d)\]", table)) == HEADINGS.keys() - asks_for_help - {"6.1"}


def anchors(name: str) -> set[str]:
    """What the headings of a document are linked by, as GitHub and its like make it."""
    titles = re.findall(r"^#+ (.+)$", (DOCS / name).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", TYPED)
def test_links_to_a_heading_find_it(name: str) -> None:
    links = re.findall(r"\]\(([\w-]+\.md)?#([^)]+)\)", (DOCS / name).read_text())
    assert [link for link in links if link[1] not in anchors(link[0] or name)] == []


@pytest.mark.parametrize("name", TYPED)
def test_what_its_comments_ask_for_is_known(name: str) -> None:
    notes = [block.notes for section in sections(name) for block in section.blocks]
    assert {note["fault"] for note in notes if "fault" in note} - FAULTS.keys() == set()
    assert {note["given"] for note in notes if "given" in note} - GIVEN.keys() == set()


def test_every_fault_is_in_a_document() -> None:
    used = {block.notes.get("fault") for name in TYPED for section in sections(name) for block in section.blocks}
    assert FAULTS.keys() - used == set()


@pytest.mark.parametrize("comment", ["shows", "fault: a | fault: b", "show: ok"])
def test_a_comment_that_is_not_understood_is_refused(comment: str) -> None:
    with pytest.raises(UnreadableError, match="line 4"):
        list(blocks(f"## One\n<!-- {comment} -->\n```sh\ntrue\n```\n"))
