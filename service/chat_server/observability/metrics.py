"""What Prometheus sees: every metric of the server, in a registry that belongs to the instance.

docs/metrics.md explains each; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from chat_server.observability.collectors import Durations, Files, MemoryLimit, Process

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Metrics:
    """The counters and histograms that the parts raise, and gauges that are read when somebody looks."""

    def __init__(self, *, version: str) -> None:
        # A line more per series, for what Prometheus finds out by itself. The library has one switch per process.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        counter, histogram = self._counter, self._histogram
        self.messages = counter("messages", "Messages from clients, by what came of them.", "result")
        self.ack_seconds = self._durations("ack_seconds", "From a message's arrival to its acknowledgement.")
        self.delivery_seconds = self._durations(
            "delivery_seconds", "From pushing messages to a socket to the PONG that proves them there."
        )
        self.commits = counter("commits", "Group commits, by whether they became durable.", "result")
        self.commit_seconds = histogram("commit_seconds", "How long a group commit took.", _SECONDS)
        self.batch_messages = histogram("batch_messages", "Messages in a group commit.", _MESSAGES)
        self.slow_queries = counter("slow_queries", "Reads that took longer than [database] slow_query_ms.")
        self.errors = counter("errors", "Error frames sent to sockets, by code.", "code")
        self.logins = counter("logins", "Attempts to log in, by result.", "result")
        self.tokens_refused = counter("tokens_refused", "Tokens that let nobody in, by reason.", "reason")
        self.rate_limited = counter("rate_limited", "What was refused for its rate, by kind.", "kind")
        self.http_requests = counter("http_requests", "HTTP requests.", "method", "route", "status")
        self.http_failures = counter("http_failures", "HTTP requests that failed for a fault here: answered 500.")
        self.http_seconds = histogram("http_request_seconds", "How long HTTP requests took.", _SECONDS, "route")
        self._begin_at_nothing()
        Info("chat_build", "The version that runs.", registry=self.registry).info({"version": version})
        Process(namespace="chat", registry=self.registry)
        MemoryLimit(self.registry)

    def gauge(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Add the gauge chat_`name`, which asks `read` whenever the metrics are rendered."""
        Gauge(f"chat_{name}", words, registry=self.registry).set_function(read)

    def watch_files(self, database: Path, backups: Path) -> None:
        """Add the gauges of the database's size, its disk's free space and the last backup's age."""
        Files(database, backups, self.registry)

    def committed(self, seconds: float, messages: int, *, durable: bool) -> None:
        """Count one group commit, at one go for all its messages."""
        self.commits.labels("durable" if durable else "failed").inc()
        self.commit_seconds.observe(seconds)
        if messages:
            self.batch_messages.observe(messages)

    def render(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its content type: the one that every scraper knows."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"chat_{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"chat_{name}", words, labels, buckets=buckets, registry=self.registry)

    def _durations(self, name: str, words: str) -> Durations:
        return Durations(f"chat_{name}", words, _SECONDS, self.registry)

    def _begin_at_nothing(self) -> None:
        """Show at 0 what may happen, for Prometheus' increase() misses the step from no value to the first."""
        for counter, results in (
            (self.messages, ("stored", "repeated", "conflicting", "failed")),
            (self.commits, ("durable", "failed")),
            (self.logins, ("succeeded", "failed")),
            (self.tokens_refused, ("missing", "invalid", "expired", "ended", "reused")),
        ):
            for result in results:
                counter.labels(result)
