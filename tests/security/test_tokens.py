"""A token proves who it was given to, until when, and nothing else passes for one."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_server.security.tokens import MAX_TOKEN_CHARACTERS, Claims, TokenExpired, TokenInvalid, Tokens

SECRET = "a secret of the tests, long enough to sign with"
NOW = 1_700_000_000_250
ISSUED_AT = 1_700_000_000
GENUINE: dict[str, Any] = {
    "sub": "user-anna",
    "aud": "chat-app",
    "iat": ISSUED_AT,
    "exp": ISSUED_AT + 3600,
    "jti": "token-1",
    "sid": "session-1",
    "scopes": ["send", "receive"],
}

tokens = Tokens(SECRET, expiry_seconds=3600)


def issued() -> str:
    return tokens.issue(user_id="user-anna", session_id="session-1", token_id="token-1", now=NOW)


def signed(payload: object, *, secret: str = SECRET, headers: dict[str, Any] | None = None) -> str:
    return signed_bytes(json.dumps(payload).encode(), secret=secret, headers=headers)


def signed_bytes(payload: bytes, *, secret: str = SECRET, headers: dict[str, Any] | None = None) -> str:
    """A token made without our code or PyJWT's, so that anything can be put into one."""
    header = json.dumps({"alg": "HS256", "typ": "JWT"} | (headers or {})).encode()
    signing_input = segment(header) + b"." + segment(payload)
    signature = hmac.digest(secret.encode(), signing_input, "sha256")
    return (signing_input + b"." + segment(signature)).decode()


def segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def test_an_issued_token_carries_exactly_the_claims_of_the_contract() -> None:
    claims = jwt.decode(issued(), SECRET, ["HS256"], options={"verify_aud": False, "verify_exp": False})
    assert claims == GENUINE


def test_an_issued_token_verifies_as_what_it_was_issued_for() -> None:
    assert tokens.verify(issued(), now=NOW) == Claims(
        user_id="user-anna",
        session_id="session-1",
        token_id="token-1",
        issued_at=ISSUED_AT,
        expires_at=ISSUED_AT + 3600,
    )


def test_a_token_lives_to_its_last_millisecond_and_no_longer() -> None:
    token, expiry = issued(), (ISSUED_AT + 3600) * 1000
    assert tokens.verify(token, now=expiry - 1).user_id == "user-anna"
    with pytest.raises(TokenExpired):
        tokens.verify(token, now=expiry)


def test_an_expired_token_still_tells_whose_it_was() -> None:
    with pytest.raises(TokenExpired) as expired:
        tokens.verify(issued(), now=NOW + 3_600_000)
    assert expired.value.claims == tokens.verify(issued(), now=NOW)


def test_a_clock_set_back_by_a_minute_at_most_is_forgiven() -> None:
    token = issued()
    assert tokens.verify(token, now=ISSUED_AT * 1000 - 60_000)
    with pytest.raises(TokenInvalid):
        tokens.verify(token, now=ISSUED_AT * 1000 - 60_001)


def test_a_token_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(GENUINE, secret="another secret, just as long as the first"), now=NOW)


def test_an_expired_token_with_a_wrong_signature_is_not_merely_expired() -> None:
    forged = signed(GENUINE | {"exp": ISSUED_AT - 1}, secret="another secret, just as long as the first")
    with pytest.raises(TokenInvalid):
        tokens.verify(forged, now=NOW)


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512", "RS256", "", None, 7, ["HS256"]])
def test_only_hs256_is_accepted_whatever_the_header_says(algorithm: object) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(GENUINE, headers={"alg": algorithm}), now=NOW)


def test_a_genuine_hs512_token_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(jwt.encode(GENUINE, SECRET * 2, "HS512"), now=NOW)
    with pytest.raises(TokenInvalid):
        Tokens(SECRET * 2, expiry_seconds=3600).verify(jwt.encode(GENUINE, SECRET * 2, "HS512"), now=NOW)


def test_a_token_without_signature_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(jwt.encode(GENUINE, "", "none"), now=NOW)
    with pytest.raises(TokenInvalid):
        tokens.verify(issued().rpartition(".")[0] + ".", now=NOW)


@pytest.mark.parametrize("claim", list(GENUINE))
def test_every_claim_is_required(claim: str) -> None:
    without = {name: value for name, value in GENUINE.items() if name != claim}
    assert tokens.verify(signed(GENUINE), now=NOW)
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(without), now=NOW)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", 1),
        ("sub", None),
        ("aud", "another-app"),
        ("aud", ["chat-app"]),
        ("iat", str(ISSUED_AT)),
        ("iat", ISSUED_AT + 0.5),
        ("iat", True),
        ("exp", str(ISSUED_AT + 3600)),
        ("exp", None),
        ("jti", ["token-1"]),
        ("sid", {}),
        ("scopes", "send receive"),
        ("scopes", ["send"]),
        ("scopes", ["receive", "send"]),
        ("scopes", ["send", "receive", "admin"]),
    ],
)
def test_every_claim_must_have_its_type(claim: str, value: object) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(GENUINE | {claim: value}), now=NOW)


def test_a_token_longer_than_the_bound_is_refused_although_genuine() -> None:
    def padded(length: int) -> str:
        return signed(GENUINE | {"pad": "x" * length})

    fitting = next(length for length in range(MAX_TOKEN_CHARACTERS, 0, -1) if len(padded(length)) <= 4096)
    assert tokens.verify(padded(fitting), now=NOW)
    with pytest.raises(TokenInvalid):
        tokens.verify(padded(fitting + 2), now=NOW)


@given(st.text())
@example("")
@example("..")
@example("a.b.c")
@example("\ud800")
@example("ä.ö.ü")
@example(segment(b"[" * 2500).decode() + ".e30.")
@example(segment(b'{"alg":"HS256","b64":false,"crit":["b64"]}').decode() + "..e30")
@example(segment(b'{"alg":"HS256","crit":7}').decode() + ".e30.e30")
def test_garbage_is_invalid_and_nothing_worse(text: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(text, now=NOW)


@given(st.binary(max_size=64), st.binary(max_size=64), st.binary(max_size=64))
def test_three_segments_of_garbage_are_invalid_and_nothing_worse(one: bytes, two: bytes, three: bytes) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(b".".join(map(segment, (one, two, three))).decode(), now=NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(json_values)
def test_a_signed_payload_of_any_shape_is_invalid_and_nothing_worse(payload: object) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed(payload), now=NOW)


@pytest.mark.parametrize(
    "payload", [b"", b"\xff\xfe", b'{"sub":"\xff"}', b'{"pad":' + b"[" * 2500, b'{"iat":' + b"9" * 2500]
)
def test_signed_bytes_that_are_no_claims_are_invalid_and_nothing_worse(payload: bytes) -> None:
    with pytest.raises(TokenInvalid):
        tokens.verify(signed_bytes(payload), now=NOW)


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    token = issued()
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda character: character != token[place]))
    with pytest.raises(TokenInvalid):
        tokens.verify(token[:place] + other + token[place + 1 :], now=NOW)


@pytest.mark.parametrize("secret", ["", "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"])
def test_a_secret_that_cannot_sign_is_refused_at_once(secret: str) -> None:
    with pytest.raises(ValueError, match="HMAC"):
        Tokens(secret, expiry_seconds=3600)
