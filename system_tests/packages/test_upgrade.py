"""`apt-get upgrade` on a server that is in use: nothing is lost, the old state stays within reach, and no way down."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.host import Host
from system_tests.packages.archive import Archive
from system_tests.packages.building import NEXT_VERSION, VERSION
from system_tests.packages.conftest import Packages, Report
from system_tests.packages.conversation import conversation, history
from system_tests.packages.service import BACKUPS, CONFIG, Service
from tests.client import Person
from tests.device import online

PROBE_SECONDS = 0.01
PAUSE_SECONDS = 0.02
"""Between what the two say: some hundred messages a second, so that the machine has something left for the upgrade."""


def installed_version(host: Host) -> str:
    return host.run("dpkg-query --show --showformat '${Version}' chat-server").out


def debian_version(host: Host, version: str) -> str:
    return f"{version}+deb{ {'bookworm': 12, 'trixie': 13}[host.suite] }"


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade under load left behind."""

    said: str
    """What apt-get printed."""
    seconds: float
    """How long apt-get took."""
    acknowledged_before: int
    interruptions: int
    config_before: str
    backup: str
    """The file on the host."""
    user: Person
    """One of the two who talked all the time."""
    messages: int


@pytest.fixture(scope="module")
def upgrade(service: Service, repository: Archive, packages: Packages, signing_key: Path) -> Upgrade:
    """The host has been upgraded by its admin, whose configuration is not the default, while two people talked."""
    host = service.host
    service.configure("rate_limit", "enabled", "false")
    service.configure("auth", "registration", '"open"  # for friends of friends')
    service.systemctl("restart")
    config_before = host.run(f"cat {CONFIG}").out
    repository.publish({host.suite: [packages[host.suite, NEXT_VERSION]]}, key_home=signing_key)

    with conversation(service.client(), "ann", "bob", pause_seconds=PAUSE_SECONDS) as talk:
        acknowledged_before = talk.acknowledged
        began = time.monotonic()
        said = host.run("sudo apt-get update && sudo apt-get --yes upgrade 2>&1", user="deploy").out
        seconds = time.monotonic() - began
        # The two are to find the new version, and to say something to it.
        after = talk.acknowledged
        while talk.acknowledged < after + 100 and not talk.failure:
            time.sleep(0.05)
    user = talk.people[0].person
    messages = len(history(user))
    [backup] = set(re.findall(rf"{BACKUPS}/chat-\S+\.db", said))
    return Upgrade(said, seconds, acknowledged_before, talk.interruptions, config_before, backup, user, messages)


def test_an_upgrade_under_load_loses_nothing(service: Service, upgrade: Upgrade, report: Report) -> None:
    """That each message came once and in order was checked at the end of the conversation."""
    assert installed_version(service.host) == debian_version(service.host, NEXT_VERSION)
    assert upgrade.interruptions >= 2, "the server was never away"
    assert upgrade.messages > upgrade.acknowledged_before > 0
    report(
        f"{service.host.suite}: {upgrade.messages} messages, {upgrade.acknowledged_before} of them before an upgrade "
        f"of {upgrade.seconds:.0f} s; connected anew {upgrade.interruptions} times; none lost, none doubled"
    )


def test_the_new_version_runs_after_it(service: Service, upgrade: Upgrade) -> None:
    running = service.host.run(f"readlink /proc/{service.main_pid}/exe").out.strip()
    assert running == "/opt/chat-server/chat-server"
    assert service.shows("ActiveState") == "active"
    assert service.client().get("/status").json["version"] == NEXT_VERSION


def test_doctor_goes_on_looking_after_it(service: Service, upgrade: Upgrade) -> None:
    """Its timer rests meanwhile."""
    assert service.host.run("systemctl is-active chat-server-doctor.timer").out == "active\n"


def test_the_admins_configuration_is_kept(service: Service, upgrade: Upgrade) -> None:
    assert service.host.run(f"cat {CONFIG}").out == upgrade.config_before
    assert service.host.run(f"stat --format '%a %U:%G' {CONFIG}").out == "640 root:chat-server\n"


def test_whoever_was_signed_in_still_is(service: Service, upgrade: Upgrade) -> None:
    assert upgrade.user.client.get("/user/me").json["username"] == "ann"


def test_the_database_was_backed_up_before(service: Service, upgrade: Upgrade) -> None:
    assert "backing the database up before the upgrade" in upgrade.said
    count = (
        "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM messages').fetchone())"
    )
    in_it = int(service.host.run("python3", "-c", count, upgrade.backup).out)
    assert upgrade.acknowledged_before <= in_it < upgrade.messages


def test_an_older_version_is_refused_with_words(service: Service, upgrade: Upgrade) -> None:
    host = service.host
    older = debian_version(host, VERSION)
    before = service.main_pid
    done = host.run(f"apt-get install --yes --allow-downgrades chat-server={older} 2>&1", check=False)
    assert done.code != 0
    assert f"{debian_version(host, NEXT_VERSION)} is installed and {older} is older" in done.out
    assert "chat-server restore" in done.out
    assert installed_version(host) == debian_version(host, NEXT_VERSION)
    assert host.run("dpkg --audit").out == ""
    assert (service.main_pid, service.shows("ActiveState")) == (before, "active")


