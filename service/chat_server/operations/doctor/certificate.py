"""What a TLS certificate is worth to people: whom it names, who vouches for it, and for how long."""

from __future__ import annotations

import ssl
from contextlib import closing
from dataclasses import dataclass, replace
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
    shown = _judged(place, _context())
    if not shown.fault:
        return shown
    # Once more, trusting just this one: a name or a term that is wrong as well is the graver fault, and comes to light.
    trusting = _context(_bytes(place))
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    alone = _judged(place, trusting)
    if alone.fault not in OTHER_NAME:
        return alone if alone.fault else replace(alone, fault=shown.fault, reason=shown.reason)
    trusting.check_hostname = False
    unnamed = _judged(place, trusting)
    return unnamed if unnamed.fault else replace(unnamed, fault=alone.fault, reason=alone.reason)


def _context(trusted: bytes | None = None) -> ssl.SSLContext:
    """As lenient as browsers and curl: they forgive an authority what Python 3.13 no longer does (RFC 5280, 4.2)."""
    context = ssl.create_default_context(cadata=trusted)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _judged(place: Place, context: ssl.SSLContext) -> Certificate:
    try:
        with closing(secured(place, context)) as connection:
            shown = dict(connection.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        return Certificate(error.verify_code, error.verify_message, 0, ())
    names = shown.get("subjectAltName", ())
    listed = tuple(str(value) for _, value in names) if isinstance(names, tuple) else ()
    return Certificate(0, "", ssl.cert_time_to_seconds(str(shown["notAfter"])) * 1000, listed)


def _bytes(place: Place) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with closing(secured(place, context)) as connection:
        return connection.getpeercert(binary_form=True) or b""
