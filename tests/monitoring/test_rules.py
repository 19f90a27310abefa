"""The alert rules that ship: Prometheus takes them, each fires when it should and not before, and its words help."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat_server.operations.doctor.chapters import HEADINGS, heading
from tests.monitoring.metrics import names_in
from tests.monitoring.promtool import needs_promtool, promtool
from tests.server import Server

FILE = Path(__file__).parents[2] / "monitoring" / "prometheus-rules.yml"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule["alert"] for rule in RULES]


@dataclass(frozen=True)
class Case:
    """Samples a minute apart, as promtool writes them: of a host where it fires after so long, and of a good one."""

    bad: dict[str, str]
    well: dict[str, str]
    after: str = "30m"


def slow_histogram(name: str, *, bad: str, well: str) -> Case:
    """A hundred a minute, all between the bounds of one bucket or all below the lowest."""
    return Case(
        bad={
            f'{name}_bucket{{le="0.1"}}': "0x60",
            f'{name}_bucket{{le="{bad}"}}': "0+100x60",
            f'{name}_bucket{{le="+Inf"}}': "0+100x60",
        },
        well={f'{name}_bucket{{le="{well}"}}': "0+100x60", f'{name}_bucket{{le="+Inf"}}': "0+100x60"},
    )


CASES = {
    "ChatServerDown": Case({"up": "1 0x60"}, {"up": "1x60"}, "5m"),
    "ChatServerRestarts": Case(
        {"chat_process_start_time_seconds": "100x10 200x5 300x5 400x40"},
        {"chat_process_start_time_seconds": "100x10 200x60"},
    ),
    "ChatMessagesFail": Case(
        {'chat_messages_total{result="failed"}': "0x25 1x60"}, {'chat_messages_total{result="failed"}': "7x60"}
    ),
    "ChatRequestsFail": Case({"chat_http_failures_total": "0x22 9x60"}, {"chat_http_failures_total": "9x60"}),
    "ChatDiskFull": Case({"chat_disk_free_bytes": "9e8x60"}, {"chat_disk_free_bytes": "2e9x60"}),
    "ChatDiskFillsUp": Case({"chat_disk_free_bytes": "5e10-2e7x480"}, {"chat_disk_free_bytes": "5e10-1e6x480"}, "8h"),
    "ChatBackupOld": Case({"chat_backup_age_seconds": "172801x60"}, {"chat_backup_age_seconds": "172800x60"}),
    "ChatBackupMissing": Case(
        {"chat_build_info": "1x2000"}, {"chat_build_info": "1x2000", "chat_backup_age_seconds": "9x2000"}, "30h"
    ),
    "ChatBackupFails": Case({'chat_backup_failed{part="copy"}': "1x60"}, {'chat_backup_failed{part="copy"}': "0x60"}),
    "ChatAcknowledgementsSlow": slow_histogram("chat_ack_seconds", bad="5", well="0.1"),
    "ChatDiskSlow": slow_histogram("chat_commit_seconds", bad="5", well="0.1"),
    "ChatWriterBehind": Case({"chat_writer_queue": "1001x60"}, {"chat_writer_queue": "1000x60"}),
    "ChatLogGrows": Case({"chat_wal_bytes": "2e9x60"}, {"chat_wal_bytes": "1e8x60"}),
    "ChatQueriesSlow": Case({"chat_slow_queries_total": "0+1x60"}, {"chat_slow_queries_total": "99x60"}),
    "ChatLoginStorm": Case({"chat_passwords_waiting": "33x60"}, {"chat_passwords_waiting": "32x60"}),
    "ChatPasswordsTried": Case(
        {'chat_logins_total{result="failed"}': "0+10x60"}, {'chat_logins_total{result="succeeded"}': "0+10x60"}
    ),
    "ChatTokenCopied": Case(
        {'chat_tokens_refused_total{reason="reused"}': "0x20 1x60"},
        {'chat_tokens_refused_total{reason="expired"}': "0+1x60"},
    ),
    "ChatDescriptorsUsedUp": Case(
        {"chat_process_open_fds": "801x60", "chat_process_max_fds": "1000x60"},
        {"chat_process_open_fds": "800x60", "chat_process_max_fds": "1000x60"},
    ),
    "ChatMemoryUsedUp": Case(
        {"chat_process_resident_memory_bytes": "45e7x60", "chat_memory_limit_bytes": "5e8x60"},
        {"chat_process_resident_memory_bytes": "3e9x60", "chat_memory_limit_bytes": "4e9x60"},
    ),
}


def series(samples: dict[str, str], host: str) -> list[dict[str, str]]:
    """With the labels that Prometheus adds to what it scrapes."""
    found = []
    for name, values in samples.items():
        bare, _, labels = name.rstrip("}").partition("{")
        labels = ",".join([f'job="chat-server",instance="{host}"', *([labels] if labels else [])])
        found.append({"series": f"{bare}{{{labels}}}", "values": values})
    return found


def test_every_alert_has_a_case() -> None:
    assert sorted(CASES) == sorted(ALERTS)


@needs_promtool
def test_prometheus_takes_them() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", FILE)


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_it_fires_where_it_should_and_nowhere_else(alert: str, tmp_path: Path) -> None:
    case = CASES[alert]
    fires = f'sum by (alertname, instance) (ALERTS{{alertstate="firing",alertname="{alert}"}})'
    tests = {
        "rule_files": [str(FILE)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [*series(case.bad, "bad"), *series(case.well, "well")],
                "promql_expr_test": [
                    {
                        "expr": fires,
                        "eval_time": case.after,
                        "exp_samples": [{"labels": f'{{alertname="{alert}",instance="bad"}}', "value": 1}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "tests.yml"
    file.write_text(json.dumps(tests))
    promtool("test", "rules", file)


def test_every_metric_they_ask_for_is_one_of_a_running_server(shared_server: Server) -> None:
    exposed = names_in(shared_server)
    asked = {name for rule in RULES for name in re.findall(r"\bchat_\w+", rule["expr"])}
    assert {name for name in asked if re.sub(r"_(bucket|sum|count)$", "", name) not in exposed} == set()


def test_the_values_of_labels_they_ask_for_are_there_before_anything_happens(shared_server: Server) -> None:
    page = shared_server.client().request("GET", "/metrics").body.decode()
    asked = {
        (name, label)
        for rule in RULES
        for name, label in re.findall(r"(chat_\w+)\{(\w+=\"\w+\")\}", rule["expr"])
        if not label.startswith("status=")
    }
    assert len(asked) >= 4
    assert {
        (name, label) for name, label in asked if not re.search(rf"^{name}\{{.*{label}.*\}} ", page, re.MULTILINE)
    } == set()


@pytest.mark.parametrize("rule", RULES, ids=ALERTS)
def test_it_says_how_bad_it_is_where_and_what_to_read(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    notes = rule["annotations"]
    assert "{{ $labels.instance }}" in notes["summary"]
    assert notes["description"]
    assert notes["chapter"] in {heading(entry) for entry in HEADINGS}
