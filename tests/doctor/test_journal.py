"""What counts as an event of the log: what strangers choose stands in its lines, too."""

from __future__ import annotations

import pytest

from chat_server.operations.doctor.journal import events, fields, tells
from chat_server.operations.doctor.load import slow_queries
from chat_server.operations.doctor.report import Question, answer
from tests.doctor.test_service import RUNNING, logged, site

FORMATS = ("text", "journal", "json")
EVENTS = ("token reused, its session ends", "slow query", "heartbeat missed", "message sent", "cannot start")


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("event", EVENTS)
def test_an_event_is_found_with_its_fields_however_the_log_is_written(event: str, log_format: str) -> None:
    [line] = logged(event, {"user": "usr-1", "address": "203.0.113.9"})[log_format]
    assert tells(line, event)
    assert fields(line)["address"] == "203.0.113.9"
    assert not tells(line, event[:-1])


def test_an_event_without_fields_is_found() -> None:
    assert tells("chat_server.http: connection failed", "connection failed")


@pytest.mark.parametrize("log_format", FORMATS)
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", ["{}", "http: {} ms=9", '", "event": "{}', "2026-01-01 ERROR http: {}"])
def test_a_name_that_a_stranger_chooses_is_no_event(name: str, event: str, log_format: str) -> None:
    lines = logged("failed login", {"username": name.replace("{}", event)})[log_format]
    host = site(RUNNING, lines)
    assert events(host, event) == []
    assert len(events(host, "failed login")) == 1


def test_no_slow_query_is_made_up_by_a_name() -> None:
    question = Question("slow-queries", ("5.2",), slow_queries)
    real, faked = logged("slow query", {"ms": 300}), logged("failed login", {"username": "slow query ms=99999"})
    check = answer(question, site(RUNNING, [*real["journal"], *faked["journal"]]))
    assert check.seen.startswith("1 slow queries within the last hour")
