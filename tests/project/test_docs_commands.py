"""The commands that the documents show do what the documents say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chat_server.configuration import load
from tests.server import running_server

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(document: Path) -> list[str]:
    """The shell blocks of a document, in its order."""
    return re.findall(r"^```sh\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_begins_with_two_commands_that_the_makefile_has() -> None:
    first_two = [block.partition("#")[0].strip() for block in commands(ROOT / "README.md")[:2]]
    assert first_two == ["make run", "make test"]
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"run", "test"} <= set(targets)


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing; install it: apt install curl")
def test_two_people_talk_by_the_readmes_commands(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        script = "\n".join(commands(ROOT / "README.md")[2:])
        script = script.replace("localhost:8080", f"127.0.0.1:{server.port}")
        script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        script = script.replace("sleep 1", "sleep 3")  # a person sees what has come so far, and can wait
        done = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    to_ada, _, to_bob = done.stdout.partition("Connection closed")
    assert '"status":"sent"' in to_ada
    assert '"content":"Hello Bob"' in to_bob


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is missing; install it: apt install openssl")
def test_the_command_for_a_secret_makes_one_that_the_server_accepts(tmp_path: Path) -> None:
    (command,) = commands(ROOT / "docs" / "configuration.md")
    secret = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "config.toml").write_text(f'[auth]\njwt_secret = "{secret}"\n')
    assert load(tmp_path / "config.toml", {}).auth.jwt_secret == secret


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    assert [target for target in targets if not (document.parent / target).exists()] == []
