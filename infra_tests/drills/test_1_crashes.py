"""Chapter 1, second half: the service stops again and again."""

from __future__ import annotations

import uuid

import pytest

from infra_tests.drills.disposable import overwrite, wait_for
from infra_tests.drills.drill import EXECUTABLE, Drill
from tests.device import online

DATA = "/var/lib/chat-server"
BACKUPS = "/var/backups/chat-server"
OLD_BACKUP = f"{BACKUPS}/chat-20250101-024500.db"
GUIDES_DELETION = "sudo find /var/backups/chat-server -mtime +30 -delete"
OUR_DELETION = f"sudo find {BACKUPS} -name 'chat-2*.db*' -mtime +30 ! -samefile {BACKUPS}/latest.db -delete"
CONTENT = "x" * 4000

DROP_INS = "/etc/systemd/system/chat-server.service.d"

SMALL_DISK = "/mnt/drill-disk"
# The hourly doctor would keep it from being unmounted.
ONTO_A_SMALL_DISK = f"""
set -e
systemctl stop chat-server chat-server-doctor.timer chat-server-doctor.service
mkdir -p {SMALL_DISK}
mount -t tmpfs -o size=$(($(du -cm {DATA} {BACKUPS} | tail -1 | cut -f1) + 24))m tmpfs {SMALL_DISK}
mountpoint --quiet {SMALL_DISK}
cp --archive {DATA} {SMALL_DISK}/data
cp --archive {BACKUPS} {SMALL_DISK}/backups
mount --bind {SMALL_DISK}/data {DATA}
mount --bind {SMALL_DISK}/backups {BACKUPS}
systemctl start chat-server
"""
OFF_THE_SMALL_DISK = f"""
rm -f {OLD_BACKUP}
systemctl stop chat-server
umount {DATA} {BACKUPS}
cp --archive {SMALL_DISK}/data/chat.db* {DATA}
umount {SMALL_DISK}
rmdir {SMALL_DISK}
systemctl reset-failed chat-server
systemctl start chat-server chat-server-doctor.timer
"""
FILL_BY_AN_OLD_BACKUP = f"""
mountpoint --quiet {BACKUPS} || exit 1
dd if=/dev/zero of={OLD_BACKUP} bs=64k status=none
touch --date='60 days ago' {OLD_BACKUP}
"""


def look(drill: Drill) -> str:
    """Types the guide's diagnosis of whatever stops a server again and again; gives what the journal has."""
    assert "Mem:" in drill.guide("free -h").out
    drill.guide("ps aux | grep chat-server")
    assert "%" in drill.guide("df -h /var/lib/chat-server").out
    return drill.guide("sudo journalctl -u chat-server -n 100").out


def limit_memory(drill: Drill, address_space: str) -> None:
    """Nothing else takes memory from a service in every container: MemoryMax has no effect in some."""
    drill.root(f"mkdir -p {DROP_INS}; printf '[Service]\\nLimitAS={address_space}\\n' >{DROP_INS}/memory.conf")
    drill.root("systemctl daemon-reload; systemctl restart chat-server || true")


def lift_the_limit(drill: Drill) -> None:
    """As docs/troubleshooting.md has it."""
    drill.ours(f"printf '[Service]\\nLimitAS=infinity\\n' | sudo tee {DROP_INS}/zz-memory.conf")
    drill.ours("sudo systemctl daemon-reload")
    drill.ours("sudo systemctl reset-failed chat-server")
    drill.ours("sudo systemctl restart chat-server")
    drill.wait_until_healthy()


@pytest.mark.entry("1.5")
def test_a_server_without_memory_for_its_threads_says_so_each_time_it_starts(drill: Drill) -> None:
    with drill.provoked("an address space of 80 MiB"):
        limit_memory(drill, "80M")
        wait_for("restarts", lambda: int(drill.shows("NRestarts")) >= 2)

    with drill.diagnosed():
        assert "out of memory" in look(drill)
        assert "thread" in drill.logged("cannot start")
    drill.named_by_doctor("memory", seen="out of memory")
    drill.named_by_doctor("service", seen="out of memory")

    with drill.cured():
        make_swap(drill)
        lift_the_limit(drill)


def make_swap(drill: Drill) -> None:
    """By the guide. A container may prepare swap, and not use it."""
    assert drill.root("cat /proc/swaps; ls /swapfile 2>/dev/null || true").count("\n") == 1, "there is swap already"
    drill.afterwards("swapoff /swapfile 2>/dev/null; rm -f /swapfile")
    drill.guide("sudo fallocate -l 4G /swapfile")
    drill.guide("sudo chmod 600 /swapfile")
    drill.guide("sudo mkswap /swapfile")
    used = drill.guide("sudo swapon /swapfile", code=None)
    if drill.root("systemd-detect-virt --container || true").strip() == "none":
        assert used.code == 0, used.text
        assert "/swapfile" in drill.root("cat /proc/swaps")


@pytest.mark.entry("1.5")
def test_a_login_that_memory_lacks_for_is_in_the_log_while_people_talk_on(drill: Drill) -> None:
    with drill.provoked("an address space of 150 MiB, in which no password is hashed"):
        limit_memory(drill, "150M")  # it takes 120, and a hash 64 more
        drill.wait_until_healthy()
        refused = drill.client.log_in(drill.talk.people[0].person.username)
        assert (refused.status, refused.error) == (500, "SERVER_ERROR")
        drill.talk.exchange(5)

    with drill.diagnosed():
        assert "MemoryError" in look(drill)
    drill.named_by_doctor("memory", seen="MemoryError")

    with drill.cured():
        lift_the_limit(drill)
        assert drill.client.log_in(drill.talk.people[0].person.username).status == 200


