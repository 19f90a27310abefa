"""Chapter 4: the database is locked, or damaged."""

from __future__ import annotations

import shlex
import uuid

import pytest

from infra_tests.drills.disposable import overwrite, wait_for
from infra_tests.drills.drill import EXECUTABLE, Drill
from infra_tests.drills.running import Running
from tests.client import Person
from tests.device import online

DATA = "/var/lib/chat-server"
DATABASE = f"{DATA}/chat.db"
BACKUPS = "/var/backups/chat-server"
COPY = "/var/tmp/drill-copy"
PAGE = 4096
TYPED = "/var/tmp/drill-typed"
UNDER_WAY = 4
"""Two people, two messages each: what may have been stored already, and be acknowledged in a moment."""

AS_SERVICE = "sudo -u chat-server"
BY_HAND = f"{AS_SERVICE} {EXECUTABLE} --config /opt/chat-server/config.toml"
INTEGRITY = f'sqlite3 {DATABASE} "PRAGMA integrity_check;"'
RECOVERY = f'sqlite3 {DATABASE}.corrupted ".recover" | sqlite3 {DATABASE}'
FOLDING = f'sqlite3 {DATABASE} "PRAGMA wal_checkpoint(TRUNCATE);"'
PROCESSES = "ps aux | grep chat-server"

LOG_FILES = f"find {DATA} -name 'chat.db-*'"
UNLESS_WHOLE = f"""
[ "$({AS_SERVICE} {INTEGRITY})" = ok ] && exit
systemctl stop chat-server
{EXECUTABLE} restore --yes /var/lib/drill-kept/backups/latest.db
systemctl start chat-server
"""
"""A damaged page may be far from what is looked at after a drill that fails, and spoil those that follow."""


def a_shell_left_in(drill: Drill, statements: str) -> None:
    """Somebody at a sqlite3 shell has typed this, which was done, and gone for lunch."""
    drill.afterwards(f"rm -f {TYPED}")
    typed = shlex.join(["printf", "%s\\n", statements, f".shell touch {TYPED}"])
    shell = f"sqlite3 -bail -cmd '.timeout 10000' {DATABASE}"
    drill.occupy("shell", "sh", "-c", f"({typed}; exec sleep 600) | {shell}")
    wait_for(statements, lambda: drill.shell.types(f"test -e {TYPED}").code == 0)


def is_locked(drill: Drill) -> bool:
    """For longer than the server writes."""
    asked = drill.shell.types(f"{AS_SERVICE} sqlite3 -cmd '.timeout 1000' {DATABASE} 'BEGIN IMMEDIATE; ROLLBACK'")
    return "locked" in asked.text


def is_folded(drill: Drill) -> bool:
    """By our document's line, which under load may be answered that the database is busy."""
    return drill.ours(f"{AS_SERVICE} {FOLDING}", code=None).out == "0|0|0\n"


def started_by_hand(drill: Drill) -> tuple[Running, int]:
    """A server that systemd knows nothing of, in place of the service, and its process."""
    drill.root("systemctl stop chat-server")
    server = drill.start(BY_HAND)
    server.wait_for("serving")
    return server, serving(drill)


def serving(drill: Drill) -> int:
    """The process that listens at 8080. By its name one would find doctor's too, which a timer starts."""
    return int(drill.root("lsof -t -iTCP:8080 -sTCP:LISTEN"))


def end(drill: Drill, server: Running, command: str) -> None:
    """Ends the server that was started by hand, and waits for that."""
    drill.ours(command)
    server.wait(seconds=20)


def query(drill: Drill, file: str, question: str) -> str:
    """What root's sqlite3 says of a copy, or of the database while nobody serves it."""
    return drill.shell.types(f"sudo sqlite3 {file} '{question}'").text.strip()


def damage(drill: Drill, page: int) -> None:
    """Overwrites a page of the database, numbered from 1, while nobody has it open."""
    drill.afterwards(UNLESS_WHOLE)
    drill.root(overwrite(DATABASE, page=page - 1))


