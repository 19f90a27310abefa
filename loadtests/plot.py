"""Line charts as SVG, without a library: they stand in the page and need nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 14, 40
TICKS = 5

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve, in the order of its points."""

    label: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Axis:
    """`ticks`: where to write which text; without them, round numbers from 0."""

    label: str
    ticks: Sequence[tuple[float, str]] = ()


def chart(title: str, lines: Sequence[Line], x: Axis, y: Axis) -> str:
    """An `svg` element with a legend. Styled by the classes `line0`, `line1`, … and `grid`."""
    points = [point for line in lines for point in line.points]
    x_ticks = list(x.ticks) or _round_ticks(max((px for px, _ in points), default=0.0))
    y_ticks = list(y.ticks) or _round_ticks(max((py for _, py in points), default=0.0))
    x_end, y_end = max(tick for tick, _ in x_ticks), max(tick for tick, _ in y_ticks)

    def place(point: Point) -> tuple[float, float]:
        across, up = point[0] / x_end, point[1] / y_end
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick, text in y_ticks:
        _, down = place((0, tick))
        parts.append(f'<path class="grid" d="M{LEFT} {down:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for tick, text in x_ticks:
        across, _ = place((tick, 0))
        parts.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(text)}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{escape(x.label)}</text>')
    parts.append(f'<text x="{LEFT}" y="10">{escape(y.label)}</text>')
    for number, line in enumerate(lines):
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in map(place, line.points))
        parts.append(f'<polyline class="line{number}" points="{path}"><title>{escape(line.label)}</title></polyline>')
        at = WIDTH - RIGHT - 90 * (len(lines) - number)
        parts.append(f'<text class="label{number}" x="{at}" y="10">{escape(line.label)}</text>')
    return "".join(parts) + "</svg>"


def _round_ticks(highest: float) -> list[tuple[float, str]]:
    """From 0 to at least the highest, at steps of 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return [(0.0, "0"), (1.0, "1")]
    rough = highest / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [(step * place, f"{step * place:g}") for place in range(math.ceil(highest / step) + 1)]
