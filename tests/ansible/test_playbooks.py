"""The playbooks parse, the example inventory is one to begin with, and the host is looked at for what the roles ask."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from infra_tests.documents.reading import sections
from tests.ansible.playing import NOWHERE, PLAYBOOKS, ROLES, ROOT, looked, run

EXAMPLE = PLAYBOOKS / "inventories" / "example"


def test_every_playbook_parses(tmp_path: Path) -> None:
    books = sorted(PLAYBOOKS.glob("playbooks/*.yml"))
    assert [book.name for book in books] == ["restore.yml", "site.yml", "upgrade.yml", "verify.yml"]
    checked = run("ansible-playbook", "--syntax-check", "--inventory", EXAMPLE / "hosts.yml", *books, folder=tmp_path)
    assert checked.code == 0, checked.text
    assert "WARNING" not in checked.text


def test_a_playbook_is_the_same_here_and_in_a_collection() -> None:
    for book in PLAYBOOKS.glob("playbooks/*.yml"):
        assert book.samefile(PLAYBOOKS / book.name), book


def test_the_example_inventory_is_accepted_once_the_key_is_there(tmp_path: Path) -> None:
    """Whatever a host of it needs is asked of the inventory alone, for it can't be reached."""
    own = tmp_path / "own"
    shutil.copytree(EXAMPLE, own)
    [hosts] = [group["hosts"] for group in yaml.safe_load((own / "hosts.yml").read_text()).values()]
    nowhere = f"--extra-vars={json.dumps(NOWHERE)}"
    command = ("ansible-playbook", "--inventory", own / "hosts.yml", nowhere, PLAYBOOKS / "site.yml")
    without = run(*command, folder=tmp_path)
    assert "chat_server_repository_key must be" in without.failures["chat.example.org"]
    (own / "chat-server-archive.asc").write_text("-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
    accepted = run(*command, folder=tmp_path)
    assert accepted.unreachable == set(hosts), accepted.text
    assert "WARNING" not in accepted.text


def test_the_document_begins_with_the_example_as_it_is() -> None:
    written = {}
    for section in sections("provisioning.md"):
        for block in section.blocks:
            if here := re.match(r"cat >~/chat-hosts/(\S+) <<'EOF'\n(.*)^EOF$", block.typed, re.MULTILINE | re.DOTALL):
                written[here[1]] = here[2]
    assert written.keys() == {"hosts.yml", "group_vars/chat_servers/main.yml"}
    for name, text in written.items():
        assert yaml.safe_load(text) == yaml.safe_load((EXAMPLE / name).read_text()), name


def test_the_collections_version_is_the_projects() -> None:
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert yaml.safe_load((PLAYBOOKS / "galaxy.yml").read_text())["version"] == version


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="looks at a Debian host: this one is another")
def test_a_host_is_looked_at_for_all_that_the_role_asks() -> None:
    seen = looked({"packages": ["dpkg", "no-such-package"], "paths": ["/etc", "/no/such/path"]}, PATH=os.defpath)
    files = [
        *ROLES.glob("chat_server/tasks/*.yml"),
        *ROLES.glob("chat_server/*/main.yml"),
        *ROLES.glob("*/templates/*"),
    ]
    used = {name for file in files for name in re.findall(r"__chat_server_host_seen\.(\w+)", file.read_text())}
    assert used <= seen.keys()
    assert list(seen["packages"]) == ["dpkg"]
    assert seen["paths"] == ["/etc"]
