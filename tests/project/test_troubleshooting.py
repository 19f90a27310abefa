"""docs/troubleshooting.md has the entries that doctor names, and its links lead to them. Hosts type its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat_server.operations.doctor.chapters import HEADINGS, heading
from chat_server.operations.doctor.tables import HISTORY, INDEXES
from infra_tests.documents.faults import FAULTS
from infra_tests.documents.people import GIVEN
from infra_tests.documents.reading import UnreadableError, blocks, sections

DOCS = Path(__file__).parents[2] / "docs"
TYPED = ("troubleshooting.md", "deployment.md", "backup.md")
DOCUMENT = (DOCS / "troubleshooting.md").read_text()


def test_it_has_each_entry_under_the_heading_that_doctor_names() -> None:
    assert re.findall(r"^### (.+)$", DOCUMENT, re.MULTILINE) == [heading(entry) for entry in HEADINGS]


def test_each_entry_has_something_to_type() -> None:
    with_commands = {section.heading for section in sections("troubleshooting.md")}
    assert {heading(entry) for entry in HEADINGS} - with_commands == set()


def test_its_first_table_leads_to_every_entry_that_somebody_may_look_for() -> None:
    table = DOCUMENT.partition("| you see | read |")[2].partition("\n## ")[0]
    asks_for_help = {entry for entry in HEADINGS if entry.startswith("8.")}
    assert set(re.findall(r"\[(\d\.\d)\]", table)) == HEADINGS.keys() - asks_for_help - {"6.1"}


GUIDES_ERRORS = [
    # The entry, what the guide has, and what is to be done instead.
    ("1.1", "kill -9", "sudo systemctl stop"),
    ("1.1", "netstat", "sudo ss -ltnp"),
    ("1.2", "/var/lib/chat-server/*.db*", "sudo find /var/lib/chat-server -type f -exec chmod 600"),
    ("1.3", "grep jwt_secret", "sudo chat-server check-config"),
    ("1.4", "cargo", "sudo apt-get install --reinstall --yes chat-server"),
    ("1.5", "swap", "/swapfile none swap sw 0 0"),
    ("1.6", "deletes all backups", "! -samefile /var/backups/chat-server/latest.db -delete"),
    ("1.7", "replays it into the backup", "sudo chat-server restore /var/backups/chat-server/latest.db"),
    ("2.2", "token into the URL", "Authorization: Bearer $TOKEN"),
    ("2.3", "opens 8080", "sudo ufw allow 443/tcp"),
    ("2.4", "X-Forwarded-For", "trusted_proxies"),
    ("2.5", "`ping`", "heartbeat missed"),
    ("2.7", "keepalive_timeout", "proxy_read_timeout"),
    ("3.1", "without `sudo`", "sudo -u chat-server sqlite3 -readonly"),
    ("3.2", "auth_logs", "sudo chat-server users unlock alice"),
    ("3.4", "localStorage", "POST /auth/refresh"),
    ("4.1", "systemctl restart", "sudo kill"),
    ("4.3", "removes `chat.db-shm` and `chat.db-wal`", "sudo chat-server checkpoint"),
    ("4.3", "fsck", "rescue system"),
    ("4.5", "into `chat.db`, which is still the damaged file", "sqlite3 rescued.db"),
    ("5.1", "ufw deny from", "sudo ufw prepend deny from"),
    ("5.1", "counts `message sent` lines", "read their `count`"),
    ("5.1", "perf", "/metrics"),
    ("5.2", "PRAGMA query_only", "slow_query_ms"),
    ("5.3", "limit_conn_zone", "deployment.md#nginx-in-front"),
    ("5.3", "valgrind", "max_connections"),
    ("5.6", "PostgreSQL", "deployment.md#a-very-large-database"),
    ("6.1", "DLL", "https://chat.example.org/"),
    ("6.2", "accept invalid certificates", "--cacert root.pem"),
    ("6.2", "telnet", "openssl s_client"),
    ("7.2", "0.0.0.0", "127.0.0.1:8080"),
    ("7.3", "forwards 443 alone", "forward TCP 80 and 443"),
    ("7.4", "in nginx, with a `*`", "cors_origins ="),
    ("8.1", "restarts for that", "sudo systemctl reload chat-server"),
    ("8.2", "/tmp", "sudo chat-server support-bundle"),
]


def entries() -> dict[str, str]:
    """What the document has under each entry's heading."""
    parts = re.split(r"^##+ (?:(\d\.\d) )?.*$", DOCUMENT, flags=re.MULTILINE)
    return {number: text for number, text in zip(parts[1::2], parts[2::2], strict=True) if number}


@pytest.mark.parametrize(("entry", "error", "instead"), GUIDES_ERRORS)
def test_errors_of_the_guide_are_named_with_what_replaces_them(entry: str, error: str, instead: str) -> None:
    own, _, about_the_guide = entries()[entry].partition("**The well-known guide**")
    assert error in " ".join(about_the_guide.split())
    assert instead in own + about_the_guide


def test_missing_indexes_are_made_by_the_statements_of_the_schema() -> None:
    made = re.findall(r"^    (CREATE .*);$", entries()["5.5"].replace("IF NOT EXISTS ", ""), re.MULTILINE)
    assert sorted(made) == sorted(INDEXES.values())
    assert made[-1] == INDEXES[HISTORY]


def anchors(name: str) -> set[str]:
    """What the headings of a document are linked by, as GitHub and its like make it."""
    titles = re.findall(r"^#+ (.+)$", (DOCS / name).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", TYPED)
def test_links_to_a_heading_find_it(name: str) -> None:
    links = re.findall(r"\]\(([\w-]+\.md)?#([^)]+)\)", (DOCS / name).read_text())
    assert [link for link in links if link[1] not in anchors(link[0] or name)] == []


@pytest.mark.parametrize("name", TYPED)
def test_what_its_comments_ask_for_is_known(name: str) -> None:
    notes = [block.notes for section in sections(name) for block in section.blocks]
    assert {note["fault"] for note in notes if "fault" in note} - FAULTS.keys() == set()
    assert {note["given"] for note in notes if "given" in note} - GIVEN.keys() == set()


def test_every_fault_is_in_a_document() -> None:
    used = {block.notes.get("fault") for name in TYPED for section in sections(name) for block in section.blocks}
    assert FAULTS.keys() - used == set()


@pytest.mark.parametrize("comment", ["shows", "fault: a | fault: b", "show: ok"])
def test_a_comment_that_is_not_understood_is_refused(comment: str) -> None:
    with pytest.raises(UnreadableError, match="line 4"):
        list(blocks(f"## One\n<!-- {comment} -->\n```sh\ntrue\n```\n"))
