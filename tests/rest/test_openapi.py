"""/openapi.json says what the server does: schemathesis tries to prove it wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.client import Person
from tests.server import Server

HERE = Path(__file__).parent
ENDS_THE_SESSION = "^/auth/logout|^/user/me/sessions/"
NOT_REST = "^/socket"


def assert_as_described(server: Server, person: Person, *selection: str) -> None:
    """Requests of all kinds, valid and not, are answered as /openapi.json says."""
    run = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", str(HERE / "schemathesis.toml"), "run", f"{server.url}/openapi.json"),
            *("--header", f"Authorization: Bearer {person.token}"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "20"),
            *("--generation-deterministic", "--no-color"),
            *selection,
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=server.database.parent,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_call_is_as_described(shared_server: Server, anna: Person, ben: Person) -> None:
    anna.client.post("/conversations/start", {"otherUserId": ben.user_id}).succeeded()
    assert_as_described(shared_server, anna, "--exclude-path-regex", f"{ENDS_THE_SESSION}|{NOT_REST}")
    assert " 500 " not in shared_server.logged()
    assert "request failed" not in shared_server.logged()


def test_so_are_those_that_end_the_session_they_are_called_from(shared_server: Server, anna: Person) -> None:
    assert_as_described(shared_server, anna, "--include-path-regex", ENDS_THE_SESSION)


@pytest.mark.parametrize("path", ["/auth/signup", "/conversations/{conversationId}/messages", "/socket"])
def test_the_description_names_what_the_contract_names(shared_server: Server, path: str) -> None:
    assert path in shared_server.client().get("/openapi.json").succeeded()["paths"]


def test_everything_has_a_summary_and_an_id_of_its_own(shared_server: Server) -> None:
    paths = shared_server.client().get("/openapi.json").succeeded()["paths"]
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
