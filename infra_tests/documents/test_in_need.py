"""docs/troubleshooting.md and docs/backup.md: each section is typed on a host with its fault, and does what it says."""

from __future__ import annotations

import pytest

from infra_tests.documents.reader import Reader, wait_until_well
from infra_tests.documents.reading import Section, sections
from infra_tests.drills.disposable import Disposable

DOCUMENTS = ("troubleshooting.md", "backup.md")
SECTIONS = [
    pytest.param(section, id=f"{document}: {section.heading}")
    for document in DOCUMENTS
    for section in sections(document)
]


@pytest.mark.parametrize("section", SECTIONS)
def test_what_it_says_can_be_typed_and_helps(
    section: Section, reader: Reader, documented: Disposable, domain: str
) -> None:
    pid_before = documented.shows("MainPID")
    try:
        for block in section.blocks:
            reader.types(block)
        wait_until_well(documented, domain)
    finally:
        reader.mend(section)
        documented.restore(pid_before)