@pytest.mark.entry("4.1")
def test_a_second_server_is_refused_and_the_first_serves_on_until_it_is_ended(drill: Drill) -> None:
    with drill.talking():
        with drill.provoked("the service is started while a server that somebody started by hand runs"):
            server, pid = started_by_hand(drill)
            drill.root("systemctl start chat-server || true")
            assert drill.shows("ActiveState") != "active"
            drill.wait_until_healthy()

        with drill.diagnosed():
            assert f" {pid} " in drill.guide(PROCESSES).out
            assert f"process {pid}" in drill.logged("another chat-server")
        named = drill.named_by_doctor("instances", seen="chat-server.service did not start")

        with drill.cured():
            assert drill.guide("sudo systemctl restart chat-server", code=None).code, "the guide's remedy ends it, too"
            kill, *start = named["remedy"].splitlines()
            assert kill == f"sudo kill {pid}"
            end(drill, server, kill)
            for command in start:
                drill.ours(command)
            drill.wait_until_healthy()
            assert serving(drill) == int(drill.shows("MainPID"))


@pytest.mark.entry("4.1")
def test_sends_wait_while_an_outside_writer_holds_the_lock(drill: Drill) -> None:
    """For up to 30 s, prolonged here to 300: doctor looks at all there is meanwhile."""
    drill.configure("database", "busy_timeout_seconds", "300")
    drill.restart()
    with drill.talking() as talk:
        interruptions = talk.interruptions
        with drill.provoked("a sqlite3 shell with an open transaction"):
            a_shell_left_in(drill, "BEGIN IMMEDIATE;")
            promised = talk.acknowledged

        with drill.diagnosed():
            assert "sqlite3" in drill.ours(f"sudo fuser -v {DATABASE}").text
            assert "sqlite3" in drill.ours(f"sudo lsof {DATABASE}").out
        named = drill.named_by_doctor("write-lock", seen="sqlite3")

        assert talk.acknowledged <= promised + UNDER_WAY
        with drill.cured():
            drill.ours(named["remedy"])
            wait_for("what waited to be stored", lambda: talk.acknowledged > promised + 8)
    assert talk.interruptions == interruptions


@pytest.mark.entry("4.1")
def test_who_waited_for_too_long_is_told_and_sends_again(drill: Drill) -> None:
    """After 30 s, shortened here to 1 s."""
    ann, bob = strangers(drill)
    drill.configure("database", "busy_timeout_seconds", "1")
    drill.restart()
    with online(drill.host, ann) as anns:
        with drill.provoked("a sqlite3 shell with an open transaction"):
            a_shell_left_in(drill, "BEGIN IMMEDIATE;")
            message_id = anns.write(bob, "is anybody there?")
            assert anns.error(message_id)["code"] == "SERVER_ERROR"

        with drill.diagnosed():
            assert "database is locked" in drill.logged("database cannot be written")
        named = drill.named_by_doctor("write-lock", seen="sqlite3")

        with drill.cured():
            since = len(anns.frames)
            drill.ours(named["remedy"])
            wait_for("the end of the lock", lambda: not is_locked(drill))
            anns.write(bob, "is anybody there?", message_id)
            assert anns.ack(message_id, since=since)["seq"] == 1
            drill.wait_until_healthy()


