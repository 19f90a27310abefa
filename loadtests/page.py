"""The report as one page of HTML, with plots, that needs no other file."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from loadtests.plot import Axis, Line, chart
from loadtests.report import Document, remarks, when

STYLE = """
:root { color-scheme: light dark; --line0: #1f6feb; --line1: #d97706; --line2: #c2255c; --faint: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr + tr { border-top: 1px solid var(--faint); }
svg { width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
.grid { stroke: var(--faint); } polyline { fill: none; stroke-width: 1.6; }
.line0 { stroke: var(--line0); } .line1 { stroke: var(--line1); } .line2 { stroke: var(--line2); }
svg .label0 { fill: var(--line0); } svg .label1 { fill: var(--line1); } svg .label2 { fill: var(--line2); }
.verdict { padding: .5rem 1rem; border-left: .4rem solid #2f9e44; } .verdict.bad { border-color: #e03131; }
"""

COLUMNS = {
    "count": "count",
    "failed": "failed",
    "perSecond": "a second",
    "p50Ms": "p50",
    "p90Ms": "p90",
    "p99Ms": "p99",
    "p999Ms": "p99.9",
    "longestMs": "most",
}


def write_html(document: Document, file: str) -> None:
    """Writes the page."""
    Path(file).write_text(render(document), encoding="utf-8")


def render(document: Document) -> str:
    """The page's text."""
    title = f"Load test: {', '.join(document['scenarios'])}"
    size = f"{document['users']} users, {document['seconds']:.1f} s"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
        f"<p>{escape(document['host'])}, {escape(when(document))}, {size}</p>",
        _verdict(document),
        "<h2>Operations</h2><p>Latencies in milliseconds, from when something was to begin.</p>",
        _table(document),
        "<p>" + "<br>".join(escape(remark) for remark in remarks(document)) + "</p>",
    ]
    for name, operation in document["operations"].items():
        if operation["timeline"]:
            parts.append(f"<h2>{escape(name)}</h2>" + _charts(name, operation))
    return "".join(parts) + "</body></html>\n"


def _verdict(document: Document) -> str:
    reasons = document["reasons"] + [text for one in document["broken"].values() for text in one["examples"]]
    items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
    kind = "verdict bad" if document["exitCode"] else "verdict"
    return f'<div class="{kind}"><strong>{escape(document["verdict"])}</strong><ul>{items}</ul></div>'


def _table(document: Document) -> str:
    heads = "".join(f"<th>{text}</th>" for text in ("operation", *COLUMNS.values()))
    rows = "".join(
        f"<tr><td>{escape(name)}</td>" + "".join(f"<td>{one[key]:,.10g}</td>" for key in COLUMNS) + "</tr>"
        for name, one in document["operations"].items()
    )
    return f"<table><tr>{heads}</tr>{rows}</table>"


def _charts(name: str, operation: Document) -> str:
    points = operation["timeline"]
    time, latency = Axis("seconds since the beginning"), Axis("ms")
    over_time = [
        Line(COLUMNS[key], [(point["second"], point[key]) for point in points if point["count"]])
        for key in ("p50Ms", "p99Ms", "longestMs")
    ]
    rate = Line("a second", [(point["second"], point["perSecond"]) for point in points])
    return (
        chart(f"{name}: latency by percentile", [_distribution(operation)], _percentile_axis(), latency)
        + chart(f"{name}: latency over time", over_time, time, latency)
        + chart(f"{name}: rate over time", [rate], time, Axis("operations a second"))
    )


def _distribution(operation: Document) -> Line:
    return Line("latency", [(_nines(percent), ms) for percent, ms in operation["distribution"]])


def _nines(percent: float) -> float:
    """Where a percentile stands on an axis on which 90, 99 and 99.9 are equally far apart."""
    return -math.log10(1 - percent / 100)


def _percentile_axis() -> Axis:
    return Axis("percentile", [(_nines(percent), f"{percent:g} %") for percent in (0, 50, 90, 99, 99.9)])
