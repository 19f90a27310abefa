"""What Prometheus is told."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.parser import text_string_to_metric_families

from chat_server.observability.collectors import Durations, MemoryLimit
from chat_server.observability.metrics import Metrics
from tests.server import COMMAND, running_server

BOUNDS = (0.001, 0.01, 0.1, 1.0)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3")


def samples(metrics: Metrics) -> dict[str, float]:
    """Each sample as it stands in the page, with its labels, and its value."""
    page = metrics.render()[0].decode()
    lines = [line.rpartition(" ") for line in page.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_the_page_is_prometheus_text_in_the_version_every_scraper_reads(metrics: Metrics) -> None:
    page, content_type = metrics.render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert [family.name for family in text_string_to_metric_families(page.decode())]


def test_every_name_begins_with_chat(metrics: Metrics) -> None:
    assert {name.partition("_")[0] for name in samples(metrics)} == {"chat"}


def test_two_servers_in_one_process_share_nothing() -> None:
    one, other = Metrics(version="1"), Metrics(version="2")
    one.slow_queries.inc()
    assert samples(one)["chat_slow_queries_total"] == 1
    assert samples(other)["chat_slow_queries_total"] == 0


def test_results_that_matter_are_there_before_they_happen(metrics: Metrics) -> None:
    shown = samples(metrics)
    assert shown['chat_messages_total{result="failed"}'] == 0
    assert shown['chat_commits_total{result="failed"}'] == 0
    assert shown['chat_logins_total{result="failed"}'] == 0


def test_failures_of_requests_are_there_before_they_happen(metrics: Metrics) -> None:
    assert samples(metrics)["chat_http_failures_total"] == 0


def limited(tmp_path: Path, limits: dict[str, str], *, own: str = "0::/system.slice/chat-server.service\n") -> object:
    """What is told where the control groups have these limits."""
    for group, limit in limits.items():
        (tmp_path / "groups" / group).mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / group / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "own").write_text(own)
    registry = CollectorRegistry()
    MemoryLimit(registry, tmp_path / "own", tmp_path / "groups")
    return registry.get_sample_value("chat_memory_limit_bytes")


def test_the_memory_that_the_unit_may_use_is_told(tmp_path: Path) -> None:
    assert limited(tmp_path, {"system.slice/chat-server.service": "4294967296", "system.slice": "max"}) == 2**32


def test_a_lower_limit_around_the_unit_is_what_counts(tmp_path: Path) -> None:
    assert limited(tmp_path, {"system.slice/chat-server.service": "max", "system.slice": "536870912"}) == 2**29


def test_a_containers_limit_is_that_of_the_group_it_sees_as_the_first(tmp_path: Path) -> None:
    assert limited(tmp_path, {"": "536870912"}, own="0::/\n") == 2**29


def test_without_a_limit_of_memory_there_is_no_figure(tmp_path: Path) -> None:
    assert limited(tmp_path, {"system.slice/chat-server.service": "max"}) is None
    assert limited(tmp_path, {}, own="5:memory:/chat\n") is None


def test_the_version_that_runs_is_told(metrics: Metrics) -> None:
    assert samples(metrics)['chat_build_info{version="1.2.3"}'] == 1


def test_a_gauge_is_read_when_the_page_is_made(metrics: Metrics) -> None:
    people = ["anna"]
    metrics.gauge("users_online", "People with a WebSocket open.", lambda: len(people))
    assert samples(metrics)["chat_users_online"] == 1
    people.append("bert")
    assert samples(metrics)["chat_users_online"] == 2


def test_a_commit_is_counted_once_with_its_time_and_its_messages(metrics: Metrics) -> None:
    metrics.committed(0.004, 7, durable=True)
    metrics.committed(0.004, 0, durable=True)
    metrics.committed(0.5, 3, durable=False)
    shown = samples(metrics)
    assert shown['chat_commits_total{result="durable"}'] == 2
    assert shown['chat_commits_total{result="failed"}'] == 1
    assert shown["chat_commit_seconds_count"] == 3
    assert shown["chat_commit_seconds_sum"] == pytest.approx(0.508)
    assert shown["chat_batch_messages_count"] == 2
    assert shown["chat_batch_messages_sum"] == 10


@given(st.lists(st.floats(0, 100) | st.sampled_from(BOUNDS)))
def test_durations_are_rendered_as_the_librarys_own_histogram_does(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    durations = Durations("seconds", "words", BOUNDS, ours)
    histogram = Histogram("seconds", "words", buckets=BOUNDS, registry=theirs)
    for value in values:
        durations.observe(value)
        histogram.observe(value)

    def rendered(registry: CollectorRegistry) -> list[tuple[str, dict[str, str], float]]:
        (family,) = registry.collect()
        return [(sample.name, sample.labels, sample.value) for sample in family.samples if "created" not in sample.name]

    assert rendered(ours) == rendered(theirs)


def test_the_databases_size_is_the_files(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch_files(tmp_path / "chat.db", tmp_path / "backups")
    (tmp_path / "chat.db").write_bytes(b"x" * 8192)
    (tmp_path / "chat.db-wal").write_bytes(b"x" * 100)
    shown = samples(metrics)
    assert shown["chat_database_bytes"] == 8192
    assert shown["chat_wal_bytes"] == 100


def test_the_free_space_is_that_of_the_databases_disk(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch_files(tmp_path / "chat.db", tmp_path / "backups")
    assert samples(metrics)["chat_disk_free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


def test_the_age_of_the_newest_backup_is_told(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch_files(tmp_path / "chat.db", tmp_path)
    dated = tmp_path / "chat-20240101-000000.db"
    dated.touch()
    os.utime(dated, (time.time() - 7200, time.time() - 7200))
    (tmp_path / "latest.db").symlink_to(dated.name)
    assert samples(metrics)["chat_backup_age_seconds"] == pytest.approx(7200, abs=60)


def test_what_does_not_exist_has_no_figure(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch_files(tmp_path / "nowhere" / "chat.db", tmp_path / "backups")
    shown = samples(metrics)
    for name in ("chat_database_bytes", "chat_wal_bytes", "chat_disk_free_bytes", "chat_backup_age_seconds"):
        assert name not in shown


def test_a_backup_dated_in_the_future_has_no_negative_age(metrics: Metrics, tmp_path: Path) -> None:
    metrics.watch_files(tmp_path / "chat.db", tmp_path)
    (tmp_path / "latest.db").touch()
    os.utime(tmp_path / "latest.db", (time.time() + 3600, time.time() + 3600))
    assert samples(metrics)["chat_backup_age_seconds"] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a /proc as the unit has it; run as root")
def test_the_process_is_told_of_where_the_unit_hides_what_is_not_its_own(tmp_path: Path) -> None:
    hide = 'mount -t proc -o subset=pid proc /proc && exec "$@"'
    with running_server(tmp_path, command=("unshare", "--mount", "sh", "-c", hide, "sh", *COMMAND)) as server:
        shown = server.client().get("/metrics").body.decode()
    figures = dict(line.split() for line in shown.splitlines() if line.startswith("chat_process_"))
    assert float(figures["chat_process_open_fds"]) > 0
    assert float(figures["chat_process_start_time_seconds"]) == pytest.approx(time.time(), abs=60)
