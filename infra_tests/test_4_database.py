"""Chapter 4: the database is sound, as the guide's SQL wants it, and backed up."""

from __future__ import annotations

from infra_tests.shell import Shell
from infra_tests.site import BACKUPS, DATABASE, EXECUTABLE, Expected, Site


def test_the_database_is_sound(site: Site) -> None:
    assert site.sql("PRAGMA integrity_check;") == "ok"
    assert site.sql("PRAGMA foreign_key_check;") == ""


def test_a_crash_loses_nothing_because_it_is_a_wal_database(site: Site) -> None:
    assert site.sql("PRAGMA journal_mode;") == "wal"


def test_the_tables_have_the_columns_that_admins_ask_for(site: Site, expected: Expected) -> None:
    for table, columns in expected["tables"].items():
        found = site.sql(f"SELECT name FROM pragma_table_info('{table}');").splitlines()
        assert set(columns) - set(found) == set(), table


def test_the_guides_sql_runs(site: Site, expected: Expected) -> None:
    """As root, while the server serves; sqlite3 ends with 1 where it does not understand."""
    for statement in expected["sql"]:
        site.sql(statement)


def test_another_process_may_look_while_the_server_serves(site: Site) -> None:
    assert site.sql("SELECT count(*) FROM users;").isdigit()
    assert site.inside("/health").status == 200


def test_the_nightly_backup_is_in_cron(shell: Shell) -> None:
    lines = [
        line for line in shell.root("cat /etc/cron.d/chat-server").splitlines() if line and not line.startswith("#")
    ]
    assert any(f"{EXECUTABLE} backup" in line for line in lines), lines


def test_the_newest_backup_is_a_whole_database(site: Site, shell: Shell) -> None:
    """A fresh host has none until the first night; then there is always one, and `latest.db` is it."""
    if shell.types(f"sudo test -e {BACKUPS}/latest.db").code:
        days = shell.root(f"find {DATABASE} -mtime +2")
        assert not days, "no backup was ever made"
        return
    assert shell.root(f"sqlite3 -readonly {BACKUPS}/latest.db 'PRAGMA integrity_check;'").strip() == "ok"


def test_backups_are_kept_for_as_long_as_expected(site: Site, expected: Expected) -> None:
    assert site.setting("backup", "keep_days", 30) == expected["backup"]["keep_days"]
    kept = site.shell.root(f"find {BACKUPS} -name 'chat-*.db' -mtime +{expected['backup']['keep_days'] + 1}").split()
    assert len(kept) <= 1, kept
