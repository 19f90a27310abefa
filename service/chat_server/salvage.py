"""What is left of a configuration with mistakes in it: for doctor, which is asked just then."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from chat_server.config import Config
from chat_server.configuration import SECTIONS, ConfigurationError, Setting
from chat_server.configuration_checks import Mistake, check

MOST_MISTAKES = 20


def salvage(path: Path) -> Config:
    """Every key of the file that is good, and the default for what is not; all defaults where it can't be read."""
    config = Config()
    for setting in _settings(path):
        with suppress(ConfigurationError, Mistake):
            section = replace(getattr(config, setting.section), **{setting.key: setting.typed()})
            better = replace(config, **{setting.section: section})
            check(better)
            config = better
    return config


def _settings(path: Path) -> Iterator[Setting]:
    for section, table in _tables(path).items():
        for key, value in table.items() if isinstance(table, dict) else ():
            if key in SECTIONS.get(section, {}):
                yield Setting(str(path), section, key, value)


def _tables(path: Path) -> dict[str, Any]:
    """The file without the lines that are no TOML."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    for _ in range(MOST_MISTAKES):
        try:
            return tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            where = re.search(r"at line (\d+)", str(error))
            lines.pop(int(where[1]) - 1 if where else -1)
    return {}
