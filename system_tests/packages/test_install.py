"""A fresh host after `apt-get install chat-server`: what runs, who owns what, and the guide's commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rig.host import Host
from system_tests.packages.building import VERSION
from system_tests.packages.conftest import Installed, Packages, install_as_documented, serve
from system_tests.packages.documents import DOCS
from system_tests.packages.service import BACKUPS, CONFIG, DATABASE, EXECUTABLE, Service
from tests.device import online

CRON = "/etc/cron.d/chat-server"
SECRET = re.compile(r'^jwt_secret = "(.*)"$', re.MULTILINE)


def secret_in(config: str) -> str:
    [found] = SECRET.findall(config)
    return str(found)


def secret(host: Host) -> str:
    return secret_in(host.run(f"cat {CONFIG}").out)


@pytest.fixture(scope="module")
def service(
    debian_host: Host, packages: Packages, signing_key: Path, tmp_path_factory: pytest.TempPathFactory
) -> Service:
    """The service from the moment of its installation, as docs/apt-repository.md tells an admin to, on a bare host."""
    install_as_documented(debian_host, serve(debian_host, tmp_path_factory.mktemp("served"), packages, signing_key))
    return Service(debian_host)


# It runs.


def test_it_runs_from_the_moment_it_is_installed(service: Service) -> None:
    assert service.shows("ActiveState") == "active"
    assert service.shows("Type") == "notify"
    assert service.shows("User") == "chat-server"
    assert service.shows("NRestarts") == "0"
    assert service.client().get("/health").json["status"] == "healthy"


def test_it_starts_with_the_host(service: Service) -> None:
    assert service.host.run("systemctl is-enabled chat-server").out.strip() == "enabled"
    assert service.host.run("systemctl is-enabled chat-server.socket", check=False).out.strip() == "disabled"


def test_two_people_sign_up_and_talk(service: Service) -> None:
    ann, bob = (service.client().sign_up(name) for name in ("Ann", "Bob"))
    with online(service, ann) as anns, online(service, bob) as bobs:
        acknowledged = anns.say(bob, "It came with apt.")
        [message] = bobs.wait_for_messages(1)
    assert acknowledged["status"] == "sent"
    assert (message["content"], message["senderUsername"]) == ("It came with apt.", "Ann")


def test_its_log_is_in_the_journal(service: Service) -> None:
    service.client().log_in("Nobody")
    service.host.wait_until_logged("failed login", "-u chat-server")


def test_nothing_on_the_host_is_broken_by_it(service: Service) -> None:
    assert service.host.run("dpkg --audit").out == ""
    assert service.host.run("systemctl list-units --failed --no-legend --plain").out == ""
    assert service.host.run("systemd-analyze verify --man=no chat-server.service chat-server.socket 2>&1").out == ""


# Paths, owners and modes.

SERVICE_USER = "chat-server:chat-server"
PATHS = {
    "/opt/chat-server": (755, "root:root"),
    EXECUTABLE: (755, "root:root"),
    CONFIG: (640, "root:chat-server"),
    "/opt/chat-server/lib": (755, "root:root"),
    "/var/lib/chat-server": (700, SERVICE_USER),
    DATABASE: (600, SERVICE_USER),
    f"{DATABASE}-wal": (600, SERVICE_USER),
    f"{DATABASE}-shm": (600, SERVICE_USER),
    BACKUPS: (700, SERVICE_USER),
}


@pytest.mark.parametrize("path", PATHS)
def test_each_path_has_its_owner_and_mode(service: Service, path: str) -> None:
    mode, owner = PATHS[path]
    assert service.host.run(f"stat --format '%a %U:%G' {path}").out.strip() == f"{mode} {owner}"


def test_the_service_can_change_nothing_of_the_program(service: Service) -> None:
    foreign = service.host.run("find /opt/chat-server ! -user root -o -perm /022 ! -type l").out
    assert foreign == ""


def test_only_root_and_the_service_can_read_the_secret(service: Service) -> None:
    assert service.host.run(f"cat {CONFIG}", user="deploy", check=False).code != 0
    assert service.host.run(f"runuser -u chat-server -- test -r {CONFIG}").code == 0
    assert service.host.run(f"runuser -u chat-server -- test -w {CONFIG}", check=False).code != 0


def test_its_user_can_not_log_in(service: Service) -> None:
    name, _, uid, _, _, home, shell = service.host.run("getent passwd chat-server").out.strip().split(":")
    assert (name, home, shell) == ("chat-server", "/var/lib/chat-server", "/usr/sbin/nologin")
    assert 100 <= int(uid) < 1000


# The secret.


def test_two_hosts_have_two_secrets(service: Service, installed: Installed) -> None:
    """The same package, on another host that was the same."""
    others = secret_in((installed[service.host.suite] / CONFIG.removeprefix("/")).read_text())
    assert len(others) >= 40
    assert len(secret(service.host)) >= 40
    assert secret(service.host) != others


def test_the_secret_is_nowhere_else_on_the_host(service: Service) -> None:
    search = "grep --recursive --files-with-matches --fixed-strings --file=- /etc /opt /usr/share /var"
    found = service.host.run(search, input=secret(service.host)).out
    assert found.split() == [CONFIG]
    assert secret(service.host) not in service.host.run("journalctl --no-pager").out


# The guide's commands, as it has them.


def test_the_executable_says_its_version(service: Service) -> None:
    assert service.host.run(f"{EXECUTABLE} --version").out == f"chat-server {VERSION}\n"


def test_ldd_finds_every_library_of_the_executable(service: Service) -> None:
    libraries = service.host.run(f"ldd {EXECUTABLE}").out
    assert "libpython3" in libraries
    assert "not found" not in libraries


@pytest.fixture
def no_timer(service: Service) -> Iterator[None]:
    """The hourly doctor, while it runs, has the same name."""
    service.host.run("systemctl stop chat-server-doctor.timer chat-server-doctor.service")
    yield
    service.host.run("systemctl start chat-server-doctor.timer")


@pytest.mark.usefixtures("no_timer")
def test_pgrep_finds_exactly_the_service(service: Service) -> None:
    assert service.host.run("pgrep chat-server").out.split() == [str(service.main_pid)]


def test_ps_shows_the_service_under_its_name_and_user(service: Service) -> None:
    processes = service.host.run("ps aux | grep chat-server | grep -v grep").out.splitlines()
    [own] = [line.split(maxsplit=10) for line in processes if line.split()[1] == str(service.main_pid)]
    assert "chat-se" in own[0]  # ps cuts long names: chat-se+
    assert own[10] == EXECUTABLE


FOREGROUND = f"""
sudo -u chat-server {EXECUTABLE} --log-level debug >/tmp/foreground 2>&1 &
until chat-server healthcheck >/dev/null 2>&1; do sleep 0.1; done
process=$(pgrep chat-server)
kill "$process"
wait $!
echo "$process" $?
cat /tmp/foreground
"""


@pytest.mark.usefixtures("no_timer")
def test_it_runs_in_the_foreground_as_its_user(service: Service) -> None:
    """What an admin does who can't see in the journal why it does not start: stop it, and run it by hand."""
    host = service.host
    service.systemctl("stop")
    try:
        seen = host.run(FOREGROUND, seconds=30).out.splitlines()
    finally:
        service.systemctl("start")
    assert re.fullmatch(r"\d+ 0", seen[0]), "one process, and the exit code of a stop that was asked for"
    assert len(seen) > 1, "it says what it does where the admin looks"


