"""What the running server counts, from its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from chat_server.operations import probe
from chat_server.operations.doctor.exchange import NoAnswerError, ask, here
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Counted since the server started; `hours` ago, at least 1, so that a young server's rates are no alarm."""

    samples: tuple[tuple[str, Mapping[str, str], float], ...]
    hours: float

    def total(self, name: str, **labels: str) -> int:
        """The sum of a metric's samples that have these labels."""
        return int(sum(value for given, its, value in self.samples if given == name and labels.items() <= its.items()))

    def since(self) -> str:
        """For how long it counts, in words."""
        return "in the last hour or less" if self.hours <= 1 else f"in the {self.hours:.0f} h since the server started"


def figures(site: Site) -> Figures:
    """Raises CannotLookError where no server of ours answers."""
    place = here(site.config.server)
    try:
        answer = ask(place, "/metrics")
    except NoAnswerError as error:
        raise CannotLookError(f"no figures: {error}") from None
    if answer.status != 200:
        raise CannotLookError(f"no figures: {place}/metrics answers {answer.status}")
    try:
        families = list(text_string_to_metric_families(answer.body.decode(errors="replace")))
    except ValueError:
        raise CannotLookError(f"no figures: {place}/metrics is not a chat-server's") from None
    samples = tuple((one.name, one.labels, one.value) for family in families for one in family.samples)
    # Not from the metrics: a hardened unit hides from the process when it was started.
    running = probe.running(site.config.server)
    started_at = running.started_at if running else site.now
    return Figures(samples, max(1.0, (site.now - started_at) / HOUR_MS))
