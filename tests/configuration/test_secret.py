"""The secret that signs tokens: where it comes from, and which ones are refused."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from chat_server.configuration import ConfigurationError, load
from chat_server.configuration_checks import weakness

SECRET = "q0mXW3v1mBf8Zq7bPp1zYcK5u0Jr9sTtGdEoLhNxVwA="
REMEDY = "put the output of `openssl rand -base64 32` there"


def configured(directory: Path, auth: str) -> Path:
    file = directory / "config.toml"
    file.write_text(f"[auth]\n{auth}\n")
    return file


def refusal(file: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    return str(caught.value)


@pytest.mark.parametrize(
    "generate",
    [
        lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
        lambda: secrets.token_urlsafe(32),
        lambda: secrets.token_hex(32),
        lambda: secrets.token_hex(16),
    ],
    ids=["openssl rand -base64 32", "urlsafe", "openssl rand -hex 32", "openssl rand -hex 16"],
)
def test_random_secrets_are_accepted(generate: Callable[[], str]) -> None:
    assert {weakness(generate()) for _ in range(2000)} == {""}


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "is missing"),
        ("secret", "has 6 bytes where 32 are the least"),
        (SECRET[:31], "has 31 bytes where 32 are the least"),
        ("change-me", "is a well-known value"),
        ("CHANGE_ME_CHANGE_ME_CHANGE_ME_CHANGE_ME", "is a well-known value"),
        ("your-secret-key-change-this-in-production", "is a well-known value"),
        ("a-string-secret-at-least-256-bits-long", "is a well-known value"),
        ("your-256-bit-secret-your-256-bit-secret", "is a well-known value"),
        ("x" * 64, "is too regular to be random"),
        ("Zq7bPp1zYc" * 4, "is too regular to be random"),
        ("Zq7bPp1zYc" * 4 + "Zq7", "is too regular to be random"),
        ("abcdefghijklmnopqrstuvwxyz0123456789", "is too regular to be random"),
        ("q8Xq88XXqq8XqX8q8XXq8qXq8XqqX88XqX", "is too regular to be random"),
    ],
)
def test_secrets_that_people_guess_are_refused_with_the_remedy(tmp_path: Path, secret: str, problem: str) -> None:
    file = configured(tmp_path, f'jwt_secret = "{secret}"')
    assert refusal(file) == f"{file}: [auth] jwt_secret {problem}; {REMEDY}"


def test_no_secret_at_all_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = configured(tmp_path, "")
    assert refusal(file) == f"{file}: [auth] jwt_secret is missing; {REMEDY}"


@pytest.mark.parametrize("value", [f'["{SECRET}"]', f'"{SECRET[:20]}"'])
def test_a_refused_secret_is_not_repeated(tmp_path: Path, value: str) -> None:
    assert SECRET[:20] not in refusal(configured(tmp_path, f"jwt_secret = {value}"))


def test_the_secret_is_not_in_the_configurations_text(tmp_path: Path) -> None:
    assert SECRET not in repr(load(configured(tmp_path, f'jwt_secret = "{SECRET}"'), {}))


class TestSecretFile:
    @pytest.fixture
    def secret_file(self, tmp_path: Path) -> Path:
        file = tmp_path / "jwt_secret"
        file.touch(mode=0o640)
        file.write_text(f"{SECRET}\n")
        return file

    def test_it_is_read_without_the_white_space_around(self, tmp_path: Path, secret_file: Path) -> None:
        config = load(configured(tmp_path, f'jwt_secret_file = "{secret_file}"'), {})
        assert config.auth.jwt_secret == SECRET

    def test_a_file_that_everybody_can_read_is_refused(self, tmp_path: Path, secret_file: Path) -> None:
        secret_file.chmod(0o644)
        said = refusal(configured(tmp_path, f'jwt_secret_file = "{secret_file}"'))
        assert said.endswith(f"names {secret_file}, which everybody can read; run chmod o-r {secret_file}")

    def test_both_ways_at_once_are_refused(self, tmp_path: Path, secret_file: Path) -> None:
        said = refusal(configured(tmp_path, f'jwt_secret = "{SECRET}"\njwt_secret_file = "{secret_file}"'))
        assert said.endswith("[auth] jwt_secret_file and jwt_secret are both given; remove one of them")

    def test_a_missing_file_is_named(self, tmp_path: Path) -> None:
        said = refusal(configured(tmp_path, f'jwt_secret_file = "{tmp_path}/absent"'))
        assert f"jwt_secret_file names {tmp_path}/absent, which cannot be read: No such file or directory" in said

    def test_a_name_with_a_line_break_leaves_one_line(self, tmp_path: Path) -> None:
        assert "names one two, which cannot be read" in refusal(configured(tmp_path, 'jwt_secret_file = "one\\ntwo"'))

    def test_a_file_that_is_no_text_is_named(self, tmp_path: Path, secret_file: Path) -> None:
        secret_file.write_bytes(b"\xff" * 32)
        said = refusal(configured(tmp_path, f'jwt_secret_file = "{secret_file}"'))
        assert f"names {secret_file}, which is not text; {REMEDY}" in said

    @pytest.mark.parametrize(("content", "problem"), [("", "is missing"), ("change-me", "is a well-known value")])
    def test_a_weak_secret_in_it_is_refused(
        self, tmp_path: Path, secret_file: Path, content: str, problem: str
    ) -> None:
        secret_file.write_text(content)
        said = refusal(configured(tmp_path, f'jwt_secret_file = "{secret_file}"'))
        assert said.endswith(f"[auth] jwt_secret_file names {secret_file}, whose secret {problem}; {REMEDY}")
