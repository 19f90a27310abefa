"""chat-server.toml(5): docs/configuration.md, with types, bounds and defaults from the configuration's own types."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
from msgspec.structs import FieldInfo

from chat_server.configuration import INSTALLED, SECTIONS, expectation
from manual import roff
from manual.markdown import inline, render, rows


def configuration_page(*, chapters: Mapping[str, str], version: str, at: int | None) -> str:
    """The page. `chapters` are those of docs/configuration.md. Raises KeyError for a key that they don't explain."""
    sections = [
        roff.section("Name", "chat\\-server.toml \\- configuration of chat\\-server\n"),
        roff.section("Synopsis", roff.paragraph(roff.bold(str(INSTALLED)))),
        roff.section("Description", render(chapters[""])),
        roff.section("The secret", render(chapters["The secret"])),
        roff.section("Sections and keys", *(_section(name, chapters[f"[{name}]"]) for name in SECTIONS)),
        roff.section("Environment", render(chapters["Environment variables"])),
        roff.section("See also", roff.paragraph(r"\fBchat\-server\fR(8)")),
    ]
    return roff.page("chat-server.toml", 5, version=version, at=at, sections=sections)


def _section(name: str, text: str) -> str:
    meanings = {row[0].strip("`"): row[-1] for row in rows(text)}
    keys = SECTIONS[name].items()
    return roff.subsection(roff.bold(f"[{name}]"), *(_key(key, field, meanings[key]) for key, field in keys))


def _key(key: str, field: FieldInfo, meaning: str) -> str:
    default = json.dumps(msgspec.to_builtins(field.default))
    takes = roff.escape(f"Takes {expectation(field.type)}.")
    return roff.tagged(f"{roff.bold(key)} = {roff.bold(default)}", f"{inline(meaning)} {takes}")
