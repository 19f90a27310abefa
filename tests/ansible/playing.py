"""Plays the project's playbooks on hosts that can't be reached, so whatever a play would touch, it touches nothing.

A host whose variables are accepted is `unreachable` at the first look at it; one whose variables are not has failed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PLAYBOOKS = ROOT / "ansible"
ROLES = PLAYBOOKS / "roles"
NOWHERE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
PROGRAMS = Path(sys.executable).parent

Variables = Mapping[str, object]

RENDER = """
- hosts: chat_servers
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: "{role}"
        tasks_from: preflight
    - ansible.builtin.debug:
        msg: "{{{{ lookup('ansible.builtin.template', '{template}', template_vars=given[item]) }}}}"
      loop: "{{{{ given | list }}}}"
"""


@dataclass(frozen=True)
class Played:
    """What came of it: all that was said, and for each host how far it got."""

    code: int
    text: str

    @property
    def failures(self) -> dict[str, str]:
        """What each host that failed was told."""
        return {host: result["msg"] for host, result in self._results(r"fatal: \[(.+?)\]: FAILED! => ")}

    @property
    def unreachable(self) -> set[str]:
        return {host for host, _ in self._results(r"fatal: \[(.+?)\]: UNREACHABLE! => ")}

    @property
    def shown(self) -> dict[str, Any]:
        """What `debug` has shown in a loop, by the items' labels."""
        return {label: result["msg"] for label, result in self._results(r"ok: \[.+?\] => \(item=(.+?)\) => ")}

    def _results(self, beginning: str) -> Iterator[tuple[str, dict[str, Any]]]:
        decoder = json.JSONDecoder()
        for found in re.finditer(rf"^{beginning}(?=\{{)", self.text, re.MULTILINE):
            yield found[1], decoder.raw_decode(self.text, found.end())[0]


def play(playbook: Path, hosts: Mapping[str, Variables], folder: Path) -> Played:
    """Plays it in check mode on hosts with these variables, none of which is anywhere.

    The folder is for what is written on the way.
    """
    inventory = folder / "inventory.json"
    nowhere = {name: {**given, **NOWHERE} for name, given in hosts.items()}
    inventory.write_text(json.dumps({"chat_servers": {"hosts": nowhere}}))
    return run("ansible-playbook", "--inventory", inventory, "--check", playbook, folder=folder)


def rendered(role: str, template: Path, given: Mapping[str, Variables], folder: Path) -> Mapping[str, str]:
    """A template as Ansible renders it for each of these sets of variables of the role."""
    book = folder / "render.yml"
    book.write_text(RENDER.format(role=role, template=template))
    played = play(book, {"host": {"given": given}}, folder)
    assert played.shown.keys() == given.keys(), played.text
    return played.shown


def json_of(shown: str) -> Any:  # noqa: ANN401  as json.loads
    """Ansible shows some texts of JSON as they are, and some parsed."""
    return json.loads(shown) if isinstance(shown, str) else shown


def looked(asked: Mapping[str, object], **environment: str) -> dict[str, Any]:
    """What files/look.py says of this host, to somebody whose shell has this environment."""
    nothing: dict[str, object] = {"packages": [], "paths": [], "rules": [], "ssh_networks": []}
    look = (ROLES / "chat_server/files/look.py").read_text()
    shell = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), "sh", "-c"]
    done = subprocess.run(
        [*shell, '"$@"; exit $?', "sh", sys.executable, "-", json.dumps(nothing | dict(asked))],
        input=look,
        capture_output=True,
        text=True,
        check=True,
    )
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def run(*command: str | Path, folder: Path) -> Played:
    """Runs one of Ansible's programs, which keeps its own files in the folder."""
    program, *arguments = command
    environment = {
        **os.environ,
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_FORKS": "4",
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_ROLES_PATH": str(ROLES),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }
    (folder / "ansible.cfg").touch()
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    return Played(done.returncode, done.stdout)
