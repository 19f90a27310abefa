"""The unit on a booted host: how systemd starts, watches and confines the service, and what it does when that dies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from system_tests.packages.conftest import Report
from system_tests.packages.service import CONFIG, DATABASE, Service
from tests.client import Person
from tests.device import online

PROBE = Path(__file__).with_name("sandbox_probe.py")
EXPOSURE_AT_MOST = 1.5


@contextmanager
def drop_in(service: Service, settings: str) -> Iterator[None]:
    """Other settings of the unit's [Service] for the length of the block, as by `systemctl edit --runtime`."""
    folder = "/run/systemd/system/chat-server.service.d"
    service.host.run(f"mkdir -p {folder} && cat >{folder}/test.conf", input=f"[Service]\n{settings}")
    service.host.run("systemctl daemon-reload")
    try:
        yield
    finally:
        service.host.run(f"rm -r {folder} && systemctl daemon-reload")


@pytest.fixture(autouse=True)
def running(service: Service) -> Iterator[None]:
    """Each test finds the service running, whatever became of it in the one before."""
    yield
    service.systemctl("restart")


@pytest.fixture(scope="module")
def people(service: Service) -> tuple[Person, Person]:
    return service.client().sign_up("ann"), service.client().sign_up("bob")


def data_files(service: Service) -> list[str]:
    """What is in the data folder beside the lock, which has no content that matters."""
    return [name for name in service.host.run("ls /var/lib/chat-server").out.split() if name != "chat.db.lock"]


def wait_for_another_process(service: Service, than: int) -> None:
    """Returns when systemd has started the service anew and it is ready."""
    deadline = time.monotonic() + 20
    while service.main_pid in {0, than} or service.shows("SubState") != "running":
        assert time.monotonic() < deadline, service.log()
        time.sleep(0.1)


# When it dies.


def test_a_killed_service_is_back_at_once_with_all_it_acknowledged(
    service: Service, people: tuple[Person, Person]
) -> None:
    ann, bob = people
    killed = service.main_pid
    with online(service, ann) as device:
        device.say(bob, "acknowledged, then kill -9")
        service.host.run(f"kill -9 {killed}")
        wait_for_another_process(service, killed)
    assert service.client().get("/health").status == 200
    with online(service, bob) as device:
        [message] = device.wait_for_messages(1)
    assert message["content"] == "acknowledged, then kill -9"


def test_what_a_killed_service_left_is_folded_into_the_database(
    service: Service, people: tuple[Person, Person]
) -> None:
    """So the guide's `rm` of -wal and -shm, and its `cp` of a backup over the database, lose and mix nothing."""
    ann, bob = people
    with drop_in(service, "Restart=no\n"), online(service, ann) as device:
        device.say(bob, "only in the WAL")
        assert service.host.run(f"test -s {DATABASE}-wal", check=False).code == 0
        service.host.run(f"kill -9 {service.main_pid}")
        service.wait_for("ActiveState", "failed")
    assert data_files(service) == ["chat.db"]
    assert service.host.run(f"grep --count --text 'only in the WAL' {DATABASE}").out.strip() != "0"


def test_a_wal_of_a_damaged_database_is_moved_aside(service: Service, people: tuple[Person, Person]) -> None:
    ann, bob = people
    service.host.run(f"systemctl stop chat-server && cp --archive {DATABASE} /var/tmp/kept.db")
    service.systemctl("start")
    try:
        with drop_in(service, "Restart=no\n"), online(service, ann) as device:
            device.say(bob, "in the WAL of a database that is damaged meanwhile")
            pid = service.main_pid
            service.host.run(f"kill -STOP {pid} && printf garbage | dd of={DATABASE} conv=notrunc status=none")
            service.host.run(f"kill -9 {pid}")
            service.wait_for("ActiveState", "failed")
        left = data_files(service)
        assert not {"chat.db-wal", "chat.db-shm"} & set(left)
        assert [name for name in left if "wal" in name], left
    finally:
        service.host.run(f"rm /var/lib/chat-server/* && cp --archive /var/tmp/kept.db {DATABASE}")


def test_after_a_stop_the_database_is_one_file(service: Service, people: tuple[Person, Person]) -> None:
    ann, bob = people
    with online(service, ann) as device:
        device.say(bob, "before the stop")
    service.systemctl("stop")
    assert data_files(service) == ["chat.db"]
    assert service.shows("Result") == "success"


def test_a_service_that_hangs_is_killed_and_started_again(service: Service) -> None:
    assert service.shows("WatchdogUSec") == "30s"
    with drop_in(service, "WatchdogSec=2s\n"):
        service.systemctl("restart")
        hung = service.main_pid
        service.host.run(f"kill -STOP {hung}")
        wait_for_another_process(service, hung)
    assert "watchdog" in service.host.run("journalctl --no-pager --unit chat-server --lines 50").out.lower()


def test_a_service_that_keeps_dying_is_given_up(service: Service) -> None:
    burst = int(service.shows("StartLimitBurst"))
    assert service.shows("StartLimitIntervalUSec") == "5min"
    service.host.run("systemctl reset-failed chat-server", check=False)
    with drop_in(service, "RestartSec=0\nType=exec\nExecStart=\nExecStart=/bin/false\nExecStopPost=\n"):
        service.host.run("systemctl restart chat-server", check=False)
        deadline = time.monotonic() + 20
        while "Start request repeated too quickly" not in service.log():
            assert time.monotonic() < deadline, service.log()
            time.sleep(0.1)
        assert service.shows("ActiveState") == "failed"
        assert 0 < int(service.shows("NRestarts")) <= burst


