"""A result for a person to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bench.contest import OURS, Standing
from bench.generator import Measured
from bench.latency import Latency
from bench.result import Result


def render(result: Result) -> str:
    """Everything that was measured, what was not and why, and the goals."""
    parts = [_saturation(result), _latencies(result), _others(result), _goals(result)]
    for title, reasons in (("not measured here", result.skipped), ("FAILED", result.failures)):
        parts += [f"{title}: {name}: {reason}" for name, reason in reasons.items()]
    return "\n\n".join(parts)


def _saturation(result: Result) -> str:
    plan = result.plan
    title = (
        f"Saturation: {plan.sockets} sockets, 100-byte messages; the median of {plan.rounds} rounds (lowest-highest)"
    )
    head = ("system", "under way", "messages/s", "CPU µs/message", "times ours", "core", "RSS MiB")
    return title + "\n" + columns(head, [_standing(result, standing) for standing in result.contest])


def _standing(result: Result, standing: Standing) -> Sequence[str]:
    if standing.failure:
        return standing.system, standing.failure
    ratio = result.ratio(standing.system)
    return (
        standing.system,
        f"{standing.window} a socket",
        _spread(standing, lambda one: one.rate, "{:,.0f}"),
        _spread(standing, lambda one: one.cpu_us, "{:,.1f}"),
        f"{ratio:.1f}" if ratio and standing.system != OURS else "",
        f"{standing.median(lambda one: one.cpu_share):.0%}",
        f"{standing.memory_mib:.0f}",
    )


def _spread(standing: Standing, figure: Callable[[Measured], float], form: str) -> str:
    values = [figure(one) for one in standing.rounds]
    return f"{form.format(standing.median(figure))} ({form.format(min(values))}-{form.format(max(values))})"


def _latencies(result: Result) -> str:
    rows: list[Sequence[str]] = []
    for standing in result.contest:
        if standing.rounds:
            name = f"saturation, {standing.system}, {standing.window} a socket"
            rows += _both(name, standing.rounds[-1])
    for rate, measured in result.offered.items():
        rows += _both(f"{rate:,}/s offered ({measured.cpu_us:.0f} CPU µs/message)", measured)
    if result.slow_disk:
        rows.append(("syncs take 100 ms longer: ack", *_figures(result.slow_disk.ack)))
        rows.append(("syncs take 100 ms longer: PING", *_figures(result.slow_disk.ping)))
    if result.sign_ups:
        rows.append((f"{result.plan.sign_ups} people sign up: PING", *_figures(result.sign_ups)))
    if result.history:
        rows.append((f"history, a page of 50 of {result.plan.long_messages:,}", *_figures(result.history)))
    return "Latency in ms\n" + columns(("", "count", "p50", "p99", "p99.9", "longest"), rows)


def _both(name: str, measured: Measured) -> Iterable[Sequence[str]]:
    if measured.ack:
        yield f"{name}: ack", *_figures(measured.ack)
    if measured.delivery:
        yield f"{name}: delivery", *_figures(measured.delivery)


def _figures(latency: Latency) -> Sequence[str]:
    return f"{latency.count:,}", *(f"{one:.1f}" for one in (latency.p50, latency.p99, latency.p999, latency.max))


def _others(result: Result) -> str:
    lines = []
    if idle := result.idle:
        lines.append(
            f"Idle: {idle.sockets:,} sockets, {idle.kib_each:.1f} KiB of memory "
            f"and {idle.cpu_us_a_second:.2f} CPU µs a second each"
        )
    for name, storm in (("with", result.storm), ("without", result.bare_storm)):
        if storm:
            lines.append(
                f"Restart {name} socket activation: {storm.sockets:,} sockets back after {storm.seconds:.1f} s, the "
                f"first after {storm.away_seconds:.1f} s; {storm.attempts:,} attempts, {storm.refused} refused, "
                "nothing lost"
            )
    return "\n".join(lines)


def _goals(result: Result) -> str:
    verdicts = {True: "met", False: "MISSED", None: "?"}
    rows = [(goal.what, goal.goal, goal.measured, verdicts[goal.met]) for goal in result.goals()]
    return columns(("what", "goal", "measured", "met"), rows)


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Text in columns, numbers to the right; a row that is shorter than the head is a remark."""
    full = [row for row in (head, *rows) if len(row) == len(head)]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    lines = []
    for row in (head, *rows):
        if len(row) == len(head):
            first, *others = zip(row, widths, strict=True)
            cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        else:
            cells = [row[0].ljust(widths[0]), *row[1:]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
