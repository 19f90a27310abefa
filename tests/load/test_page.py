"""The report as a page: whole in itself, and safe whatever a server says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from loadtests.page import render
from loadtests.plot import Axis, Line, chart
from loadtests.report import Document


def document(**changes: object) -> Document:
    latencies = {"count": 5, "p50Ms": 1.0, "p90Ms": 2.0, "p99Ms": 3.0, "p999Ms": 4.0, "longestMs": 4.5}
    operation = {
        **latencies,
        "failed": 1,
        "perSecond": 2.5,
        "distribution": [[0.0, 0.5], [50.0, 1.0], [99.0, 3.0]],
        "timeline": [
            {"second": 0, "perSecond": 3, **latencies},
            {"second": 1, "perSecond": 0, **dict.fromkeys(latencies, 0)},
            {"second": 2, "perSecond": 2, **latencies},
        ],
    }
    return {
        "verdict": "failed",
        "exitCode": 1,
        "reasons": ["lost, 1 time: <b>"],
        "host": "http://h",
        "scenarios": ["throughput"],
        "startedAt": 1_700_000_000_000,
        "seconds": 3.0,
        "users": 2,
        "operations": {"ack": operation},
        "messages": {"written": 6, "acknowledged": 5, "pushedAgain": 0, "conversations": 1},
        "broken": {"lost": {"count": 1, "examples": ["conv: <script>alert(1)</script>"]}},
        "refusals": {"BUSY": 2},
        "connectionLosses": {},
        "stormSeconds": {},
        "generator": {"arrivals": 6, "late": 0, "latestMs": 1.0},
        **changes,
    }


class Nesting(HTMLParser):
    """Elements that are open; and what would make the page load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        self.references += [name for name, _ in attrs if name in {"src", "href"}]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    nesting = Nesting()
    nesting.feed(render(document()))
    assert (nesting.open, nesting.references) == ([], [])


def test_what_the_server_said_is_text() -> None:
    page = render(document())
    assert "<script>" not in page
    assert "conv: &lt;script&gt;" in page


def test_an_operation_has_its_latency_by_percentile_and_over_time_and_its_rate() -> None:
    titles = re.findall(r'aria-label="([^"]+)"', render(document()))
    assert titles == ["ack: latency by percentile", "ack: latency over time", "ack: rate over time"]


def test_the_verdict_and_the_figures_stand_in_it() -> None:
    page = render(document())
    assert '<div class="verdict bad"><strong>failed</strong>' in page
    assert "<tr><td>ack</td><td>5</td><td>1</td><td>2.5</td><td>1</td><td>2</td><td>3</td><td>4</td>" in page
    assert "6 written, 5 acknowledged" in page


def places(svg: str, label: str) -> list[tuple[float, float]]:
    for line in ET.fromstring(svg).iter("polyline"):
        if line.findtext("title") == label:
            return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]
    raise AssertionError(label)


def test_a_curve_goes_through_its_points() -> None:
    svg = chart("t", [Line("a", [(0, 0), (5, 50), (10, 100)])], Axis("x"), Axis("y"))
    (left, bottom), middle, (right, top) = places(svg, "a")
    assert middle == pytest.approx(((left + right) / 2, (bottom + top) / 2), abs=0.1)
    assert left < right
    assert top < bottom


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0.0, ["0", "1"]),
        (1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (43.0, ["0", "10", "20", "30", "40", "50"]),
        (0.0007, ["0", "0.0002", "0.0004", "0.0006", "0.0008"]),
    ],
)
def test_axes_have_round_numbers(highest: float, ticks: list[str]) -> None:
    svg = chart("t", [Line("a", [(0, highest)])], Axis("x", [(1.0, "end")]), Axis("y"))
    texts = [text.text for text in ET.fromstring(svg).iter("text") if text.get("text-anchor") == "end"]
    assert texts == ticks


def test_a_chart_without_points_is_a_chart() -> None:
    assert places(chart("t", [Line("a", [])], Axis("x"), Axis("y")), "a") == []
