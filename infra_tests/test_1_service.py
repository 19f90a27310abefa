"""Chapter 1: the service is installed, may do what it must and no more, and runs."""

from __future__ import annotations

from testinfra.host import Host

from infra_tests.drills.disposable import wait_for
from infra_tests.shell import Shell
from infra_tests.site import EXECUTABLE, Expected, Site


def test_the_package_is_whole(shell: Shell, expected: Expected) -> None:
    """A file that somebody changed by hand is overwritten by the next upgrade, and is no release that anybody knows."""
    changed = shell.types(f"dpkg --verify {expected['package']}").out.splitlines()
    assert [line for line in changed if " c " not in line] == []


def test_the_program_is_the_packages_and_runs(host: Host, expected: Expected) -> None:
    package = host.package(expected["package"])
    assert package.is_installed
    assert host.check_output(f"{EXECUTABLE} --version").split()[-1] == package.version.partition("+")[0]


def test_no_library_is_missing(shell: Shell) -> None:
    assert "not found" not in shell.types(f"ldd {EXECUTABLE}").out


def test_files_belong_to_whom_they_must(host: Host, expected: Expected) -> None:
    """The configuration holds the secret, and the database what people wrote to each other."""
    files = {path: host.file(path) for path in expected["files"]}
    seen = {path: f"{file.user}:{file.group} {file.mode:o}" for path, file in files.items()}
    assert seen == expected["files"]


def test_all_that_is_in_the_data_directory_is_for_the_service_alone(shell: Shell) -> None:
    strangers = r"\( ! -user chat-server -o ! -group chat-server -o -perm /077 \)"
    assert shell.root(f"find /var/lib/chat-server /var/backups/chat-server -type f {strangers}") == ""


def test_the_user_can_do_nothing_but_serve(host: Host) -> None:
    """Nobody logs in as the service, and it is in no group by which it could do more."""
    user = host.user("chat-server")
    assert user.shell == "/usr/sbin/nologin"
    assert user.groups == ["chat-server"]
    assert "not allowed" in host.check_output("sudo --list --other-user=chat-server")


def test_the_unit_is_as_it_was_made(shell: Shell, expected: Expected) -> None:
    wanted = expected["unit"]
    shown = shell.root(f"systemctl show chat-server --property {','.join(wanted)}").splitlines()
    assert dict(line.split("=", 1) for line in shown) == wanted


def test_what_it_relies_on_runs_and_comes_back_after_a_reboot(host: Host, expected: Expected) -> None:
    for name in expected["other_units"]:
        unit = host.service(name)
        assert unit.is_running, name
        assert unit.is_enabled, name


def test_one_server_runs_and_no_other(host: Host) -> None:
    """Two processes on one database hold each other up. What looks after the one, as doctor's timer does, soon ends."""
    wait_for("one process", lambda: len(host.process.filter(comm="chat-server")) == 1)
    [process] = host.process.filter(comm="chat-server")
    assert process.user == "chat-server"
    assert str(process.pid) == host.service("chat-server").systemd_properties["MainPID"]


def test_the_configuration_is_accepted(shell: Shell) -> None:
    assert shell.types(f"sudo --non-interactive {EXECUTABLE} check-config").code == 0


def test_the_service_is_well(site: Site) -> None:
    assert site.inside("/health").json["status"] == "healthy"
    assert site.inside("/status").json["database"]["status"] == "connected"


def test_the_disk_has_room(shell: Shell, expected: Expected) -> None:
    used = shell.root("df --output=pcent /var/lib/chat-server /var/backups/chat-server").split()[1:]
    assert all(100 - int(one.rstrip("%")) >= expected["free_disk_percent"] for one in used), used


def test_doctor_finds_nothing_that_is_wrong(site: Site) -> None:
    """A warning may be how this host is; a failure is not."""
    assert [check for check in site.doctor()["checks"] if check["status"] == "failure"] == []
