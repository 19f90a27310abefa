"""The tokens people sign in with: JSON Web Tokens (RFC 7519), signed with HS256.

A token says who it was given to and until when. Whether its session still lives is not in it: the chat core
asks the database for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from jwt import InvalidKeyError, InvalidTokenError, PyJWS

MAX_TOKEN_CHARACTERS: Final = 4096
ISSUED_AHEAD_SECONDS: Final = 60

_ALGORITHM: Final = "HS256"


class TokenInvalid(Exception):  # noqa: N818  named by meaning
    """Not a token of ours: malformed, forged, for another audience, or issued in the future."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are JWT's NumericDate, whole seconds since the Unix epoch (RFC 7519 §2)."""

    user_id: str
    session_id: str
    token_id: str
    issued_at: int
    expires_at: int


class TokenExpired(Exception):  # noqa: N818  named by meaning
    """A token of ours whose time is over. It carries the claims, which are genuine: a refresh needs them."""

    def __init__(self, claims: Claims) -> None:
        super().__init__("the token has expired")
        self.claims = claims


class _Payload(msgspec.Struct, frozen=True):
    """The claims as they stand in the token; every one is required, and of this type."""

    sub: str
    aud: Literal["chat-app"]
    iat: int
    exp: int
    jti: str
    sid: str
    scopes: tuple[Literal["send"], Literal["receive"]]


class Tokens:
    """Issues and verifies tokens under one secret.

    A token's times are whole seconds, so it lives for `expiry_seconds` or up to a second less.
    Raises ValueError for a secret that can't be an HMAC key: an empty one, or a PEM file's contents.
    """

    def __init__(self, secret: str, *, expiry_seconds: int) -> None:
        self.expiry_seconds = expiry_seconds
        self._secret = secret.encode()
        self._jws = PyJWS()
        try:
            self._jws.get_algorithm_by_name(_ALGORITHM).prepare_key(self._secret)
        except InvalidKeyError as unfit:
            raise ValueError(str(unfit)) from unfit

    def issue(self, *, user_id: str, session_id: str, token_id: str, now: int) -> str:
        """A signed token that expires `expiry_seconds` after `now`, which is milliseconds since the epoch."""
        issued_at = now // 1000
        payload = _Payload(
            sub=user_id,
            aud="chat-app",
            iat=issued_at,
            exp=issued_at + self.expiry_seconds,
            jti=token_id,
            sid=session_id,
            scopes=("send", "receive"),
        )
        return self._jws.encode(msgspec.json.encode(payload), self._secret, _ALGORITHM)

    def verify(self, token: str, *, now: int) -> Claims:
        """The claims of a genuine token that has not expired at `now`, milliseconds since the epoch.

        There is no leeway on the expiry, and 60 s on the time of issue, for a clock that was set back.
        Raises TokenExpired, or TokenInvalid for everything else that can be wrong with a text.
        """
        payload = self._payload(token)
        if payload.iat * 1000 > now + ISSUED_AHEAD_SECONDS * 1000:
            raise TokenInvalid("the token was issued in the future")
        claims = Claims(
            user_id=payload.sub,
            session_id=payload.sid,
            token_id=payload.jti,
            issued_at=payload.iat,
            expires_at=payload.exp,
        )
        if now >= payload.exp * 1000:
            raise TokenExpired(claims)
        return claims

    def _payload(self, token: str) -> _Payload:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise TokenInvalid("the token is too long")
        try:
            signed = self._jws.decode(token.encode("ascii"), self._secret, algorithms=[_ALGORITHM])
            return msgspec.json.decode(signed, type=_Payload)
        except (UnicodeError, InvalidTokenError, msgspec.MsgspecError, RecursionError) as wrong:
            raise TokenInvalid("the token is not one of ours") from wrong
