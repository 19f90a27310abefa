"""docs/troubleshooting.md: each section is typed on a host with the fault that it is about, and cures it."""

from __future__ import annotations

import pytest

from infra_tests.documents.reader import Reader, wait_until_well
from infra_tests.documents.reading import Section, sections
from infra_tests.drills.disposable import Disposable


@pytest.mark.parametrize("section", sections("troubleshooting.md"), ids=lambda section: section.heading)
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
