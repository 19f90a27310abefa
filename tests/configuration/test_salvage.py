"""What doctor works with where the configuration has mistakes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_server.config import Config
from chat_server.configuration import load_without_secret
from chat_server.salvage import salvage

GOOD = '[server]\nport = 9000\nhost = "127.0.0.1"\n\n[database]\npath = "/srv/chat.db"\n'


def salvaged(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return salvage(path)


def test_a_good_configuration_is_as_it_is_loaded(tmp_path: Path) -> None:
    config = salvaged(tmp_path, GOOD)
    assert config == load_without_secret(tmp_path / "config.toml", environ={})
    assert config.server.port == 9000


@pytest.mark.parametrize(
    "mistake",
    ["[server\n", "port =\n", "prot = 1\n", "[sever]\nport = 1\n", 'readers = "four"\n', "readers = 99\n", "= = =\n"],
)
def test_a_mistake_costs_only_its_own_line(tmp_path: Path, mistake: str) -> None:
    config = salvaged(tmp_path, GOOD + mistake)
    assert (config.server.port, config.database.path) == (9000, "/srv/chat.db")
    assert config.database.readers == Config().database.readers


def test_what_can_not_be_read_is_the_default(tmp_path: Path) -> None:
    assert salvage(tmp_path / "absent.toml") == Config()
    assert salvage(tmp_path) == Config()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet='[]server.potdab ="1\n#', max_size=12), max_size=6))
def test_whatever_is_written_there_it_gives_a_configuration(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        assert isinstance(salvaged(Path(directory), "\n".join(lines)), Config)
