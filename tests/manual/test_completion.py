"""What bash, zsh and fish offer when somebody presses Tab behind chat-server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_server.arguments import parser
from tests.commands.test_documentation import PARSERS
from tests.manual.shells import bash, fish, zsh

Complete = Callable[[str], set[str]]

LEVELS = {"error", "warn", "info", "debug", "trace"}


@pytest.fixture(scope="module", params=[bash, zsh, fish], ids=lambda shell: shell.__name__)
def complete(
    request: pytest.FixtureRequest, manual: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Complete]:
    """What a shell offers behind "chat-server " and this, in a directory with one file, here.toml."""
    name = request.param.__name__
    if not shutil.which(name):
        pytest.skip(f"{name} is missing; install it: apt install {name}")
    home = tmp_path_factory.mktemp(name)
    (home / "here.toml").touch()
    with request.param(manual, home) as shell:
        yield lambda typed: shell.offers(f"chat-server {typed}")


def flags(command: str) -> set[str]:
    """The long options of a command."""
    names = {name for action in PARSERS[command]._actions for name in action.option_strings}
    return {name for name in names if name.startswith("--")}


def below(*groups: str) -> set[str]:
    """The words that may follow these words of a command."""
    commands = [command.split() for command in PARSERS]
    return {words[len(groups)] for words in commands if words[: len(groups)] == list(groups)}


def test_the_commands(complete: Complete) -> None:
    assert complete("") == below()


def test_the_rest_of_a_word(complete: Complete) -> None:
    assert complete("healthc") == {"healthcheck"}


@pytest.mark.parametrize("group", ["users", "invites"])
def test_the_commands_of_a_group(complete: Complete, group: str) -> None:
    assert complete(f"{group} ") == below(group)


def test_the_options_of_all_commands(complete: Complete) -> None:
    names = {name for action in parser()._actions for name in action.option_strings}
    assert complete("--") == {name for name in names if name.startswith("--")}


@pytest.mark.parametrize("command", PARSERS)
def test_the_options_of_a_command(complete: Complete, command: str) -> None:
    assert complete(f"{command} --") == flags(command)


@pytest.mark.parametrize("written", ["--log-level ", "--log-level="])
def test_the_values_of_an_option(complete: Complete, written: str) -> None:
    assert complete(written) == LEVELS


def test_a_value_behind_an_equals_sign(complete: Complete) -> None:
    assert complete("--log-level=de") == {"debug"}


@pytest.mark.parametrize("written", ["--config ", "--config=", "restore ", "restore --yes "])
def test_files_where_a_file_is_wanted(complete: Complete, written: str) -> None:
    assert complete(f"{written}he") == {"here.toml"}


def test_no_files_elsewhere(complete: Complete) -> None:
    assert "here.toml" not in complete("users create he") | complete("")


def test_the_command_is_found_behind_options_and_their_values(complete: Complete) -> None:
    assert complete("--config here.toml --log-level=info invites ") == below("invites")


def test_nothing_is_offered_for_a_value_that_anything_may_be(complete: Complete) -> None:
    assert complete("users list --limit ") == set()


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is missing; install it: apt install bash")
def test_bash_gets_no_variable_and_one_function(manual: Path) -> None:
    """What it left in an admin's shell could meet what the admin has there."""
    script = """
        before='' after='' offered='' COMPREPLY=() COMP_WORDS=(chat-server --log-level = de) COMP_CWORD=3
        before=$(compgen -v; compgen -A function)
        source "$1"
        _chat_server
        offered=${COMPREPLY[*]} COMP_WORDS=(chat-server users --) COMP_CWORD=2
        _chat_server
        after=$(compgen -v; compgen -A function)
        echo "offered: $offered, ${COMPREPLY[*]}"
        comm -13 <(sort <<< "$before") <(sort <<< "$after")
    """
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", script, "bash", manual / "chat-server.bash"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("offered: debug, --help\n_chat_server\n", "")
