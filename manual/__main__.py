"""`scripts/write-manual DIRECTORY`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from chat_server import __version__, arguments
from chat_server.configuration import INSTALLED
from manual import completion, markdown
from manual.command_line import command
from manual.commands_page import commands_page
from manual.configuration_page import configuration_page

DOCUMENTS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Writes the pages and the completions; the same bytes wherever it runs, SOURCE_DATE_EPOCH being the same."""
    options = argparse.ArgumentParser(
        prog="write-manual",
        description="Writes the manual pages and the shells' completions. SOURCE_DATE_EPOCH, where it is set, is the "
        "pages' date.",
    )
    options.add_argument("directory", type=Path, metavar="DIRECTORY", help="where to; made if it is absent")
    options.add_argument("--version", default=__version__, help="of the package they belong to (default: %(default)s)")
    wanted = options.parse_args()
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    wanted.directory.mkdir(parents=True, exist_ok=True)
    for name, text in files(version=wanted.version, at=int(epoch) if epoch else None).items():
        (wanted.directory / name).write_text(text, encoding="utf-8")


def files(*, version: str, at: int | None) -> dict[str, str]:
    """Their text by name; `at` is the pages' date, in seconds since the epoch."""
    parser = arguments.parser()
    parser.set_defaults(config=INSTALLED)  # not what it would be here
    top = command(parser)
    return {
        "chat-server.8": commands_page(
            top,
            exit_codes=arguments.EXIT_CODES,
            chapters=markdown.chapters(DOCUMENTS / "commands.md"),
            version=version,
            at=at,
        ),
        "chat-server.toml.5": configuration_page(
            chapters=markdown.chapters(DOCUMENTS / "configuration.md"), version=version, at=at
        ),
        "chat-server.bash": completion.bash(top),
        "_chat-server": completion.zsh(top),
        "chat-server.fish": completion.fish(top),
    }


if __name__ == "__main__":
    main()
