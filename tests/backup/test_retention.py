"""Which backups are removed: the old ones, but never the newest, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from chat_server.operations.backup_directory import DAY_MS, BackupDirectory, expired
from chat_server.operations.dated import stamp, stamped_at

NOW = 1_800_000_000_000

ages_in_days = st.dictionaries(st.text(min_size=1), st.integers(min_value=-400, max_value=4000), max_size=40)


@given(ages=ages_in_days, keep_days=st.integers(min_value=1, max_value=3650))
def test_all_that_is_too_old_goes_but_the_newest(ages: dict[str, int], keep_days: int) -> None:
    made_at = {name: NOW - age * DAY_MS for name, age in ages.items()}
    going = expired(made_at, now=NOW, keep_days=keep_days)
    youngest = min(ages.values(), default=0)
    assert going == {name for name, age in ages.items() if age > keep_days and age != youngest}
    assert len(going) < len(ages) or not ages


@given(ages=ages_in_days, keep_days=st.integers(min_value=1, max_value=3650), later=st.integers(0, 4000))
def test_what_goes_today_goes_tomorrow(ages: dict[str, int], keep_days: int, later: int) -> None:
    made_at = {name: NOW - age * DAY_MS for name, age in ages.items()}
    today = expired(made_at, now=NOW, keep_days=keep_days)
    assert today <= expired(made_at, now=NOW + later * DAY_MS, keep_days=keep_days)


@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_a_name_tells_the_time_and_sorts_by_it(second: int) -> None:
    assert stamped_at(stamp(second * 1000 + 999)) == second * 1000
    assert stamp(second * 1000) < stamp((second + 1) * 1000)


def test_only_what_has_a_backups_name_is_removed(tmp_path: Path) -> None:
    old, older, newest = (f"chat-{stamp(NOW - days * DAY_MS)}.db" for days in (31, 400, 3))
    others = {
        "latest.db",
        ".lock",
        "chat-20010101-000000.db.gpg",
        "chat-99999999-999999.db",
        "my chat-20010101-000000.db",
    }
    for name in {old, older, newest, *others}:
        (tmp_path / name).touch()
    assert BackupDirectory(tmp_path).remove_expired(now=NOW, keep_days=30) == [older, old]
    assert {path.name for path in tmp_path.iterdir()} == {newest, *others}
