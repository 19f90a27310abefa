"""docs/deployment.md: typed from top to bottom on a bare host, it makes a server that people reach."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from infra_tests.documents.conftest import DOMAIN, trust_certificate
from infra_tests.documents.reader import Reader, answers_outside
from infra_tests.documents.reading import sections
from infra_tests.packages import package
from infra_tests.shell import Shell
from rig.host import Host
from rig.trees import ensure_tree

TRUSTED_FROM = "nginx in front"
"""The section after which the site has a certificate."""


@pytest.fixture
def bare(shell: Shell) -> Iterator[Shell]:
    """A host of the same release as the one under test, to which nothing was done; the package lies there."""
    if os.geteuid() != 0:
        pytest.skip("boots a bare host: as root, on Debian")
    with Host.boot(f"bare-{shell.suite}", ensure_tree(shell.suite)) as host:
        login = Shell(host.name, str(host.ssh_config))
        with package(host.suite).open("rb") as file:
            subprocess.run(login.command("cat >chat-server_0_amd64.deb"), stdin=file, check=True)
        yield login


def test_what_it_says_makes_a_server_of_a_bare_machine(bare: Shell) -> None:
    bare.root(f"echo '{bare.address} {DOMAIN}' >>/etc/hosts")  # stands for DNS
    reader = Reader(bare, {})
    for section in sections("deployment.md"):
        for block in section.blocks:
            reader.types(block)
        if section.heading == TRUSTED_FROM:
            trust_certificate(bare, DOMAIN)
    assert answers_outside(bare, DOMAIN) == {"status": "healthy"}
    assert "8080" not in bare.root("ufw status")
