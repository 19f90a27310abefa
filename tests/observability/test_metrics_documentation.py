"""docs/metrics.md and a running server name the same metrics."""

from __future__ import annotations

import re
from pathlib import Path

from tests.server import Server

REFERENCE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(chat_\w+)` \| (counter|gauge|histogram) \| ((?:`\w+`(?:, )?)*) ?\| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, tuple[str, set[str]]]:
    """The type and the labels of each metric in the reference."""
    rows = ROW.findall(REFERENCE.read_text())
    return {name: (kind, set(re.findall(r"\w+", labels))) for name, kind, labels, _ in rows}


def page(server: Server) -> str:
    return server.client().request("GET", "/metrics").body.decode()


def test_the_reference_names_every_metric_and_none_that_is_gone(shared_server: Server) -> None:
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page(shared_server), re.MULTILINE))
    assert {name: kind for name, (kind, _) in documented().items()} == exposed


def test_the_reference_names_the_labels_of_every_metric(shared_server: Server) -> None:
    page(shared_server)
    reference = documented()
    seen = set()
    for name, labels in re.findall(r"^(chat_\w+)\{(.*)\} ", page(shared_server), re.MULTILINE):
        metric = name if name in reference else re.sub(r"_(bucket|sum|count)$", "", name)
        seen.add(metric)
        assert set(re.findall(r'(\w+)="', labels)) - {"le"} == reference[metric][1]
    assert {"chat_messages_total", "chat_http_requests_total", "chat_http_request_seconds"} <= seen
