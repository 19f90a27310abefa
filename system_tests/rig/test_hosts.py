"""What a host is like, fresh from the rig, and what can be done with it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from rig.host import Host, HostError
from rig.trees import ensure_tree
from system_tests.conftest import fresh_host


def test_it_is_debian_at_rest_with_every_unit_up(debian_host: Host) -> None:
    assert f"VERSION_CODENAME={debian_host.suite}\n" in debian_host.run("cat", "/etc/os-release").out
    assert debian_host.run("systemctl", "is-system-running").out.strip() == "running"
    assert debian_host.run("systemctl", "--failed", "--quiet").out == ""
    assert debian_host.run("systemctl", "is-active", "cron").out.strip() == "active"


def test_apt_installs_packages_of_its_suite(debian_host: Host) -> None:
    debian_host.run("apt-get", "update")
    debian_host.run("apt-get", "install", "--yes", "hello")
    assert debian_host.run("hello", user="deploy").out == "Hello, world!\n"


def test_security_updates_are_offered_too(debian_host: Host) -> None:
    debian_host.run("apt-get", "update")
    assert f"a={debian_host.suite}-security," in debian_host.run("apt-cache", "policy").out.replace("n=", "a=")


def test_what_one_host_kills_lives_on_another(trixie: Host) -> None:
    with fresh_host("trixie") as other:
        for host in (trixie, other):
            host.run("systemd-run", "--unit=alike", "sleep", "infinity")
        trixie.run("systemctl", "kill", "--signal=KILL", "alike")
        assert trixie.run("systemctl", "is-active", "alike", check=False).out == "failed\n"
        assert other.run("systemctl", "is-active", "alike").out == "active\n"


def test_units_that_wait_for_the_network_need_not_wait() -> None:
    with fresh_host("bookworm") as host:
        host.run("/lib/systemd/systemd-networkd-wait-online --timeout=4")


def test_deploy_does_everything_by_sudo_without_a_password(bookworm: Host) -> None:
    assert bookworm.run("whoami", user="deploy").out == "deploy\n"
    assert bookworm.run("sudo -n whoami", user="deploy").out == "root\n"
    assert bookworm.run("whoami").out == "root\n"
    assert bookworm.run("whoami", user="www-data").out == "www-data\n"


def test_arguments_arrive_as_they_are_and_a_line_goes_through_the_shell(bookworm: Host) -> None:
    assert bookworm.run("printf", "%s|", "a b", "$HOME", "it's", "*").out == "a b|$HOME|it's|*|"
    assert bookworm.run("echo $((6 * 7)) | tr 4 5; echo oops >&2").out == "52\n"


def test_input_reaches_the_command(bookworm: Host) -> None:
    assert bookworm.run("wc", "-c", input=b"\0\xff\n").out == "3\n"
    assert bookworm.run("cat", input="für dich\n", user="deploy").out == "für dich\n"
    assert bookworm.run("cat").out == ""


def test_a_failure_tells_what_was_written_and_logged(bookworm: Host) -> None:
    bookworm.run("logger", "the disk is tired")
    bookworm.wait_until_logged("the disk is tired")
    with pytest.raises(HostError) as failure:
        bookworm.run("echo out; echo err >&2; exit 3")
    told = str(failure.value)
    for part in ("exit 3", "failed with 3", "out\n", "err\n", "the disk is tired"):
        assert part in told
    outcome = bookworm.run("echo out; echo err >&2; exit 3", check=False)
    assert (outcome.code, outcome.out, outcome.err) == (3, "out\n", "err\n")


def test_a_command_that_does_not_end_is_given_up(bookworm: Host) -> None:
    with pytest.raises(HostError, match=r"has not ended after 0\.5 s"):
        bookworm.run("sleep", "60", seconds=0.5)


def test_files_are_copied_both_ways(bookworm: Host, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(300_000))
    bookworm.put(there, "/srv/new/file", mode=0o640)
    assert bookworm.run("stat", "--format", "%a %U:%G", "/srv/new/file").out == "640 root:root\n"
    bookworm.get("/srv/new/file", back)
    assert back.read_bytes() == there.read_bytes()
    with pytest.raises(HostError):
        bookworm.get("/srv/absent", back)


def test_the_journal_of_a_unit_is_read(bookworm: Host) -> None:
    bookworm.run("systemd-run", "--quiet", "--wait", "--unit=greeter", "echo", "good morning")
    bookworm.wait_until_logged("good morning", "-u greeter")
    assert "good morning" in bookworm.journal("greeter")
    assert "good morning" not in bookworm.journal("cron")
    assert len(bookworm.journal(lines=5).splitlines()) == 5


def test_a_folder_is_served_to_the_host(bookworm: Host, tmp_path: Path) -> None:
    url = bookworm.serve_directory(tmp_path)
    (tmp_path / "greeting").write_text("hello")
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
    assert bookworm.run("python3", "-c", fetch, f"{url}/greeting").out == "hello\n"


def test_apt_asks_a_served_folder_itself_and_not_the_cache(bookworm: Host, tmp_path: Path) -> None:
    url = bookworm.serve_directory(tmp_path)
    (tmp_path / "Packages").write_text("")
    bookworm.run("tee", "/etc/apt/sources.list.d/ours.list", input=f"deb [trusted=yes] {url} ./\n")
    only_ours = ["-o", "Dir::Etc::SourceList=/etc/apt/sources.list.d/ours.list", "-o", "Dir::Etc::SourceParts=-"]
    asked = bookworm.run("apt-get", "update", *only_ours, "-o", "Debug::Acquire::http=true")
    assert f"Host: {url.removeprefix('http://')}" in asked.out + asked.err
    assert "GET http://" not in asked.out + asked.err  # as a proxy is asked


def test_a_reboot_keeps_the_disk_and_starts_all_else_anew(debian_host: Host) -> None:
    boot = debian_host.run("cat", "/proc/sys/kernel/random/boot_id").out
    debian_host.run("touch /srv/kept /run/lost")
    debian_host.reboot()
    assert debian_host.run("cat", "/proc/sys/kernel/random/boot_id").out != boot
    assert debian_host.run("ls", "/srv/kept", "/run/lost", check=False).out == "/srv/kept\n"
    assert debian_host.run("systemctl", "is-system-running").out.strip() == "running"


def lets_in(host: Host, *, seconds: float) -> bool:
    """Whether its SSH answers: a gateway of this machine's may take any connection, and say nothing."""
    try:
        with socket.create_connection((host.address, 22), timeout=seconds) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


