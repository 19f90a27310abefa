"""Removing keeps what can't be got again; purging takes the configuration, and the data only from who said so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rig.host import Host
from rig.trees import SUITES
from system_tests.packages.conftest import Installed, Packages, connect
from system_tests.packages.service import BACKUPS, CONFIG, DATABASE, EXECUTABLE, PORT, Service

PURGE_DATA = "chat-server chat-server/purge-data boolean {answer}"


@dataclass(frozen=True)
class Admin:
    """What an admin does with the package, without a terminal to be asked on."""

    host: Host

    def apt(self, words: str) -> str:
        """`apt-get --yes WORDS chat-server`; gives what was printed."""
        return self.host.run(f"DEBIAN_FRONTEND=noninteractive apt-get --yes {words} chat-server 2>&1").out

    def says_that_data_is_to_go(self, answer: str) -> None:
        self.host.run("debconf-set-selections", input=PURGE_DATA.format(answer=answer))

    def has(self, path: str) -> bool:
        return self.host.run(f"test -e {path}", check=False).code == 0

    def reads(self, path: str) -> str:
        return self.host.run(f"cat {path}").out


@pytest.fixture(params=SUITES)
def admin(
    request: pytest.FixtureRequest, installed: Installed, packages: Packages, signing_key: Path, tmp_path: Path
) -> Iterator[Admin]:
    """On a host of their own, where the service runs, with one user, ann, and a backup, and doctor has looked."""
    with Host.boot(request.param, installed[request.param]) as host:
        connect(host, tmp_path, packages, signing_key)
        Service(host).client().sign_up("ann")
        host.run("chat-server backup")
        host.run("systemctl start chat-server-doctor && systemctl start chat-server-alert")
        yield Admin(host)


def can_log_in(admin: Admin) -> bool:
    return Service(admin.host).client().log_in("ann").status == 200


def test_removing_keeps_configuration_data_and_backups(admin: Admin) -> None:
    config = admin.reads(CONFIG)
    admin.apt("remove")
    assert not admin.has(EXECUTABLE)
    assert not admin.has("/opt/chat-server/lib")
    assert admin.reads(CONFIG) == config
    assert admin.has(DATABASE)
    assert admin.has(f"{BACKUPS}/latest.db")


def test_removing_stops_the_service_and_leaves_the_database_whole(admin: Admin) -> None:
    admin.apt("remove")
    assert admin.host.run("pgrep chat-server", check=False).out == ""
    assert admin.host.run(f"ss -Hltn sport = :{PORT}").out == ""
    assert not admin.has(f"{DATABASE}-wal")
    assert admin.host.run("systemctl list-unit-files --no-legend 'chat-server*'", check=False).out == ""


def test_installed_again_it_goes_on_where_it_was(admin: Admin) -> None:
    config = admin.reads(CONFIG)
    admin.apt("remove")
    admin.apt("install")
    assert admin.reads(CONFIG) == config
    assert can_log_in(admin)


def test_purging_takes_the_configuration_and_says_where_the_data_is(admin: Admin) -> None:
    said = admin.apt("purge")
    assert not admin.has("/opt/chat-server")
    assert not admin.has("/usr/share/chat-server")
    assert admin.has(DATABASE)
    assert admin.has(f"{BACKUPS}/latest.db")
    assert "kept, as purging asks before it deletes data: /var/lib/chat-server" in said
    assert f"kept, as purging asks before it deletes data: {BACKUPS}" in said


def test_purging_after_removing_does_the_same(admin: Admin) -> None:
    admin.apt("remove")
    admin.apt("purge")
    assert not admin.has("/opt/chat-server")
    assert admin.has(DATABASE)


def test_installed_after_a_purge_it_finds_its_data_and_makes_a_new_secret(admin: Admin) -> None:
    config = admin.reads(CONFIG)
    admin.apt("purge")
    admin.apt("install")
    assert admin.reads(CONFIG) != config
    assert can_log_in(admin)


def test_purging_deletes_the_data_of_an_admin_who_said_so(admin: Admin) -> None:
    admin.says_that_data_is_to_go("true")
    said = admin.apt("purge")
    assert not admin.has("/var/lib/chat-server")
    assert not admin.has(BACKUPS)
    assert "kept" not in said


def test_installed_after_all_is_gone_it_begins_anew(admin: Admin) -> None:
    admin.says_that_data_is_to_go("true")
    admin.apt("purge")
    admin.apt("install")
    assert not can_log_in(admin)
    assert Service(admin.host).client().sign_up("ann").username == "ann"


def test_nothing_of_the_package_is_left_after_all_was_purged(admin: Admin) -> None:
    admin.says_that_data_is_to_go("true")
    admin.apt("purge")
    left = "find / -xdev -name '*chat-server*' ! -path '/proc/*' ! -path '/var/log/*' ! -path '/var/cache/*'"
    expected = {"/etc/apt/keyrings/chat-server-archive.asc", "/etc/apt/sources.list.d/chat-server.sources"}
    assert set(admin.host.run(left).out.split()) == expected
