"""What is taken out of text, wherever it stands, and what stays readable."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server.operations.support.masking import environment_masked, scrubbed

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"GET /socket?token={TOKEN}&v=1 101", "GET /socket?token=***&v=1 101"),
        (f"sec-websocket-protocol: chat-v1, bearer.{TOKEN}", "sec-websocket-protocol: chat-v1, bearer.***"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: ***"),
        ("proxy sent Basic YW5uOnB3MTIzNDU2Nzg=", "proxy sent Basic ***"),
        ('body={"username":"ann","password":"Geheim 123"}', 'body={"username":"ann","password":***}'),
        (r'body="{\"password\":\"Geheim123\",\"x\":1}"', r'body="{\"password\":***,\"x\":1}"'),
        ("frame content='meet me at \\'nine\\'' seq=4", "frame content=*** seq=4"),
        ('content="never ends\nnext "line"', 'content=***\nnext "line"'),
        ("password_hash=$argon2id$v=19$m=65536", "password_hash=***"),
        ("POST https://ann:pw@hooks.example.org/x", "POST https://***@hooks.example.org/x"),
        ("ExecStart=/bin/pager --api-key abc123 --loud", "ExecStart=/bin/pager --api-key *** --loud"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nabc\n-----END PRIVATE KEY-----\nnext", "***\nnext"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, shown: str) -> None:
    assert scrubbed(line, []) == shown


@pytest.mark.parametrize(
    "line",
    [
        "token_expiry_seconds = 3600",
        "password_threads = 1",
        'chat_refused_tokens_total{reason="expired"} 3.0',
        "logins: failed login username=ann address=192.0.2.7",
        '"seen": "tokens refused in the 3 h since the server started: 2 missing"',
        "CREATE TABLE messages (content TEXT NOT NULL, created_at INTEGER NOT NULL);",
        "Content-Type text/plain",
        "LoadState=loaded",
        "2026-11-25T01:48:00+00:00 host chat-server[276]: server: started port=8080",
    ],
)
def test_what_support_needs_stays(line: str) -> None:
    assert scrubbed(line, []) == line


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(texts, st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8, max_size=40), texts)
def test_no_form_of_a_known_secret_is_left(before: str, secret: str, after: str) -> None:
    for form in (secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]):
        assert form not in scrubbed(f"{before}{form}{after}", [secret]).replace("***", "")


def test_a_short_secret_takes_no_words_away() -> None:
    assert scrubbed("the port is taken", ["port", ""]) == "the port is taken"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Environment=CHAT_SERVER_AUTH__JWT_SECRET=abc A=b", "Environment=CHAT_SERVER_AUTH__JWT_SECRET=*** A=***"),
        ('Environment="A=b c" "D=e f"', "Environment=A=*** D=***"),
        ('Environment=A="b c" D=e\\ f', "Environment=A=*** D=***"),
        ("Environment=", "Environment="),
        (
            "EnvironmentFiles=/etc/default/chat (ignore_errors=no)",
            "EnvironmentFiles=/etc/default/chat (ignore_errors=no)",
        ),
    ],
)
def test_of_a_units_variables_only_the_names_are_shown(line: str, shown: str) -> None:
    assert environment_masked(f"Id=x\n{line}\nUser=y") == f"Id=x\n{shown}\nUser=y"