@pytest.mark.parametrize("hard", [False, True], ids=["shut down", "plug pulled"])
def test_switched_off_a_host_is_off_and_its_units_were_stopped_or_not(bookworm: Host, hard: bool) -> None:
    bookworm.run("rm", "-f", "/srv/stopped")
    unit = ["--unit=witness", "--property=ExecStop=touch /srv/stopped", "--remain-after-exit"]
    bookworm.run("systemd-run", "--quiet", *unit, "true")
    bookworm.wait_until_logged("witness.service")
    assert lets_in(bookworm, seconds=20)
    bookworm.power_off(hard=hard)
    assert not lets_in(bookworm, seconds=3)
    assert "witness.service" in bookworm.journal()
    bookworm.power_on()
    assert bookworm.run("ls", "/srv/stopped", check=False).code == (2 if hard else 0)


def test_hosts_share_nothing_and_leave_their_tree_alone() -> None:
    tree = ensure_tree("bookworm")
    with fresh_host("bookworm") as one, fresh_host("bookworm") as other:
        assert one.address != other.address
        for identity in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub"):
            assert one.run("cat", identity).out != other.run("cat", identity).out
        one.run("touch", "/usr/share/mine")
        assert other.run("ls", "/usr/share/mine", check=False).code != 0
    assert not (tree / "usr/share/mine").exists()


def test_hosts_on_the_tree_of_another_have_what_is_on_its_disk_and_nothing_of_its_own(tmp_path: Path) -> None:
    identity = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /home/deploy/.ssh/authorized_keys"
    with fresh_host("trixie") as first:
        first.run("systemctl mask --quiet --now cron; touch /srv/kept /home/deploy/lost; logger said by the first")
        firsts = first.run(identity).out.splitlines()
        first.leave_as_tree(tmp_path / "trixie")
    with Host.boot("second", tmp_path / "trixie") as second:
        assert second.suite == "trixie"
        assert second.run("ls /srv /home/deploy").out == "/home/deploy:\n\n/srv:\nkept\n"
        assert second.run("systemctl is-enabled cron", check=False).out == "masked\n"
        assert not set(firsts) & set(second.run(identity).out.splitlines())
        assert "said by the first" not in second.run("journalctl --no-pager").out
        assert "Startup finished" in second.journal("init.scope")
        assert second.run("hostname").out == "second\n"
        assert second.run("systemctl", "is-system-running").out.strip() == "running"


def test_the_name_is_the_hosts_own() -> None:
    with Host.boot("a-rather-long-name-for-a-host", ensure_tree("bookworm")) as host:
        assert host.run("hostname").out == "a-rather-long-name-for-a-host\n"
        assert host.run("getent", "hosts", "a-rather-long-name-for-a-host").code == 0