def test_the_words_lead_back_to_the_older_version(service: Service, upgrade: Upgrade) -> None:
    """What the refusal tells the admin to type, typed; afterwards the next upgrade works again."""
    host = service.host
    older = debian_version(host, VERSION)
    said = host.run(f"apt-get install --yes --allow-downgrades chat-server={older} 2>&1", check=False).out
    steps = [line.strip() for line in said.splitlines() if line.startswith("    sudo ")]
    assert len(steps) == 5
    script = "\n".join(steps).replace(f"{BACKUPS}/chat-YYYYmmdd-HHMMSS.db", f"--yes {upgrade.backup}")
    host.run(f"set -e\n{script.replace('apt-get', 'apt-get --yes')}", user="deploy")
    assert installed_version(host) == older
    assert service.client().get("/status").json["version"] == VERSION
    assert upgrade.acknowledged_before <= len(history(upgrade.user)) < upgrade.messages
    in_use = {"chat.db", "chat.db-wal", "chat.db-shm"}
    assert set(host.run("ls /var/lib/chat-server").out.split()) - in_use, "what the restore replaced is gone"

    host.run("apt-get --yes upgrade")
    assert service.client().get("/status").json["version"] == NEXT_VERSION
    assert upgrade.user.client.get("/user/me").status == 200


def test_without_room_for_a_backup_there_is_no_upgrade(service: Service, upgrade: Upgrade) -> None:
    """A backup that fails stops the upgrade, in words; the admin may insist."""
    host = service.host
    host.run(f"mount -t tmpfs -o size=64k tmpfs {BACKUPS}")
    host.run(f"chown chat-server: {BACKUPS} && chmod 700 {BACKUPS}")
    try:
        done = host.run("apt-get install --yes --reinstall chat-server 2>&1", check=False)
        assert done.code != 0
        assert "the backup failed, so the upgrade was stopped, and nothing was changed" in done.out
        assert service.client().get("/status").json["version"] == NEXT_VERSION
        host.run("CHAT_SERVER_UPGRADE_WITHOUT_BACKUP=1 apt-get install --yes --reinstall chat-server")
    finally:
        host.run(f"umount {BACKUPS}")
    assert service.shows("ActiveState") == "active"
    assert host.run("dpkg --audit").out == ""


def test_a_configuration_that_became_wrong_does_not_take_the_service_down(service: Service, upgrade: Upgrade) -> None:
    host = service.host
    before = service.main_pid
    host.run(f"cp --archive {CONFIG} /var/tmp/config.toml && echo 'oops = 1' >>{CONFIG}")
    try:
        said = host.run("CHAT_SERVER_UPGRADE_WITHOUT_BACKUP=1 apt-get install --yes --reinstall chat-server 2>&1").out
    finally:
        host.run(f"cp --archive /var/tmp/config.toml {CONFIG}")
    assert "oops" in said
    assert "the old one still runs" in said
    assert (service.main_pid, service.shows("ActiveState")) == (before, "active")
    service.systemctl("restart")


class Visitors:
    """Somebody who connects and asks for /health, again and again, and counts who was refused."""

    def __init__(self, service: Service) -> None:
        self.served = 0
        self.refused = 0
        self._client = service.client()
        self._over = threading.Event()

    def come(self) -> None:
        while not self._over.wait(PROBE_SECONDS):
            try:
                self._client.get("/health").succeeded()
                self.served += 1
            except OSError:
                self.refused += 1

    def stop(self) -> None:
        self._over.set()


@contextmanager
def visitors(service: Service) -> Iterator[Visitors]:
    coming = Visitors(service)
    thread = threading.Thread(target=coming.come)
    thread.start()
    try:
        yield coming
    finally:
        coming.stop()
        thread.join()


def test_with_the_socket_unit_a_restart_refuses_nobody(service: Service) -> None:
    host = service.host
    with visitors(service) as without:
        service.systemctl("restart")
    assert without.refused, "then the socket unit is of no use"

    host.run("systemctl stop chat-server && systemctl enable --now chat-server.socket && systemctl start chat-server")
    try:
        with visitors(service) as coming:
            for _ in range(3):
                service.systemctl("restart")
        assert coming.served > 0
        assert coming.refused == 0
        ann = service.client().log_in("ann")
        assert ann.status in {200, 401}  # there is an ann if the upgrade's tests ran before
    finally:
        host.run("systemctl disable --now chat-server.socket && systemctl restart chat-server")


def test_open_sockets_are_told_of_a_restart(service: Service) -> None:
    """Clients see 1001 and connect again, rather than wait for a server that is gone."""
    person = service.client().sign_up("carol")
    with online(service, person) as device:
        service.systemctl("restart")
        code, _ = device.wait_closed()
    assert code == 1001
    assert re.search(r"\bstop", service.log())