def strangers(drill: Drill) -> tuple[Person, Person]:
    """Two who have nothing to do with the drill's own conversation."""
    ann, bob = (drill.client.sign_up(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("ann", "bob"))
    return ann, bob


@pytest.mark.entry("4.2")
def test_a_log_that_a_reader_keeps_long_is_folded_in_while_people_talk(drill: Drill) -> None:
    with drill.talking() as talk:
        interruptions = talk.interruptions
        with drill.provoked("a sqlite3 shell in the midst of reading"):
            a_shell_left_in(drill, "BEGIN; SELECT count(*) FROM messages;")
            promised = talk.acknowledged
            wait_for("more messages", lambda: talk.acknowledged > promised)

        with drill.diagnosed():
            listing = f"ls -lh {DATA}/*.db-wal"
            assert "chat.db-wal" in drill.guide_mended(listing, f"sudo ls -lh {DATA}").out
            assert drill.guide_mended(FOLDING, f"{AS_SERVICE} {FOLDING}").out.startswith("1|"), "nobody reads"
        named = drill.named_by_doctor("open-elsewhere", status="warning", seen="sqlite3")

        with drill.cured():
            drill.ours(named["remedy"])
            wait_for("the log in the database", lambda: is_folded(drill))
            promised = talk.acknowledged
            wait_for("more messages", lambda: talk.acknowledged > promised)
    assert talk.interruptions == interruptions


@pytest.mark.entry("4.3")
def test_after_a_crash_under_systemd_the_guides_rm_finds_nothing_to_remove(drill: Drill) -> None:
    with drill.talking():
        with drill.provoked("the service is killed"):
            pid = drill.shows("MainPID")
            drill.root(f"kill -9 {pid}")
            wait_for("another process", lambda: drill.shows("MainPID") not in {pid, "0"})
            drill.wait_until_healthy()

        with drill.cured():
            drill.guide("sudo systemctl stop chat-server")
            assert "No such file" in drill.guide(f"sudo rm {DATA}/*.db-shm", code=1).text
            assert "No such file" in drill.guide(f"sudo rm {DATA}/*.db-wal", code=1).text
            assert drill.root(LOG_FILES) == ""
            drill.guide("sudo systemctl start chat-server")
            drill.wait_until_healthy()


@pytest.mark.entry("4.3")
def test_a_log_that_a_killed_server_left_is_folded_in_and_to_remove_it_would_lose_messages(drill: Drill) -> None:
    with drill.provoked("a server that systemd does not watch over is killed"):
        server, pid = started_by_hand(drill)
        before = drill.talk.acknowledged
        drill.talk.exchange(5)
        end(drill, server, f"sudo kill -9 {pid}")

    with drill.diagnosed():
        shown = f"sudo find {DATA} -type f -printf '%TY-%Tm-%Td %TH:%TM %10s %f\\n'"
        assert "chat.db-wal\n" in drill.ours(shown).out
        drill.afterwards(f"rm -rf {COPY}")
        drill.root(f"cp --archive {DATA} {COPY}; cp --archive {DATA} {COPY}/without; rm {COPY}/without/*.db-shm")
        drill.root(f"rm {COPY}/without/*.db-wal")
        kept, left = (
            int(query(drill, f"{folder}/chat.db", "SELECT count(*) FROM messages"))
            for folder in (COPY, f"{COPY}/without")
        )
        assert kept - left == drill.talk.acknowledged - before
    named = drill.named_by_doctor("log", status="warning", seen="remove nothing")

    with drill.cured():
        checkpoint, start = named["remedy"].splitlines()
        assert checkpoint == "sudo chat-server checkpoint"
        drill.ours(checkpoint)
        assert drill.root(LOG_FILES) == ""
        assert int(query(drill, DATABASE, "SELECT count(*) FROM messages")) == kept
        drill.ours(start)
        drill.wait_until_healthy()


@pytest.mark.entry("4.4", "4.3")
def test_a_backup_that_was_copied_beside_a_stale_log_is_not_spoilt_by_it(drill: Drill) -> None:
    with drill.provoked("a server that systemd does not watch over is killed, and a backup copied over its database"):
        server, pid = started_by_hand(drill)
        drill.talk.exchange(5)
        drill.root(f"{EXECUTABLE} backup")
        end(drill, server, f"sudo kill -9 {pid}")
        drill.guide(f"sudo cp {BACKUPS}/latest.db {DATABASE}")
        drill.guide(f"sudo chown chat-server:chat-server {DATABASE}")
        drill.root(f"[ -s {DATABASE}-wal ]; systemctl start chat-server || true")

    with drill.diagnosed():
        assert DATABASE in drill.logged("while the log of another database lay beside it")
        drill.wait_until_healthy()  # the log was moved aside when the first start had failed
    named = drill.named_by_doctor("set-aside", status="warning", seen="unfolded")

    with drill.cured():
        assert drill.ours(f"{AS_SERVICE} {INTEGRITY}").out == "ok\n"
        for command in named["remedy"].splitlines():
            drill.ours(command)
        assert [check["status"] for check in drill.doctor()["checks"] if check["id"] == "set-aside"] == ["ok"]


@pytest.mark.entry("4.4")
def test_a_damaged_database_is_replaced_by_the_newest_backup(drill: Drill) -> None:
    with drill.provoked("the page that all messages are found by is overwritten"):
        drill.root(f"{EXECUTABLE} backup; systemctl stop chat-server")
        damage(drill, int(query(drill, DATABASE, 'SELECT rootpage FROM sqlite_schema WHERE name = "messages"')))
        drill.root("systemctl start chat-server || true")

    with drill.diagnosed():
        drill.talk.people[0].person.client.get("/conversations")
        assert drill.logged("malformed")
        said = drill.guide_mended(INTEGRITY, f"{AS_SERVICE} {INTEGRITY}", code=None)
        assert said.out != "ok\n"
    named = drill.named_by_doctor("integrity", seen="damaged")
    assert "chat-server restore" in named["remedy"]

    with drill.cured():
        drill.guide("sudo systemctl stop chat-server")
        drill.guide(f"sudo cp {DATABASE} {DATABASE}.corrupted")
        assert drill.root(LOG_FILES) == "", "SQLite would replay it into the backup"
        drill.guide(f"sudo cp {BACKUPS}/latest.db {DATABASE}")
        drill.guide(f"sudo chown chat-server:chat-server {DATABASE}")
        drill.guide("sudo systemctl start chat-server")
        drill.wait_until_healthy()
        assert drill.ours(f"{AS_SERVICE} {INTEGRITY}").out == "ok\n"


@pytest.mark.entry("4.5")
def test_without_a_backup_the_readable_rows_come_back_in_a_fresh_file(drill: Drill) -> None:
    """A few messages of others, who are not asked at the end, are on the page that is damaged."""
    with drill.provoked("a page of messages is overwritten, and there is no backup"):
        marker = fill_pages(drill)
        drill.root(f"systemctl stop chat-server; rm -rf {BACKUPS}/*")
        users, messages = (count(drill, DATABASE, table) for table in ("users", "messages"))
        damage(drill, 1 + int(drill.root(f"grep -abo {marker} {DATABASE} | head -1").partition(":")[0]) // PAGE)

    with drill.diagnosed():
        said = drill.guide_mended(INTEGRITY, f"{AS_SERVICE} {INTEGRITY}", code=None)
        assert said.out != "ok\n"
    named = drill.named_by_doctor("integrity", seen="damaged")
    assert named["chapter"].startswith("4.5 ")

    with drill.cured():
        drill.guide(f"sudo cp {DATABASE} {DATABASE}.corrupted")
        pipe_into_the_damaged_file(drill)
        for command in rescue(drill):
            drill.ours(command)
        rescued = f"{DATA}/rescued.db"
        assert query(drill, rescued, "PRAGMA integrity_check") == "ok"
        assert count(drill, rescued, "users") == users
        assert messages - 8 <= count(drill, rescued, "messages") < messages
        drill.ours(f"sudo chat-server restore {rescued} --yes")
        drill.ours(f"{AS_SERVICE} rm {rescued}")
        drill.ours("sudo systemctl start chat-server")
        drill.wait_until_healthy()


def fill_pages(drill: Drill) -> str:
    """Two others write some pages full of messages; gives a word that stands in one of those in the middle."""
    ann, bob = strangers(drill)
    marker = uuid.uuid4().hex
    with online(drill.host, ann) as anns:
        sent = [anns.write(bob, f"{marker if number == 20 else number} {'x' * 900}") for number in range(40)]
        for message_id in sent:
            anns.ack(message_id)
    return marker


def count(drill: Drill, file: str, table: str) -> int:
    return int(query(drill, file, f"SELECT count(*) FROM {table}"))


def pipe_into_the_damaged_file(drill: Drill) -> None:
    """What the guide has: nothing for a plain user; for root, on a copy, a database that is damaged as before."""
    assert "unable to open" in drill.guide(RECOVERY, code=None).text
    drill.afterwards(f"rm -rf {COPY}")
    drill.root(f"cp --archive {DATA} {COPY}; {RECOVERY.replace(DATA, COPY)} || true")
    assert query(drill, f"{COPY}/chat.db", "PRAGMA integrity_check") != "ok"


def rescue(drill: Drill) -> list[str]:
    """What docs/troubleshooting.md has for this release of Debian."""
    begin = f"{AS_SERVICE} sh -c 'umask 077 && cd {DATA} && "
    if drill.shell.suite != "bookworm":
        return [begin + "sqlite3 chat.db .recover | sqlite3 rescued.db'"]
    kept = " && ".join(
        f'sqlite3 rescued.db "PRAGMA {name} = $(sqlite3 chat.db "PRAGMA {name}")"'
        for name in ("application_id", "user_version")
    )
    return [begin + f'sqlite3 chat.db .dump | sed "s/^ROLLBACK;.*/COMMIT;/" | sqlite3 rescued.db && {kept}\'']
