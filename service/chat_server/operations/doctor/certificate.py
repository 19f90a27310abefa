"""What a TLS certificate is worth to people: whom it names, who vouches for it, and for how long."""

from __future__ import annotations

import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from chat_server.operations.doctor.exchange import Place, secured

# X509_V_ERR_… of OpenSSL, as x509_vfy.h numbers them.
EXPIRED: Final = 10
SELF_SIGNED: Final = frozenset({18, 19})
UNKNOWN_ISSUER: Final = frozenset({2, 20, 21})
OTHER_NAME: Final = frozenset({62, 64})


@dataclass(frozen=True, slots=True)
class Certificate:
    """`fault` is OpenSSL's number for what is wrong with it, 0 for nothing; `reason` its words.

    `ends_at` is in ms since the epoch, 0 where it could not be learnt; `names` are those it is for.
    """

    fault: int
    reason: str
    ends_at: int
    names: tuple[str, ...]


def presented(place: Place) -> Certificate:
    """The certificate that a place shows, judged by what this machine trusts. Raises NoAnswerError."""
    try:
        return _certificate(_shown(place, ssl.create_default_context()))
    except ssl.SSLCertVerificationError as error:
        fault, reason = error.verify_code, error.verify_message
    # The same once more, trusting just this one, to learn whom it is for and until when.
    trusting = _without_names(ssl.create_default_context(cadata=_bytes(place)))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        known = _certificate(_shown(place, trusting))
    except ssl.SSLCertVerificationError as error:
        return Certificate(error.verify_code, error.verify_message, 0, ())
    return Certificate(fault, reason, known.ends_at, known.names)


def _certificate(shown: dict[str, object]) -> Certificate:
    names = shown.get("subjectAltName", ())
    ends = ssl.cert_time_to_seconds(str(shown["notAfter"]))
    listed = tuple(str(value) for _, value in names) if isinstance(names, tuple) else ()
    return Certificate(0, "", ends * 1000, listed)


def _shown(place: Place, context: ssl.SSLContext) -> dict[str, object]:
    with closing(secured(place, context)) as connection:
        return dict(connection.getpeercert() or {})


def _bytes(place: Place) -> bytes:
    context = _without_names(ssl.create_default_context())
    context.verify_mode = ssl.CERT_NONE
    with closing(secured(place, context)) as connection:
        return connection.getpeercert(binary_form=True) or b""


def _without_names(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    return context
