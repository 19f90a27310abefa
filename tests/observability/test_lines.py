"""A log line: readable, one per event whatever is in it, and free of secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.observability.lines import journal_line, json_line, text_line

TIME = 1_700_000_000.5
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyLTEifQ.c2lnbmF0dXJl"

TELLING_NAMES = ["token", "password", "secret", "content", "Authorization", "Cookie", "passwords", "accessToken"]
TELLING_NAMES += ["jwt_secret", "new_password", "currentPassword", "password_hash"]

every_format = pytest.mark.parametrize("line_of", [text_line, journal_line, json_line])


def record(
    event: str,
    fields: Mapping[str, object] | tuple[object, ...] = (),
    *,
    level: int = logging.INFO,
    area: str = "chat_server.accounts",
    error: BaseException | None = None,
) -> logging.LogRecord:
    args = (fields,) if isinstance(fields, Mapping) else fields
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(area, level, "", 0, event, args, exc_info)
    made.created = TIME
    return made


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception:  # noqa: BLE001
        caught = sys.exception()
    assert isinstance(caught, Exception)
    return caught


def test_text_reads_as_time_level_area_event_and_fields() -> None:
    line = text_line(record("failed login", {"username": "anna", "tries": 3}))
    assert line == "2023-11-14T22:13:20.500Z INFO    accounts: failed login username=anna tries=3"


def test_a_journal_line_begins_with_its_priority_and_has_no_time() -> None:
    line = journal_line(record("failed login", {"username": "anna", "tries": 3}))
    assert line == "<6>accounts: failed login username=anna tries=3"


def test_a_json_line_is_an_object_with_the_fields_beside_the_event() -> None:
    assert json.loads(json_line(record("failed login", {"username": "anna", "tries": 3, "last": None}))) == {
        "time": "2023-11-14T22:13:20.500Z",
        "level": "info",
        "area": "accounts",
        "event": "failed login",
        "username": "anna",
        "tries": 3,
        "last": None,
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
        (5, 7),
    ],
)
def test_the_journal_learns_the_level_as_syslogs_priority(level: int, priority: int) -> None:
    assert journal_line(record("event", level=level)).startswith(f"<{priority}>")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("anna", "anna"),
        ("2001:db8::1", "2001:db8::1"),
        ("Änne", "Änne"),
        ("two words", '"two words"'),
        ("", '""'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("back\\slash", r'"back\\slash"'),
        ("new\nline", r'"new\nline"'),
        ("\x1b[31mred", r'"\x1b[31mred"'),
        ("\u202egnp.exe", r'"\u202egnp.exe"'),
        ("\ud800", r'"\ud800"'),
        (True, "true"),
        (None, "null"),
        (1.5, "1.5"),
        (["a", 1], r'"[\"a\", 1]"'),
        (ValueError("no such\nfile"), r'"no such\nfile"'),
    ],
)
def test_a_value_is_shown_as_one_word_or_in_quotes(value: object, shown: str) -> None:
    assert journal_line(record("event", {"field": value})) == f"<6>accounts: event field={shown}"


@every_format
@given(event=st.text(min_size=1), name=st.text(), value=st.text())
def test_no_text_breaks_out_of_its_line(
    line_of: Callable[[logging.LogRecord], str], event: str, name: str, value: str
) -> None:
    line = line_of(record(event, {name: value}))
    assert line.isprintable()


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}_x", fullmatch=True), st.text(), min_size=1))
def test_quoted_values_can_be_read_back_unambiguously(fields: dict[str, object]) -> None:
    line = journal_line(record("event", fields)).removeprefix("<6>accounts: event ")
    pair = r'[a-z]{1,8}_x=(?:"(?:[^"\\]|\\.)*"|[^\s"=\\]+)'
    assert re.fullmatch(rf"{pair}(?: {pair}){{{len(fields) - 1}}}", line)


@every_format
@pytest.mark.parametrize("name", TELLING_NAMES)
def test_a_field_with_a_telling_name_is_masked(line_of: Callable[[logging.LogRecord], str], name: str) -> None:
    for fields in ({name: "hunter2"}, {"body": {name: "hunter2"}}, {"bodies": [{name: "hunter2"}]}):
        line = line_of(record("event", fields))
        assert "hunter2" not in line
        assert "***" in line


@every_format
def test_a_field_that_only_sounds_alike_is_shown(line_of: Callable[[logging.LogRecord], str]) -> None:
    line = line_of(
        record("event", {"token_id": "shown-1", "content_length": "shown-2", "passwords_waiting": "shown-3"})
    )
    assert all(f"shown-{n}" in line for n in (1, 2, 3))


@every_format
@pytest.mark.parametrize(
    "secret", [f"/socket?token={JWT}", "/socket?x=1&token=hunter2&y=2", "/?Token=hunter2", f"bearer.{JWT}", JWT]
)
def test_a_token_is_masked_wherever_it_stands(line_of: Callable[[logging.LogRecord], str], secret: str) -> None:
    for logged in (
        record("request", {"path": secret}),
        record(f"request {secret}"),
        record("request %s", (secret,)),
        record("request", {"headers": {"x": [secret]}}),
        record("request", error=raised(ValueError(secret))),
    ):
        line = line_of(logged)
        assert "hunter2" not in line
        assert "eyJ" not in line
        assert "***" in line


def test_what_stands_around_a_masked_token_remains() -> None:
    line = journal_line(record("request", {"path": "/socket?x=1&token=hunter2&y=2"}))
    assert line == '<6>accounts: request path="/socket?x=1&token=***&y=2"'


def test_an_exceptions_traceback_is_indented_for_people() -> None:
    first, *rest = text_line(record("request failed", error=raised(ValueError("a\nb\x0cc")))).split("\n")
    assert first.endswith("accounts: request failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-2:] == ["    ValueError: a", r"    b\x0cc"]
    assert all(line.startswith("    ") for line in rest)


@pytest.mark.parametrize("line_of", [journal_line, json_line])
def test_an_exceptions_traceback_stays_in_the_line_for_machines(line_of: Callable[[logging.LogRecord], str]) -> None:
    line = line_of(record("request failed", error=raised(ValueError("a\nb"))))
    assert line.isprintable()
    assert r"ValueError: a\nb" in line
    assert "Traceback (most recent call last)" in line


@every_format
def test_an_enormous_value_is_cut(line_of: Callable[[logging.LogRecord], str]) -> None:
    line = line_of(record("event", {"path": "x" * 100_000, "headers": ["y" * 100_000]}))
    assert "xxx" in line
    assert len(line) < 5_000


@every_format
def test_an_enormous_traceback_keeps_its_end(line_of: Callable[[logging.LogRecord], str]) -> None:
    line = line_of(record("event", error=raised(ValueError("x" * 100_000 + " the end"))))
    assert "the end" in line
    assert len(line) < 20_000


def test_no_field_takes_the_place_of_what_every_json_line_has() -> None:
    line = json_line(record("event", {"level": "forged", "time": "forged", "area": "forged", "event": "forged"}))
    assert "forged" not in line


@every_format
def test_lines_of_other_libraries_have_their_arguments_put_in(line_of: Callable[[logging.LogRecord], str]) -> None:
    assert "took 3 of 4" in line_of(record("took %d of %s", (3, 4), area="library"))


@every_format
def test_a_per_cent_sign_in_an_event_of_ours_stays(line_of: Callable[[logging.LogRecord], str]) -> None:
    assert "disk 80% full" in line_of(record("disk 80% full", {"used": 80}))


@every_format
def test_the_id_of_the_request_is_a_field(line_of: Callable[[logging.LogRecord], str]) -> None:
    logged = record("failed login", {"username": "anna"})
    logged.request_id = "req-7"
    line = line_of(logged)
    assert "req-7" in line
    assert "request" in line
