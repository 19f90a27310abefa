"""The example file and the reference say what the types say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from chat_server.config import Config
from chat_server.configuration import SECTIONS, load

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
REFERENCE = ROOT / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(?P<key>\w+)` \| (?P<takes>[^|]+) \| `(?P<default>[^`]*)` \| (?P<meaning>[^|]+) \|$")


def takes(field: msgspec.structs.FieldInfo) -> str:
    """What the reference's second column has for a field of this type."""
    match msgspec.inspect.type_info(field.type):
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"{low} or more" if high in {10**9, 10 * 365 * 24 * 3600} else f"{low} to {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(str(value) for value in values)
        case msgspec.inspect.VarTupleType():
            return "list"
        case _:
            return "text"


def documented(section: str) -> dict[str, tuple[str, object]]:
    """Each key of the reference's table for a section, with what it takes and its default."""
    _, _, rest = REFERENCE.read_text().partition(f"\n## [{section}]\n")
    rows = [ROW.match(line) for line in rest.partition("\n## ")[0].splitlines()]
    return {row["key"]: (row["takes"], tomllib.loads(f"it = {row['default']}")["it"]) for row in rows if row}


def test_the_reference_has_exactly_the_sections_that_exist() -> None:
    assert re.findall(r"^## \[(\w+)\]$", REFERENCE.read_text(), re.MULTILINE) == list(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_reference_has_every_key_with_its_range_and_default(section: str) -> None:
    defaults = msgspec.json.decode(msgspec.json.encode(getattr(Config(), section)))
    assert documented(section) == {key: (takes(field), defaults[key]) for key, field in SECTIONS[section].items()}


def test_the_example_has_every_key_with_its_default() -> None:
    defaults = msgspec.json.decode(msgspec.json.encode(Config()))
    assert tomllib.loads(EXAMPLE.read_text()) == defaults


def test_the_example_explains_every_section_by_comments() -> None:
    for section in EXAMPLE.read_text().split("\n\n[")[1:]:
        assert "\n# " in section, f"[{section.partition(']')[0]}] has no comment"


def test_the_example_loads_once_it_has_a_secret(tmp_path: Path) -> None:
    secret = "CuVxmlWtVTfsAyAGUHEqSBe8AEfBIyLEwPOELpk+r6g="
    copy = tmp_path / "config.toml"
    copy.write_text(EXAMPLE.read_text().replace('jwt_secret = ""', f'jwt_secret = "{secret}"'))
    config = load(copy, environ={})
    assert config == msgspec.structs.replace(Config(), auth=msgspec.structs.replace(Config().auth, jwt_secret=secret))
