"""The result as a picture: what a message costs, and how long it takes, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from bench.contest import OURS
from bench.result import Result, amount

WIDTH = 760
LABEL = 190
ROW = 26
TOP = 44
PADDING = 16
OURS_COLOR, OTHERS_COLOR, LATE_COLOR = "#1f6f5c", "#9aa5ad", "#d9a441"

Bar = tuple[str, float, str]
"""A label, a value above 0, a color."""


def render(result: Result) -> str:
    """Two charts, one above the other, each on a logarithmic scale."""
    charts = [
        ("Processor time a message, µs (shorter is better)", _costs(result)),
        ("Latency of acknowledgements and deliveries at a fixed rate, ms", _waits(result)),
    ]
    parts, y = [], PADDING
    for title, bars in charts:
        if bars:
            parts.append(f'<g transform="translate(0 {y})">{_chart(title, bars)}</g>')
            y += TOP + ROW * len(bars) + PADDING
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#1d2429">'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _costs(result: Result) -> list[Bar]:
    seen: dict[str, Bar] = {}
    for standing in result.contest:
        if standing.rounds and standing.system not in seen:
            color = OURS_COLOR if standing.system == OURS else OTHERS_COLOR
            seen[standing.system] = (standing.system, standing.median(lambda one: one.cpu_us), color)
    return sorted(seen.values(), key=lambda bar: bar[1])


def _waits(result: Result) -> list[Bar]:
    bars: list[Bar] = []
    for rate, measured in result.offered.items():
        for name, latency in (("ack", measured.ack), ("delivery", measured.delivery)):
            if latency:
                bars.append((f"{rate:,}/s, {name}, p50", latency.p50, OURS_COLOR))
                bars.append((f"{rate:,}/s, {name}, p99", latency.p99, LATE_COLOR))
                bars.append((f"{rate:,}/s, {name}, p99.9", latency.p999, OTHERS_COLOR))
    return bars


def _chart(title: str, bars: Sequence[Bar]) -> str:
    """Bars from the power of ten below the shortest."""
    low = math.floor(math.log10(min(value for _, value, _ in bars)))
    high = math.log10(max(value for _, value, _ in bars))
    scale = (WIDTH - LABEL - 70 - PADDING) / max(high - low, 1)
    parts = [f'<text x="{PADDING}" y="18" font-weight="600">{escape(title)}</text>']
    for power in range(low, math.floor(high) + 1):
        x = LABEL + (power - low) * scale
        parts.append(
            f'<path d="M{x:.0f} {TOP - 8}V{TOP + ROW * len(bars)}" stroke="#e3e7ea"/>'
            f'<text x="{x:.0f}" y="{TOP - 12}" font-size="11" fill="#66727a">{10.0**power:g}</text>'
        )
    for row, (label, value, color) in enumerate(bars):
        y = TOP + ROW * row
        length = (math.log10(value) - low) * scale
        parts.append(
            f'<text x="{LABEL - 8}" y="{y + 14}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{LABEL}" y="{y}" width="{max(length, 1):.1f}" height="{ROW - 7}" fill="{color}"/>'
            f'<text x="{LABEL + length + 6:.0f}" y="{y + 14}">{amount(value)}</text>'
        )
    return "".join(parts)
