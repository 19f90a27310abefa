"""docs/install-debian.md, typed from beginning to end by an admin at a terminal."""

from __future__ import annotations

import io
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rig.host import Host
from system_tests.packages.conftest import NEXT_VERSION, VERSION, Packages, install_as_documented, serve
from system_tests.packages.documents import commands
from system_tests.packages.service import BACKUPS, CONFIG, DATABASE, Service

GUIDE = "install-debian.md"
NOTHING: Mapping[str, str] = {}
CONTINUE = {"continue? [Y/n]": "y"}
DELETE = {"backups? [yes/no]": "no"}


class Terminal:
    """`deploy`, logged in at a terminal, in a folder of their own."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def types(self, block: str, *, asked: Mapping[str, str] = NOTHING, given: str = "") -> str:
        """Types a block of the guide, line by line; gives what was to be seen.

        `asked`: by what a question ends with, the answer. `given`: what the guide leaves to the admin, such as
        `BACKUP=...`. A line that fails fails the test.
        """
        return "".join(self._types(f"{given}; {line}" if given else line, asked) for line in block.splitlines())

    def _types(self, line: str, asked: Mapping[str, str]) -> str:
        terminal = shlex.join(
            ["script", "--quiet", "--return", "--command", f"bash -c {shlex.quote(line)}", "/dev/null"]
        )
        command = self._host.command(terminal, user="deploy")
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as typing:
            assert typing.stdin is not None
            assert isinstance(typing.stdout, io.BufferedReader)
            seen = ""
            while more := typing.stdout.read1().decode(errors="replace"):
                seen += more
                for question, answer in asked.items():
                    if seen.rstrip().endswith(question):
                        typing.stdin.write(f"{answer}\n".encode())
                        typing.stdin.flush()
        assert typing.returncode == 0, seen
        return seen


def version_of(service: Service) -> str:
    return service.host.run("chat-server --version").out.split()[1]


def test_the_guide_from_installation_to_the_end(
    bookworm: Host,
    packages: Packages,
    signing_key: Path,
    tmp_path: Path,
) -> None:
    host, service, admin = bookworm, Service(bookworm), Terminal(bookworm)
    archive = serve(host, tmp_path, packages, signing_key)
    install_as_documented(host, archive)

    from_repository, from_file, look = commands(GUIDE, "Install")
    assert "is already the newest version" in admin.types(from_repository)
    file = packages[host.suite, VERSION]
    host.put(file, f"/home/deploy/{file.name}")
    admin.types(from_file)
    assert "active (running)" in admin.types(look)
    service.client().sign_up("ann")

    [configure] = commands(GUIDE, "Configure")
    assert "good" in admin.types(configure).lower()

    [listen] = commands(GUIDE, "Restart without refusing anybody")
    admin.types(listen)
    assert service.client().get("/health").status == 200
    assert host.run("systemctl is-active chat-server.socket").out == "active\n"
    host.run("systemctl disable --now chat-server.socket; systemctl restart chat-server")

    archive.publish({host.suite: [packages[host.suite, NEXT_VERSION]]}, key_home=signing_key)
    [upgrade] = commands(GUIDE, "Upgrade")
    admin.types(upgrade)
    assert version_of(service) == NEXT_VERSION
    service.client().sign_up("bob")

    [go_back] = commands(GUIDE, "Go back")
    [backup] = host.run(f"ls {BACKUPS}/chat-*.db").out.split()
    old = f"OLD_VERSION={VERSION}+deb12 BACKUP={backup}"
    admin.types(go_back, given=old, asked=CONTINUE | {"[y/N]": "y"})
    assert version_of(service) == VERSION
    assert [service.client().log_in(name).status for name in ("ann", "bob")] == [200, 401]

    remove, purge, purge_with_data = commands(GUIDE, "Remove")
    admin.types(remove, asked=CONTINUE)
    assert there(host) == [CONFIG, DATABASE]
    assert f"kept, as purging asks before it deletes data: {BACKUPS}" in admin.types(purge, asked=CONTINUE | DELETE)
    assert there(host) == [DATABASE]
    admin.types(from_repository)
    admin.types(purge_with_data, asked=CONTINUE)
    assert there(host) == []


def there(host: Host) -> list[str]:
    """What is left of configuration and data."""
    return [path for path in (CONFIG, DATABASE) if host.run(f"test -e {path}", check=False).code == 0]
