"""The dashboard that ships: every query is one, asks for what there is, and every metric there is can be seen."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.monitoring.metrics import names_in
from tests.monitoring.promtool import needs_promtool, promtool
from tests.server import Server

FILE = Path(__file__).parents[2] / "monitoring" / "grafana-dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
GRAPHS = [panel for panel in PANELS if panel["type"] != "row"]
QUERIES: list[str] = [target["expr"] for panel in GRAPHS for target in panel["targets"]]


def metrics_of(query: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bchat_\w+", query)}


def test_it_shows_every_metric_of_a_running_server_and_no_other(shared_server: Server) -> None:
    assert set().union(*map(metrics_of, QUERIES)) == names_in(shared_server)


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    filled = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in QUERIES]
    rules = [{"record": f"query{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(QUERIES)} rules found" in promtool("check", "rules", file)


def test_every_query_is_of_the_hosts_that_were_chosen() -> None:
    assert [query for query in QUERIES if query.count("chat_") != query.count('instance=~"$instance"')] == []


def test_every_panel_says_what_it_shows_and_asks_the_chosen_prometheus() -> None:
    assert [panel["title"] for panel in GRAPHS if not panel["title"]] == []
    assert {panel["datasource"]["uid"] for panel in GRAPHS} == {"${datasource}"}
    assert [number for number, times in Counter(panel["id"] for panel in PANELS).items() if times > 1] == []


def test_no_panel_lies_on_another() -> None:
    def covers(place: dict[str, int]) -> set[tuple[int, int]]:
        rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
        return {(row, column) for row in rows for column in columns}

    overlapping = [
        (one["title"], other["title"])
        for one, other in combinations(PANELS, 2)
        if covers(one["gridPos"]) & covers(other["gridPos"])
    ]
    assert overlapping == []
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