@pytest.mark.entry("1.6")
def test_a_disk_that_fills_up_while_people_send_refuses_what_it_can_not_keep(drill: Drill) -> None:
    drill.afterwards(OFF_THE_SMALL_DISK)
    drill.root(ONTO_A_SMALL_DISK)
    ann, bob = (drill.client.sign_up(f"{name}_{uuid.uuid4().hex[:8]}") for name in ("ann", "bob"))
    with online(drill.host, ann) as anns, online(drill.host, bob) as bobs:

        def sent(message_id: str) -> bool:
            since = len(anns.frames)
            anns.write(bob, CONTENT, message_id)
            return bool(anns.answer(message_id, since=since)["type"] == "ack")

        kept: list[str] = []
        with drill.provoked("old backups fill the disk of the database while people send"):
            kept.append(str(uuid.uuid4()))
            assert sent(kept[0])
            drill.root(FILL_BY_AN_OLD_BACKUP)
            while sent(message_id := str(uuid.uuid4())):
                kept.append(message_id)
            wait_for("the health check to fail", lambda: not drill.host.healthy())

        with drill.diagnosed():
            assert "database cannot be written" in look(drill)
            assert "100%" in drill.guide("df -h /var/lib/chat-server").out
            assert "full" in drill.logged("database cannot be written")
        drill.named_by_doctor("disk", seen="100 % used")

        with drill.cured():
            newest = drill.root(f"cksum <{BACKUPS}/latest.db")
            drill.guide("sudo journalctl --vacuum-time=7d")
            drill.guide(GUIDES_DELETION)
            drill.guide_mended("du -sh /var/lib/chat-server/", "sudo du -sh /var/lib/chat-server/")
            drill.wait_until_healthy()
            assert drill.root(f"cksum <{BACKUPS}/latest.db") == newest
            assert sent(message_id)
            assert drill.shows("NRestarts") == "0"
        bobs.wait_for_messages(len(kept) + 1)
        assert [frame["id"] for frame in bobs.of("message")] == [*kept, message_id]


@pytest.mark.entry("1.6")
def test_a_start_on_a_full_disk_waits_for_the_admin_to_make_room(drill: Drill) -> None:
    drill.afterwards(OFF_THE_SMALL_DISK)
    drill.root(ONTO_A_SMALL_DISK)
    with drill.provoked("the service is started while its disk is full"):
        drill.root(f"systemctl stop chat-server; {FILL_BY_AN_OLD_BACKUP}")
        drill.root("systemctl start --no-block chat-server")
        assert DATA in drill.logged("disk is full, waiting for room")

    drill.named_by_doctor("disk", seen="100 % used")

    with drill.cured():
        drill.guide(GUIDES_DELETION)
        drill.wait_until_healthy()


@pytest.mark.entry("1.6")
def test_where_no_backup_is_young_the_newest_is_spared(drill: Drill) -> None:
    with drill.provoked("backups have failed for a month"):
        drill.root(f"{EXECUTABLE} backup; cp {BACKUPS}/latest.db {OLD_BACKUP}")
        drill.root(f"touch --date='60 days ago' {OLD_BACKUP}; touch --date='40 days ago' {BACKUPS}/chat-2*.db")
        doomed = drill.root(GUIDES_DELETION.removesuffix(" -delete"))
        assert f"{BACKUPS}/latest.db\n" in doomed, "the guide's line spares it"
    drill.named_by_doctor("backup-age", seen="960 hours old")

    with drill.cured():
        drill.ours(OUR_DELETION)
        assert "latest.db" in drill.root(f"ls {BACKUPS}")
        assert OLD_BACKUP not in drill.root(f"ls {BACKUPS}/*")


@pytest.mark.entry("1.7")
def test_a_server_whose_database_is_ruined_starts_with_the_newest_backup(drill: Drill) -> None:
    check = 'sqlite3 /var/lib/chat-server/chat.db "PRAGMA integrity_check;"'
    with drill.provoked("the first page of chat.db is overwritten"):
        drill.root(f"{EXECUTABLE} backup; systemctl stop chat-server")
        drill.root(overwrite(f"{DATA}/chat.db", page=0))
        drill.root("systemctl start chat-server || true")
        assert drill.shows("ActiveState") != "active"

    with drill.diagnosed():
        assert "not a database" in drill.logged("cannot start")
        assert "restore a backup" in look(drill)
        drill.guide("sudo systemctl stop chat-server")
        assert "not a database" in drill.guide_mended(check, f"sudo -u chat-server {check}", code=None).text
    drill.named_by_doctor("integrity", seen="damaged")

    with drill.cured():
        drill.guide("sudo cp /var/backups/chat-server/latest.db /var/lib/chat-server/chat.db")
        drill.guide("sudo chown chat-server:chat-server /var/lib/chat-server/chat.db")
        drill.guide("sudo systemctl start chat-server")
        drill.wait_until_healthy()
        assert drill.ours(f"sudo -u chat-server {check}").out == "ok\n"
