"""What goes into a page comes out of groff as it was."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from manual import markdown, roff

pytestmark = pytest.mark.skipif(
    not shutil.which("groff"), reason="groff is missing; install it: apt install groff-base"
)


def shown(block: str) -> list[str]:
    """The lines of a page that consists of this."""
    page = roff.page("test", 1, version="1", at=None, sections=[roff.section("Text", block)])
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-P-cbou", "-rLL=9999n"],
        input=page,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[2:-1]


@pytest.mark.parametrize(
    "text",
    [
        r"a \fBbackslash\fR and \n",
        "--options and half-words",
        "'quotes' `of` \"all\" sorts",
        "10^9 in ~/here",
        "Zoë – 私",
        ".TH is no request",
        "'br is none either",
    ],
)
def test_a_text_is_shown_sign_by_sign(text: str) -> None:
    assert shown(roff.paragraph(roff.escape(text))) == [f"       {text}"]
    assert shown(roff.example(text)) == [f"           {text}"]


def test_an_example_keeps_its_lines_and_spaces() -> None:
    assert shown(roff.example("if true\n    .then\nfi")) == [
        f"           {line}" for line in ("if true", "    .then", "fi")
    ]


def test_of_markdown_only_the_words_are_left() -> None:
    text = "See `--config PATH` and\n[the `doctor`](doctor.md), [above](#above).\n\nThe next."
    assert shown(markdown.render(text)) == [
        "       See --config PATH and the doctor, above.",
        "       The next.",
    ]


def test_code_is_bold() -> None:
    assert markdown.inline("run `a-b`, then") == r"run \fBa\-b\fR, then"


def test_an_example_of_markdown_may_have_an_empty_line() -> None:
    assert shown(markdown.render("Before:\n\n```sh\none\n\ntwo\n```\n\nAfter.")) == [
        "       Before:",
        "           one",
        "           two",
        "       After.",
    ]


def test_a_table_is_a_list_of_its_first_column() -> None:
    table = "| signal | what |\n|---|---|\n| `SIGHUP`, `SIGUSR1` | Reloads. |"
    assert shown(markdown.render(table)) == ["       SIGHUP, SIGUSR1", "              Reloads."]


def test_what_a_command_prints_is_no_command() -> None:
    assert markdown.commands("```sh\nchat-server stats\n```\n\n```\nusers  3\n```\n") == "chat-server stats\n"