def test_a_wrong_configuration_is_told_and_waits_for_the_admin(service: Service) -> None:
    service.host.run(f"cp --archive {CONFIG} /var/tmp/config.toml && echo 'oops = 1' >>{CONFIG}")
    try:
        assert service.host.run("systemctl restart chat-server", check=False).code != 0
        assert service.shows("ExecMainStatus") == "78"
        assert service.shows("ActiveState") == "failed"
        assert service.shows("NRestarts") == "0"
        assert f"{CONFIG}" in service.log(10)
        assert "oops" in service.log(10)
    finally:
        service.host.run(f"cp --archive /var/tmp/config.toml {CONFIG}")


# While it runs.


def test_a_reload_takes_the_new_log_level_without_a_restart(service: Service, people: tuple[Person, Person]) -> None:
    ann, bob = people
    before = service.main_pid
    debug_lines = "journalctl --sync; journalctl --quiet --unit chat-server --priority debug..debug"
    assert service.host.run(debug_lines).out == ""
    service.configure("server", "log_level", '"debug"')
    try:
        service.systemctl("reload")
        assert service.main_pid == before
        with online(service, ann) as device:
            device.say(bob, "each message is logged at debug")
        deadline = time.monotonic() + 20
        while "message sent" not in (logged := service.host.run(debug_lines).out):
            assert time.monotonic() < deadline, logged
    finally:
        service.configure("server", "log_level", '"info"')


def test_a_reload_of_a_wrong_configuration_is_refused_and_it_goes_on(service: Service) -> None:
    before = service.main_pid
    service.host.run(f"cp --archive {CONFIG} /var/tmp/config.toml && echo 'oops = 1' >>{CONFIG}")
    try:
        assert service.host.run("systemctl reload chat-server", check=False).code != 0
    finally:
        service.host.run(f"cp --archive /var/tmp/config.toml {CONFIG}")
    assert (service.main_pid, service.shows("ActiveState")) == (before, "active")


def test_what_it_may_use_is_bounded(service: Service) -> None:
    """As settings: this machine may itself be a container that does not let them take effect."""
    assert service.shows("LimitNOFILE") == "65536"
    assert int(service.shows("MemoryMax")) == 1 << 30
    assert int(service.shows("TasksMax")) == 128


# What it can't do, even to somebody who has broken into it.


@pytest.fixture(scope="module")
def tried(service: Service) -> Mapping[str, tuple[str, str]]:
    """What came of each attempt of the probe: in the unit's place, confined as it is, and as root on the host."""
    host = service.host
    host.put(PROBE, "/usr/local/lib/probe.py")
    host.run(
        "for place in /etc /usr/local /srv /var/lib /opt/chat-server /home; do"
        " mkdir -p $place/anyone && chmod 777 $place/anyone; done; echo Dear >/home/anyone/letter"
    )
    in_its_place = (
        "Type=oneshot\nRestart=no\nWatchdogSec=0\nExecStopPost=\nExecStart=\n"
        "ExecStart=/usr/bin/python3 -I /usr/local/lib/probe.py\nStandardOutput=truncate:/run/probe.json\n"
    )
    service.systemctl("stop")
    with drop_in(service, in_its_place):
        service.systemctl("start")
    confined = json.loads(host.run("cat /run/probe.json").out)
    free = json.loads(host.run("python3 -I /usr/local/lib/probe.py").out)
    host.run(
        "rm -rf /var/lib/chat-server/probe-*; for place in /etc /usr/local /srv /var/lib /opt/chat-server /home; do"
        " rm -r $place/anyone; done"
    )
    return {attempt: (confined[attempt], free[attempt]) for attempt in free}


REFUSED = {
    "write to /etc/anyone": {"EROFS"},
    "write to /usr/local/anyone": {"EROFS"},
    "write to /srv/anyone": {"EROFS"},
    "write to /var/lib/anyone": {"EROFS"},
    "write to /opt/chat-server/anyone": {"EROFS"},
    "write to /home/anyone": {"EACCES", "ENOENT"},
    "read a file in a home": {"EACCES", "ENOENT"},
    "see other people's processes": {"ENOENT"},
    "open a raw socket": {"EPERM"},
    "listen to the network's packets": {"EAFNOSUPPORT", "EPERM"},
    "talk to the kernel by netlink": {"EAFNOSUPPORT", "EPERM"},
    "make memory that is writable and executable": {"EPERM", "EACCES"},
    "make a program that runs as its owner": {"EPERM"},
    "give a file to another owner": {"EPERM"},
    "get a user namespace": {"EPERM"},
    "mount something": {"EPERM"},
    "rename the host": {"EPERM"},
}


@pytest.mark.parametrize("attempt", REFUSED)
def test_the_unit_can_not(attempt: str, tried: Mapping[str, tuple[str, str]]) -> None:
    confined, free = tried[attempt]
    assert confined in REFUSED[attempt]
    assert free == "done"


def test_the_unit_can_write_where_its_data_is(tried: Mapping[str, tuple[str, str]]) -> None:
    assert tried["write where its data is"] == ("done", "done")


def test_its_exposure_is_low(service: Service, report: Report) -> None:
    overall = service.host.run("systemd-analyze security --no-pager chat-server").out.strip().splitlines()[-1]
    report(f"{service.host.suite}: {overall.lstrip('→ ')}")
    assert float(overall.split(": ")[1].split()[0]) <= EXPOSURE_AT_MOST