def test_the_guides_queries_run_in_the_sqlite3_shell(service: Service) -> None:
    host = service.host
    host.run("apt-get -qq install sqlite3")
    for user in ("root", "chat-server"):
        integrity = host.run(f'sudo -u {user} sqlite3 {DATABASE} "PRAGMA integrity_check;"').out
        assert integrity == "ok\n"
    assert host.run(f"stat --format %U {DATABASE}-wal {DATABASE}-shm").out.split() == ["chat-server"] * 2


def test_the_manual_is_there(service: Service) -> None:
    shipped = service.host.run("dpkg --listfiles chat-server").out.split()
    assert {"/usr/share/man/man8/chat-server.8.gz", "/usr/share/man/man5/chat-server.toml.5.gz"} <= set(shipped)
    assert "/usr/share/bash-completion/completions/chat-server" in shipped


def test_cron_makes_the_nightly_backup(service: Service) -> None:
    """That is, at the next minute here."""
    service.host.run(f"grep --quiet '^45 2 ' {CRON} && sed -i 's/^45 2 /* * /' {CRON}")
    service.host.wait_until_logged("backup made: ", "-t chat-server-backup", seconds=150)
    service.host.run(f"sed -i 's/^[*] [*] /45 2 /' {CRON}")
    assert re.search(r"chat-\d{8}-\d{6}\.db", service.host.run(f"ls {BACKUPS}").out)
    assert service.host.run(f"stat --format '%a %U' {BACKUPS}/latest.db").out == "600 chat-server\n"


def test_doctors_timer_waits_for_the_next_hour(service: Service) -> None:
    assert service.host.run("systemctl is-enabled chat-server-doctor.timer").out.strip() == "enabled"
    assert service.host.run("systemctl is-active chat-server-doctor.timer").out.strip() == "active"
    timer = service.host.run("systemctl cat chat-server-doctor.timer").out
    assert {"OnCalendar=hourly", "RandomizedDelaySec=10min", "Persistent=yes"} <= set(timer.splitlines())


def test_what_watches_it_from_elsewhere_is_there(service: Service) -> None:
    shipped = service.host.run("dpkg --listfiles chat-server").out.split()
    named = set(re.findall(r"/usr/share/chat-server/[\w./-]+\w", (DOCS / "monitoring.md").read_text()))
    assert len(named) == 2
    assert named <= set(shipped)
