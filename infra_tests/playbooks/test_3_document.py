"""docs/provisioning.md, typed on a control machine: a bare host is provisioned, upgraded, restored."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra_tests.documents.reader import answers_outside
from infra_tests.documents.reading import Block, sections
from infra_tests.packages import BROKEN, NEXT, broken_package, next_package
from infra_tests.provisioning import PLAYBOOKS, ROOT
from infra_tests.shell import Shell
from rig.host import Host
from rig.trees import ensure_tree
from system_tests.packages.archive import Archive, key_home
from tests.ansible.playing import PROGRAMS

DOMAIN = "chat.example.org"
MINUTES = 15
DOCUMENT = {section.heading: section.blocks for section in sections("provisioning.md")}
AS_IT_IS = """
cd /
find etc usr/local opt var/lib/systemd var/spool -xdev -printf '%M %u:%g %s %T@ %p -> %l\\n' | sort
dpkg-query --show
systemctl list-unit-files --no-legend
iptables-save | sed '/^#/d'
"""

pytestmark = [
    pytest.mark.timeout(MINUTES * 60),
    pytest.mark.skipif(os.geteuid() != 0, reason="boots a bare host: as root, on Debian"),
]


@dataclass(frozen=True)
class Control:
    """The control machine: a home of its own, and a bare host that it reaches by SSH as chat.example.org."""

    home: Path
    shell: Shell
    archive: Archive
    key: Path
    said: list[str] = field(default_factory=list)
    """All that Ansible has ever written, with every difference that it makes."""

    def publish(self, package: Path) -> None:
        """The apt repository has this package, too."""
        self.archive.publish({self.shell.suite: [package]}, key_home=self.key)

    def types(self, block: Block) -> subprocess.CompletedProcess[str]:
        """Types a block of the document in the sources' folder; all that it wrote is in `stdout`."""
        typed = block.typed.replace("https://apt.example.org", self.archive.url)
        # No test has a public name.
        typed = typed.replace("chat_proxy_tls: letsencrypt", "chat_proxy_tls: selfsigned")
        environment = {
            "ANSIBLE_DIFF_ALWAYS": "1",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_ARGS": f"-F {self.home / 'ssh_config'}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["sh", "-euc", typed],
            cwd=PLAYBOOKS.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said.append(done.stdout)
        return done

    def does(self, heading: str) -> str:
        """Types all of a section, and holds each block to what its comment says; gives what was to be seen."""
        seen = []
        for block in DOCUMENT[heading]:
            done = self.types(block)
            assert done.returncode == 0, f"{block} ended with {done.returncode}: {done.stdout}"
            assert block.notes.get("shows", "") in done.stdout, f"{block}: {done.stdout}"
            assert "[WARNING]" not in done.stdout, f"{block}: {done.stdout}"
            seen.append(done.stdout)
        return "".join(seen)

    def version(self) -> str:
        """The version that is installed on the host."""
        return self.shell.root("dpkg-query --show --showformat='${Version}' chat-server").partition("+")[0]


@pytest.fixture(scope="module")
def control(shell: Shell, deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """With the package under test in the repository, and nothing on the host."""
    home = tmp_path_factory.mktemp("control")
    tree = ensure_tree(shell.suite)
    with Host.boot(f"play-{shell.suite}", tree) as host, key_home("the publisher") as key:
        served = tmp_path_factory.mktemp("served") / "apt"
        served.mkdir()
        known = host.ssh_config.read_text().replace(f"Host {host.name}\n", f"Host {DOMAIN}\n")
        (home / "ssh_config").write_text(known)
        host.run(f"echo '{host.address} {DOMAIN}' >>/etc/hosts")  # stands for DNS
        made = Control(home, Shell(host.name, str(host.ssh_config)), Archive(served, host.serve_directory(served)), key)
        made.publish(deb)
        yield made


@pytest.fixture(scope="module")
def provisioned(control: Control) -> Control:
    """After "Do it"."""
    control.does("Say what you want")
    first_it_would, then_it_does = DOCUMENT["Do it"]
    before = control.shell.root(AS_IT_IS)
    would = control.types(first_it_would)
    assert would.returncode == 0, would.stdout
    assert "chat-server (the newest that the repository has)" in would.stdout
    assert control.shell.root(AS_IT_IS) == before, "check mode has changed something"
    done = control.types(then_it_does)
    assert done.returncode == 0, done.stdout
    return control


def test_a_bare_host_becomes_one_that_people_reach(provisioned: Control) -> None:
    assert answers_outside(provisioned.shell, DOMAIN) == {"status": "healthy"}
    assert "8080" not in provisioned.shell.root("ufw status")
    assert "Warning" not in provisioned.does("Ask how it is")
    again = provisioned.does("Do it")
    assert again.count("changed=0 ") == 2, again


def test_nobody_is_shown_the_secret_that_was_made_on_the_host(provisioned: Control) -> None:
    secret = provisioned.shell.root("cat /opt/chat-server/jwt-secret").strip()
    assert len(secret) >= 32
    assert secret not in "".join(provisioned.said)
    assert secret not in provisioned.shell.root("journalctl --no-pager")


def test_it_comes_to_the_repositorys_newest_version_and_back_from_one_that_does_not_run(
    provisioned: Control, deb: Path, tmp_path: Path
) -> None:
    provisioned.publish(next_package(deb, tmp_path / "next"))
    provisioned.does("Upgrade")
    assert provisioned.version() == NEXT
    provisioned.publish(broken_package(deb, tmp_path / "broken"))
    [upgrade] = DOCUMENT["Upgrade"]
    undone = provisioned.types(upgrade)
    assert undone.returncode != 0
    said = " ".join(undone.stdout.split())
    assert f"The upgrade to {BROKEN}" in said
    assert "failed and was undone" in said
    assert provisioned.version() == NEXT
    assert answers_outside(provisioned.shell, DOMAIN) == {"status": "healthy"}


def test_a_backup_takes_the_databases_place(provisioned: Control) -> None:
    provisioned.shell.root("chat-server users create alice --generate && chat-server backup")
    provisioned.shell.root("chat-server users delete alice --yes")
    assert "alice" not in provisioned.shell.root("chat-server users list")
    assert "messages of 1 users" in provisioned.does("Restore")
    assert "alice" in provisioned.shell.root("chat-server users list")


def test_the_secret_of_the_vault_is_the_hosts_and_nobody_is_shown_it(provisioned: Control) -> None:
    [block] = DOCUMENT["Secrets"]
    done = provisioned.types(block)
    assert done.returncode == 0, done.stdout
    vault = provisioned.home / "chat-hosts/group_vars/chat_servers/vault.yml"
    shown = subprocess.run(
        [PROGRAMS / "ansible-vault", "view", "--vault-password-file", provisioned.home / ".chat-vault-password", vault],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    secret = provisioned.shell.root("cat /opt/chat-server/jwt-secret").strip()
    assert shown.strip() == f'chat_server_jwt_secret: "{secret}"'
    assert secret not in done.stdout
    assert secret not in provisioned.shell.root("journalctl --no-pager")
    assert answers_outside(provisioned.shell, DOMAIN) == {"status": "healthy"}
