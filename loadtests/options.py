"""What a load test's command line adds to Locust's."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Times are in the unit of the name; a check that is None is not made."""

    accounts: Path | None
    rate: float | None
    message_bytes: int
    storm_every_seconds: float
    history_messages: int
    heartbeat_seconds: float | None
    drain_seconds: float
    schedule_tolerance_ms: float
    check_p99_ms: float | None
    check_loss: float
    check_rate: float | None
    json_report: str
    html_report: str

    @classmethod
    def of(cls, parsed: Namespace) -> Options:
        """Picked from all that Locust has parsed."""
        return cls(**{name: getattr(parsed, name) for name in cls.__dataclass_fields__})


def add_to(parser: ArgumentParser) -> None:
    """Adds the options. `--json` and `--html` take the place of Locust's, whose reports know nothing of the checks."""
    load = parser.add_argument_group("Load test of a chat-server", conflict_handler="resolve")
    load.add_argument(
        "--accounts", type=Path, metavar="FILE", help="Where the accounts are kept; else in the user's cache directory."
    )
    load.add_argument(
        "--rate",
        type=_positive,
        metavar="N",
        help="Arrivals a second in all: messages (throughput 100, reconnect and soak 20), pages (history 20).",
    )
    load.add_argument(
        "--message-bytes",
        type=_whole(50, 5000),
        default=100,
        metavar="N",
        help="Characters of a message, 50 to 5000; 100.",
    )
    load.add_argument(
        "--storm-every-seconds",
        type=_positive,
        default=30,
        metavar="S",
        help="The time from the end of a storm (reconnect, login) to the next; 30.",
    )
    load.add_argument(
        "--history-messages",
        type=_whole(100, 1_000_000),
        default=5000,
        metavar="N",
        help="How long the conversation read is; 5000.",
    )
    load.add_argument(
        "--heartbeat-seconds", type=_positive, metavar="S", help="The time between heartbeats; else the server's."
    )
    load.add_argument(
        "--drain-seconds", type=_positive, default=30, metavar="S", help="How long to wait for what is under way; 30."
    )
    load.add_argument(
        "--schedule-tolerance-ms",
        type=_positive,
        default=50,
        metavar="MS",
        help="A generator that is later than this with 1 %% of the arrivals has failed; 50.",
    )
    load.add_argument("--check-p99-ms", type=_positive, metavar="MS", help="The highest 99th percentile that passes.")
    load.add_argument("--check-loss", type=_share, default=0, metavar="PERCENT", help="How many percent may fail; 0.")
    load.add_argument("--check-rate", type=_positive, metavar="N", help="The lowest rate, in operations a second.")
    load.add_argument("--json", dest="json_report", default="", metavar="FILE", help="Writes the report as JSON.")
    load.add_argument("--html", dest="html_report", default="", metavar="FILE", help="Writes a page with plots.")
    parser.set_defaults(json=False, html_file=None)


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise ArgumentTypeError("give a number above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise ArgumentTypeError("give 0 to 100")
    return value


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ArgumentTypeError(f"give a whole number from {low} to {high}")
        return value

    return parse
