"""What typing the documents needs: a host with everything that they speak of, and somebody who types."""

from __future__ import annotations

import subprocess

import pytest

from infra_tests.documents.faults import SITE
from infra_tests.documents.people import arrive
from infra_tests.documents.reader import Reader
from infra_tests.documents.reading import sections
from infra_tests.drills.disposable import Disposable
from infra_tests.packages import package
from infra_tests.shell import Shell

DOMAIN = "chat.example.org"
DEB = "/var/tmp/chat-server.deb"
SECONDS = 600
TRUST = "/usr/local/share/ca-certificates/chat-under-test.crt"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """These break the host, like the drills."""
    ours = [item for item in items if "documents" in item.path.parts]
    for item in ours:
        item.add_marker(pytest.mark.timeout(SECONDS), append=False)
    if not config.getoption("disposable"):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def domain(shell: Shell) -> str:
    """The name under which people reach the host; it means the host there, and its certificate is believed."""
    if not _nginx_file(shell):
        _put_the_documents_nginx(shell)
    name = shell.root(f"sed -n 's/^ *server_name \\([^ ;]*\\).*/\\1/p' {_nginx_file(shell)} | tail -1").strip()
    shell.root(f"grep -q ' {name}$' /etc/hosts || echo '{shell.address} {name}' >>/etc/hosts")
    trust_certificate(shell, name)
    return name


def trust_certificate(shell: Shell, name: str) -> None:
    """Whatever certificate the host shows under that name is believed there, as a real one is everywhere."""
    asked = f"openssl s_client -connect {name}:443 -servername {name} </dev/null 2>/dev/null"
    shell.root(f"{asked} | openssl x509 >{TRUST} && update-ca-certificates")


def _nginx_file(shell: Shell) -> str:
    return shell.types("sudo grep -rl 'location = /socket' /etc/nginx").out.strip()


def _put_the_documents_nginx(shell: Shell) -> None:
    """On a host without a proxy, what docs/deployment.md says about nginx is done."""
    by_heading = {section.heading: section for section in sections("deployment.md")}
    reader = Reader(shell, {})
    for heading in ("A certificate", "nginx in front"):
        for block in by_heading[heading].blocks:
            reader.types(block)


@pytest.fixture(scope="session")
def reader(shell: Shell, domain: str) -> Reader:
    """Types the documents, with this host's names for those in them."""
    with package(shell.suite).open("rb") as file:
        subprocess.run(shell.command(f"sudo install -m 644 /dev/stdin {DEB}"), stdin=file, check=True)
    return Reader(
        shell,
        {
            DOMAIN: domain,
            SITE: _nginx_file(shell),
            "--reinstall --yes chat-server": f"--reinstall --yes {DEB}",  # no repository has what is under test
        },
    )


@pytest.fixture(scope="session")
def documented(shell: Shell, domain: str) -> Disposable:
    """The host, remembered as it is, with alice, bob and mallory on it."""
    assert domain
    arrive(shell)
    return Disposable(shell)
