"""Chapter 5: what makes it quick is there, and it takes no more than it should."""

from __future__ import annotations

from testinfra.host import Host

from infra_tests.shell import Shell
from infra_tests.site import DATABASE, Expected, Site


def test_every_index_is_there(site: Site, expected: Expected) -> None:
    assert set(expected["indexes"]) - set(site.sql(".indexes").split()) == set()


def test_history_is_found_by_its_index(site: Site) -> None:
    plan = site.sql("EXPLAIN QUERY PLAN SELECT * FROM messages WHERE conversation_id='conv-123';")
    assert "USING INDEX idx_messages_conversation_id" in plan


def test_it_takes_no_more_memory_than_it_may(host: Host, expected: Expected) -> None:
    unit = host.service("chat-server").systemd_properties
    assert host.process.get(pid=int(unit["MainPID"])).rss * 1024 < expected["memory_bytes"]
    assert int(unit["MemoryMax"]) == expected["memory_bytes"]


def test_the_write_ahead_log_is_folded_in(shell: Shell, expected: Expected) -> None:
    """It grows only while somebody keeps the database open for reading, and then takes the disk."""
    size = shell.root(f"stat --format %s {DATABASE}-wal 2>/dev/null || echo 0")
    assert int(size) < expected["wal_bytes"]


def test_one_sender_can_not_take_it_all(site: Site) -> None:
    assert 0 < site.setting("rate_limit", "messages_per_minute", 100) <= 1000
    assert site.setting("limits", "max_connections_per_user", 20) < site.setting("limits", "max_connections", 10000)
