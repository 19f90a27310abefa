"""The manual pages: groff and man take them without a word, and they hold all that there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from chat_server.arguments import EXIT_CODES, parser
from chat_server.config import Config
from chat_server.configuration import SECTIONS, expectation
from tests.commands.test_documentation import PARSERS, options
from tests.manual.conftest import WriteManual

PAGES = ["chat-server.8", "chat-server.toml.5"]

needs_groff = pytest.mark.skipif(
    not shutil.which("groff"), reason="groff is missing; install it: apt install groff-base"
)
needs_man = pytest.mark.skipif(not shutil.which("man"), reason="man is missing; install it: apt install man-db")


def shown(page: Path) -> str:
    """The page as groff shows it, every paragraph on one line, without bold and italic."""
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tascii", "-P-cbou", "-rLL=9999n", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def part(text: str, heading: str) -> str:
    """What stands below a heading, or below a subheading, until the next that weighs as much."""
    indent = re.match(" *", heading)
    assert indent
    match = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^ {{,{indent.end()}}}\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"there is no {heading.strip()}"
    return match[1]


@pytest.fixture(scope="module")
def commands_page(manual: Path) -> str:
    return shown(manual / "chat-server.8")


@pytest.fixture(scope="module")
def configuration_page(manual: Path) -> str:
    return shown(manual / "chat-server.toml.5")


@needs_groff
class TestCommands:
    def test_it_has_the_sections_that_a_reader_expects(self, commands_page: str) -> None:
        headings = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "OUTPUT", "EXIT STATUS", "SIGNALS"]
        headings += ["ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"]
        assert re.findall(r"^[A-Z][A-Z ]+$", commands_page, re.MULTILINE) == headings

    @pytest.mark.parametrize("command", PARSERS)
    def test_every_command_is_explained_with_all_its_options(self, commands_page: str, command: str) -> None:
        explained = part(part(commands_page, "COMMANDS"), f"   {command}")
        assert str(PARSERS[command].description) in explained
        missing = {
            option
            for option in options(PARSERS[command])
            if not re.search(rf"^ {{7}}{re.escape(option)}(?:$| +\S)", explained, re.MULTILINE)
        }
        assert missing == set()

    def test_the_options_of_all_commands_are_explained(self, commands_page: str) -> None:
        tags = set(re.findall(r"^       (?:-h, )?(--.*)$", part(commands_page, "OPTIONS"), re.MULTILINE))
        assert tags == options(parser()) | {"--help"}

    def test_the_default_configuration_is_the_installed_one_wherever_the_page_is_made(self, commands_page: str) -> None:
        assert "(default: /opt/chat-server/config.toml)" in commands_page

    def test_options_that_exclude_one_another_are_shown_as_a_choice(self, commands_page: str) -> None:
        assert "chat-server users sessions [--end ID | --end-all] [--json] NAME" in commands_page

    def test_every_exit_code_is_explained_in_the_words_of_the_help(self, commands_page: str) -> None:
        explained = part(commands_page, "EXIT STATUS")
        assert explained.split() == EXIT_CODES.partition("\n")[2].split()

    def test_the_exit_codes_are_not_explained_twice(self, commands_page: str) -> None:
        assert "busy" not in part(commands_page, "OUTPUT")

    @pytest.mark.parametrize(
        "path",
        [
            "/opt/chat-server/chat-server",
            "/opt/chat-server/config.toml",
            "/var/lib/chat-server/chat.db",
            "/var/backups/chat-server/",
        ],
    )
    def test_the_files_on_the_host_are_named(self, commands_page: str, path: str) -> None:
        assert re.search(rf"^       {re.escape(path)}$", part(commands_page, "FILES"), re.MULTILINE)

    def test_every_example_of_the_reference_is_shown_as_it_is_typed(self, commands_page: str) -> None:
        reference = (Path(__file__).parents[2] / "docs" / "commands.md").read_text()
        lines = "".join(re.findall(r"^```sh\n(.*?)^```$", reference, re.MULTILINE | re.DOTALL)).splitlines()
        examples = [line.strip() for line in part(commands_page, "EXAMPLES").splitlines()]
        assert [line for line in lines if line.strip() not in examples] == []


@needs_groff
class TestConfiguration:
    @pytest.mark.parametrize("section", SECTIONS)
    def test_every_key_has_its_default_and_what_it_takes(self, configuration_page: str, section: str) -> None:
        explained = part(part(configuration_page, "SECTIONS AND KEYS"), f"   [{section}]")
        entries = dict(re.findall(r"^       (\w+ = .*)\n +(\S.*)$", explained, re.MULTILINE))
        defaults = json.loads(msgspec.json.encode(getattr(Config(), section)))
        assert list(entries) == [f"{key} = {json.dumps(default)}" for key, default in defaults.items()]
        for entry, field in zip(entries.values(), SECTIONS[section].values(), strict=True):
            meaning, takes = entry.split(" Takes ")
            assert takes == f"{expectation(field.type)}."
            assert meaning.endswith(".")

    def test_it_says_how_a_key_is_set_in_the_environment(self, configuration_page: str) -> None:
        assert "CHAT_SERVER_<SECTION>__<KEY>" in part(configuration_page, "ENVIRONMENT")

    def test_what_the_texts_refer_to_stands_above(self, configuration_page: str) -> None:
        assert 0 < configuration_page.index("\nTHE SECRET\n") < configuration_page.index("see above")


@needs_man
@pytest.mark.parametrize("page", PAGES)
def test_man_shows_the_page_without_a_warning(manual: Path, page: str) -> None:
    done = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", manual / page],
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "SEE ALSO" in done.stdout


@needs_man
@pytest.mark.parametrize("page", PAGES)
def test_apropos_finds_the_page_by_its_name_line(manual: Path, page: str) -> None:
    name = subprocess.run(["lexgrog", manual / page], capture_output=True, text=True, check=True).stdout
    assert re.search(rf': "{re.escape(page[:-2])} - \S.*"$', name.strip())


def test_the_same_bytes_are_written_at_another_time_and_place(write_manual: WriteManual) -> None:
    here = write_manual(SOURCE_DATE_EPOCH="1767225599", TZ="Pacific/Auckland", LC_ALL="C", PYTHONHASHSEED="1")
    there = write_manual(SOURCE_DATE_EPOCH="1767225599", TZ="UTC", LC_ALL="C.UTF-8", COLUMNS="40", PYTHONHASHSEED="2")
    assert {file.name: file.read_bytes() for file in here.iterdir()} == {
        file.name: file.read_bytes() for file in there.iterdir()
    }


@pytest.mark.parametrize("page", PAGES)
def test_the_date_is_that_of_the_package(write_manual: WriteManual, page: str) -> None:
    text = (write_manual(SOURCE_DATE_EPOCH="1767225599") / page).read_text()
    assert re.search(r'^\.TH \S+ "\d" "2025\\-12\\-31" ', text, re.MULTILINE)
