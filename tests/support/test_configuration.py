"""config.toml in a bundle: the value of a key that is known to be harmless is shown, and no other, however broken."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.operations.support.configuration import secrets, shown

SECRET = "q0mXW3v1mBf8Zq7bPp1zYcK5u0Jr9sTtGdEoLhNxVwA="
ROOT = Path(__file__).parents[2]


def test_harmless_values_are_shown_and_comments_and_secrets_are_not() -> None:
    text = f'# was "{SECRET}2"\n[server]\nport = 81 # ours\n[auth]\njwt_secret = "{SECRET}"\nregistration = "open"\n'
    assert shown(text, {}) == '\n[server]\nport = 81\n\n[auth]\njwt_secret = ***\nregistration = "open"\n'


def test_all_of_the_example_is_shown_for_it_has_no_secret() -> None:
    example = (ROOT / "config.example.toml").read_text()
    assert tomllib.loads(shown(example, {})) == tomllib.loads(example)


def test_that_a_secret_is_empty_is_no_secret() -> None:
    assert 'jwt_secret = ""' in shown('[auth]\njwt_secret = ""', {})


@pytest.mark.parametrize(
    "line",
    [
        f'[auth]\njwt_secrt = "{SECRET}"',
        f'[atuh]\njwt_secret = "{SECRET}"',
        f'jwt_secret = "{SECRET}"',
        f'auth = "{SECRET}"',
        f'[auth.jwt]\nsecret = "{SECRET}"',
        f'[database]\nurl = "postgresql://chat:{SECRET}@db/chat"',
        f'[alerts]\nwebhook_url = "https://hooks.example.org/{SECRET}"',
        f'[alerts]\ncommand = ["/usr/bin/page", "{SECRET}"]',
        f'[auth]\n"{SECRET}" = 1',
        # No TOML:
        f'[auth]\njwt_secret = "{SECRET}',
        f"[auth]\njwt_secret = {SECRET}",
        f'[auth]\njwt_secret "{SECRET}"',
        f"[auth]\njwt_secret {SECRET}",
        f'[auth]\njwt_secret = """\n{SECRET}\n"""\n[',
        f'[auth]\njwt_secret = """\n{SECRET}\nport = 1\n',
        f'[auth\njwt_secret = "{SECRET}"',
        f'[server]\nport = 1\n# jwt_secret = "{SECRET}"\n[',
        f'[alerts]\ncommand = ["/usr/bin/page",\n"{SECRET}"]\n[',
    ],
)
def test_a_secret_is_not_shown_wherever_it_stands(line: str) -> None:
    assert SECRET not in shown(line, {})


@pytest.mark.parametrize(
    "line",
    [
        f'[auth]\njwt_secret = "{SECRET}"',
        f'[auth]\njwt_secrt = "{SECRET}"',
        f'auth = "{SECRET}"',
        f'[database]\nurl = "postgresql://chat:{SECRET}@db/chat"',
        f'[alerts]\nwebhook_url = "https://hooks.example.org/services/{SECRET}"',
        f'[alerts]\ncommand = ["/usr/bin/page", "--key", "{SECRET}"]',
        f'[auth]\njwt_secret = "{SECRET}',
        f"[auth]\njwt_secret = {SECRET}",
        f"[auth]\njwt_secret {SECRET}",
        f'[auth\njwt_secret = "{SECRET}" # ours',
    ],
)
def test_a_secret_is_known_wherever_it_stands_so_that_other_parts_can_be_searched_for_it(line: str) -> None:
    assert {SECRET, SECRET.rstrip("=")} & secrets(line, {})


def test_the_file_of_the_secret_is_read_so_that_its_content_is_known(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert SECRET in secrets(f'[auth]\njwt_secret_file = "{tmp_path}/secret"', {})
    assert SECRET in secrets(f'[auth]\njwt_secret_file = "{tmp_path}/secret"\n[', {})


def test_a_broken_file_is_numbered_as_the_error_counts_its_lines() -> None:
    text = f'[server]\nport = 8080\n\nhost = "0.0.0.0\n[auth]\njwt_secret = "{SECRET}"\n'
    assert shown(text, {}).splitlines() == [
        "   1  [server]",
        "   2  port = 8080",
        "   3  ",
        "   4  host = ***",
        "   5  [auth]",
        "   6  jwt_secret = ***",
    ]


def test_harmless_variables_are_shown_and_secret_ones_are_not() -> None:
    environ = {
        "CHAT_SERVER_SERVER__PORT": "8081",
        "CHAT_SERVER_AUTH__JWT_SECRET": SECRET,
        "CHAT_SERVER_PORT": "tcp://10.0.0.1",
        "HOME": "/root",
    }
    assert shown("", environ).splitlines()[-2:] == [
        "CHAT_SERVER_AUTH__JWT_SECRET = ***",
        'CHAT_SERVER_SERVER__PORT = "8081"',
    ]
    assert "tcp://" not in shown("", environ)
    assert secrets("", environ) == {SECRET}


@given(st.text(), st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="'\""), min_size=20))
def test_whatever_else_is_in_the_file_what_stands_behind_a_secrets_key_is_not_shown(other: str, secret: str) -> None:
    text = f"{other}\n[auth]\njwt_secret = '{secret}'\n"
    assert secret not in shown(text, {}).replace("***", "")
