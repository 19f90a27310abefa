"""Chapter 3: who can't log in, and why; and the clock, by which tokens end."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from chat_server.operations.doctor.commands import chat_server
from chat_server.operations.doctor.figures import figures
from chat_server.operations.doctor.journal import events, tells
from chat_server.operations.doctor.lockouts import Attempt, Locked, attempts, existing, locked_out
from chat_server.operations.doctor.reading import DamageError, read
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.settings import change, settings
from chat_server.operations.doctor.site import Site, run

SHOWN: Final = 5
MANY_FAILED: Final = 100
SHORT_TOKEN_SECONDS: Final = 300
SHORT_SESSION_SECONDS: Final = 24 * 3600
MANY_REFRESHES_REFUSED_AN_HOUR: Final = 20
WIDE_PREFIX: Final = {4: 8, 6: 32}


def logins(site: Site) -> Finding:
    """Which logins failed in the last hour, and how many accounts are deleted."""
    failed = events(site, "failed login")
    names = Counter(one.get("username", "-") for one in failed)
    addresses = Counter(one.get("address", "-") for one in failed)
    seen = f"failed logins in the last hour: {len(failed)}"
    if failed:
        seen += f", most by {_most(names)}, from {_most(addresses)}"
    seen += _deleted(site)
    if len(failed) < MANY_FAILED:
        return Finding("ok", seen)
    worst = addresses.most_common(1)[0][0]
    return Finding("warning", f"{seen}: somebody guesses passwords", f"sudo ufw prepend deny from {worst}")


def lockouts(site: Site) -> Finding:
    """Who may not try to log in at the moment, and until when."""
    limits = settings(site).rate_limit
    if not limits.enabled:
        raise CannotLookError("[rate_limit] enabled is false, so nobody is ever locked out")
    try:
        rows = read(site, lambda connection: attempts(connection, limits, now=site.now))
    except DamageError as damage:
        raise CannotLookError(f"{site.database}: {damage}") from None
    locked = locked_out((Attempt(*row[:4]) for row in rows), limits, now=site.now)
    if not locked:
        return Finding("ok", f"nobody is locked out: {len(rows)} attempts to log in {_window(site)}")
    told = ", ".join(_locked(one) for one in locked[:SHOWN])
    more = f", and {len(locked) - SHOWN} more" if len(locked) > SHOWN else ""
    # Names that nobody has are locked out too, which is nobody's trouble.
    names = read(site, lambda connection: existing(connection, {one.username for one in locked}))
    remedy = [chat_server(site, "users", "unlock", name) for name in names[:SHOWN]]
    return Finding(
        "warning",
        f"locked out after too many failed logins: {told}{more}",
        "\n".join([*remedy, "It passes by itself at the time shown."]),
    )


def rate_limits(site: Site) -> Finding:
    """Whether anything stops who tries without end, and what has been stopped."""
    limits = settings(site).rate_limit
    if not limits.enabled:
        return Finding(
            "warning",
            "[rate_limit] enabled is false: nothing stops who guesses passwords or floods the server",
            change(site, "[rate_limit] enabled = true", reloaded=True),
        )
    wide = [one for one in limits.exempt_networks if _is_wide(one)]
    if wide:
        return Finding(
            "warning",
            f"[rate_limit] exempt_networks lets {', '.join(wide)} do without limits, which is very many",
            change(site, "only load tests and monitors into [rate_limit] exempt_networks", reloaded=True),
        )
    seen = (
        f"{limits.max_requests_per_minute} requests a minute per address, {limits.max_auth_attempts} failed logins "
        f"{_window(site)}, {limits.messages_per_minute} messages a minute per person"
    )
    try:
        counted = figures(site)
    except CannotLookError:
        return Finding("ok", seen)
    kinds = ("request", "login", "frame")
    refused = ", ".join(f"{counted.total('chat_rate_limited_total', kind=kind)} {kind}s" for kind in kinds)
    return Finding("ok", f"{seen}; refused for that {counted.since()}: {refused}")


def sessions(site: Site) -> Finding:
    """Whether tokens and sessions last long enough to stay signed in, and whether refreshing works."""
    auth = settings(site).auth
    seen = f"a token lasts {auth.token_expiry_seconds} s, an unused session {auth.session_idle_seconds} s"
    if auth.token_expiry_seconds < SHORT_TOKEN_SECONDS:
        key, value = "token_expiry_seconds", 3600
    elif auth.session_idle_seconds < SHORT_SESSION_SECONDS:
        key, value = "session_idle_seconds", 30 * 24 * 3600
    else:
        return _refreshes(site, seen)
    return Finding(
        "warning",
        f"{seen}: so short that people are signed out while they chat, or overnight",
        change(site, f"[auth] {key} = {value}"),
    )


def clock(site: Site) -> Finding:
    """Whether something keeps the clock right."""
    shown = run("timedatectl", "show", "--property=NTP", "--property=NTPSynchronized")
    if shown is None or shown.code:
        raise CannotLookError(
            f"whether the clock is kept right is not known here: timedatectl does not answer{_time(site)}"
        )
    facts = dict(line.partition("=")[::2] for line in shown.text.splitlines())
    if facts.get("NTPSynchronized") == "yes":
        return Finding("ok", f"the clock is kept right from outside{_time(site)}")
    if facts.get("NTP") == "yes":
        remedy = "sudo systemctl status systemd-timesyncd\nIt needs a way out to a time server, UDP port 123."
    else:
        remedy = "sudo apt install systemd-timesyncd && sudo timedatectl set-ntp true"
    return Finding(
        "warning",
        f"nothing keeps the clock right{_time(site)}; when it jumps, tokens end early or are not valid yet",
        remedy,
    )


def _refreshes(site: Site, seen: str) -> Finding:
    try:
        counted = figures(site)
    except CannotLookError:
        return Finding("ok", seen)
    name, route = "chat_http_requests_total", "/auth/refresh"
    done, refused = (counted.total(name, route=route, status=status) for status in ("200", "401"))
    seen += f"; refreshed {counted.since()}: {done}, refused: {refused}"
    if reused := [line for line in site.journal if tells(line, "token reused, its session ends")]:
        return Finding(
            "warning",
            f"{seen}; in the last hour {len(reused)} sessions were ended because an old token was used again: "
            "it was copied, or a client keeps an old one",
            "sudo journalctl -u chat-server --since=-1h | grep 'token reused'",
        )
    if refused / counted.hours >= MANY_REFRESHES_REFUSED_AN_HOUR and refused > done:
        return Finding(
            "warning",
            f"{seen}: clients ask with tokens of sessions that are over",
            "Was [auth] jwt_secret changed, or an old database restored? Then everybody has to log in again.",
        )
    return Finding("ok", seen)


def _deleted(site: Site) -> str:
    try:
        [count] = read(site, _count_deleted)
    except (CannotLookError, DamageError):
        return ""
    return f"; deleted accounts, which nobody can log in to: {count}"


def _count_deleted(connection: Any) -> Any:  # noqa: ANN401
    yield from (row[0] for row in connection.execute("SELECT count(*) FROM users WHERE deleted_at IS NOT NULL"))


def _locked(one: Locked) -> str:
    who = f"{one.username or 'every name'} from {one.address or 'anywhere'}"
    return f"{who} until {datetime.fromtimestamp(one.until / 1000).astimezone():%H:%M:%S}"


def _most(counter: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counter.most_common(SHOWN))


def _window(site: Site) -> str:
    return f"within {site.config.rate_limit.auth_window_seconds} s"


def _is_wide(network: str) -> bool:
    parsed = ipaddress.ip_network(network)
    return parsed.prefixlen < WIDE_PREFIX[parsed.version]


def _time(site: Site) -> str:
    return f" (it is {datetime.fromtimestamp(site.now / 1000).astimezone():%Y-%m-%d %H:%M:%S %Z} here)"


QUESTIONS: Final[Sequence[Question]] = (
    Question("logins", ("3.1", "3.3"), logins),
    Question("lockouts", ("3.2",), lockouts),
    Question("rate-limits", ("3.2", "5.1"), rate_limits),
    Question("sessions", ("3.4",), sessions),
    Question("clock", ("2.1", "3.4"), clock),
)
