"""What is told: each turn once, for every way that checks can turn."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chat_server.operations.alerts.news import changes, told_after
from chat_server.operations.doctor.report import Report, Status
from tests.alerts.reports import host_with

STATUSES: Sequence[Status] = ("ok", "warning", "failure", "skipped")
NAMES = ("disk", "port", "unit")
reports = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(STATUSES)).map(lambda given: host_with(**given))


def turns(report: Report, told: Sequence[str]) -> list[tuple[str, str]]:
    return [(change.id, change.change) for change in changes(report, told)]


def test_at_first_what_fails_is_told_and_nothing_else() -> None:
    report = host_with(disk="failure", port="ok", unit="warning", clock="skipped")
    assert turns(report, []) == [("disk", "turned bad")]


def test_a_failure_is_told_once_however_long_it_lasts() -> None:
    report = host_with(disk="failure")
    assert turns(report, told_after(report, [])) == []


def test_a_warning_is_nobodys_alarm_and_ends_one() -> None:
    assert turns(host_with(disk="warning"), []) == []
    assert turns(host_with(disk="warning"), ["disk"]) == [("disk", "well again")]


def test_what_can_no_longer_be_seen_is_not_called_well() -> None:
    unseen = host_with(disk="skipped")
    assert turns(unseen, ["disk"]) == []
    assert turns(host_with(disk="ok"), told_after(unseen, ["disk"])) == [("disk", "well again")]


def test_a_change_has_what_the_check_has() -> None:
    (change,) = changes(host_with(disk="failure"), [])
    assert (change.seen, change.remedy) == ("disk was seen to be failure", "sudo mend disk\nsudo look again")
    assert (change.entries, change.chapter) == (["1.6"], "1.6 The disk is full")


@given(st.lists(reports, max_size=8))
def test_the_turns_of_each_check_alternate_and_end_with_how_it_is(history: list[Report]) -> None:
    told: list[str] = []
    heard: dict[str, list[str]] = {name: [] for name in NAMES}
    last: dict[str, str] = {}
    for report in history:
        for name, turn in turns(report, told):
            heard[name].append(turn)
        told = told_after(report, told)
        last |= {check.id: check.status for check in report.checks if check.status != "skipped"}
    for name, of_it in heard.items():
        assert of_it[0::2] == ["turned bad"] * len(of_it[0::2])
        assert of_it[1::2] == ["well again"] * len(of_it[1::2])
        assert (len(of_it) % 2 == 1) == (last.get(name) == "failure")


@given(reports, st.sets(st.sampled_from(NAMES)))
def test_told_twice_of_one_report_the_second_time_there_is_nothing_to_tell(report: Report, told: set[str]) -> None:
    assert turns(report, told_after(report, sorted(told))) == []
