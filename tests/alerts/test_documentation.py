"""docs/monitoring.md shows the document that a webhook and a command get."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from chat_server.config import AlertsSection
from chat_server.operations.alerts.news import News, changes
from tests.alerts.reports import host_with

DOCUMENT = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()


def test_the_document_it_shows_is_one() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    as_shown = json.loads(shown)
    real = News("chat1", "0.1.0", as_shown["at"], "failure", changes(host_with(service="failure"), []))
    sent = json.loads(msgspec.json.encode(real))
    assert list(as_shown) == list(sent)
    assert list(as_shown["changes"][0]) == list(sent["changes"][0])
    msgspec.json.decode(shown, type=News)


def test_it_has_every_way_to_tell_somebody() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [A-Z]", DOCUMENT, re.MULTILINE)
    assert rows == [key.name for key in msgspec.structs.fields(AlertsSection)]
