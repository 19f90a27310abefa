"""Chapter 2: whether WebSockets open, here and through the proxy, and whether they stay open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from chat_server.operations import probe
from chat_server.operations.doctor import nginx
from chat_server.operations.doctor.commands import restart, systemctl
from chat_server.operations.doctor.exchange import (
    Answer,
    NoAnswerError,
    Place,
    RefusedConnectionError,
    here,
    upgrade,
)
from chat_server.operations.doctor.figures import figures
from chat_server.operations.doctor.front import Front, entrance, front, leads_elsewhere
from chat_server.operations.doctor.journal import events
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site, run

MANY_INVALID_AN_HOUR: Final = 20
MANY_MISSED: Final = 5
MANY_ADDRESSES: Final = 5
# ngx_http_proxy_module's own, where a configuration says nothing.
NGINX_TIMEOUT_SECONDS: Final = 60

RELOAD: Final = "sudo nginx -t && sudo systemctl reload nginx"
UPGRADE_LINES: Final = (
    "proxy_http_version 1.1;",
    "proxy_set_header Upgrade $http_upgrade;",
    'proxy_set_header Connection "upgrade";',
)


def tokens(site: Site) -> Finding:
    """How many tokens were refused, and why."""
    counted = figures(site)
    reasons = ("missing", "invalid", "expired", "ended", "reused")
    refused = {reason: counted.total("chat_tokens_refused_total", reason=reason) for reason in reasons}
    parts = ", ".join(f"{count} {reason}" for reason, count in refused.items())
    seen = f"tokens refused {counted.since()}: {parts}"
    if refused["invalid"] / counted.hours >= MANY_INVALID_AN_HOUR:
        return Finding(
            "warning",
            f"{seen}: what is invalid was signed with another secret, or made up",
            "Was [auth] jwt_secret changed? Then everybody has to log in again, and this ends.\n"
            'Else see who sends them: write [server] log_level = "debug", then\n'
            f"{systemctl('reload')}; sudo journalctl -u chat-server -f | grep status=401",
        )
    return Finding("ok", seen)


def local_upgrade(site: Site) -> Finding:
    """Whether the server itself answers who asks for a WebSocket."""
    place = here(site.config.server)
    listener = f"sudo ss -ltnp 'sport = :{place.port}'"
    try:
        answer = upgrade(place)
    except RefusedConnectionError as error:
        raise CannotLookError(f"no server to ask: {error}") from None
    except NoAnswerError as error:
        return Finding("failure", str(error), f"Is it the server that listens there?\n{listener}\n{restart(site)}")
    if _is_our_refusal(answer):
        return Finding("ok", f"{place.asked('/socket')} asks for a token, as it should")
    seen = f"{place.asked('/socket')} answers {_named(answer)} to an upgrade, where a chat-server says 401"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Finding("warning", f"{seen}: this machine's own address has asked too often", "Ask again in a minute.")
    if answer.error:
        return Finding("warning", f"{seen} ({answer.error})", "sudo journalctl -u chat-server --since=-10min")
    return Finding("failure", f"{seen}: another program has the port", listener, entry="1.1")


def proxy_upgrade(site: Site) -> Finding:
    """Whether an upgrade comes through where people come in."""
    place, proxy = entrance(site), _front_or_none(site)
    if proxy and not proxy.running:
        return Finding(
            "failure",
            f"nginx is to pass people on to the server ({proxy.server.block.where}), and does not run{_nginx_state()}",
            "sudo nginx -t && sudo systemctl start nginx",
        )
    try:
        answer = upgrade(place)
    except NoAnswerError as error:
        if leads_elsewhere(site, place) and _asks_for_a_token(here(site.config.server)):
            return Finding(
                "warning",
                f"the server takes upgrades; but not by its name: {error}. Behind some routers that is so from inside "
                "only",
                f"Try it from another network: curl -i {place.url('/socket')}\n{_ways_to_look(proxy)[0]}",
                entry="6.2",
            )
        return Finding("failure", str(error), "\n".join(_ways_to_look(proxy)), entry="6.2")
    if _is_our_refusal(answer):
        return Finding("ok", f"{place.asked('/socket')} passes the upgrade on to the server")
    seen = f"{place.asked('/socket')} answers {_named(answer)} to an upgrade, where the server says 401"
    return _judged(site, proxy, answer, seen)


def heartbeats(site: Site) -> Finding:
    """Whose sockets were closed because nothing was heard from them."""
    missed = events(site, "heartbeat missed")
    users = Counter(one.get("user", "-") for one in missed)
    addresses = Counter(one.get("address", "-") for one in missed)
    running = probe.running(site.config.server)
    still = f", open now: {running.connected_sockets}" if running else ""
    seen = (
        f"sockets closed in the last hour for want of a heartbeat: {len(missed)} "
        f"(people: {len(users)}, addresses: {len(addresses)}{still})"
    )
    if len(missed) < MANY_MISSED or (running and len(missed) < running.connected_sockets / 10):
        return Finding("ok", seen)
    worst, times = addresses.most_common(1)[0]
    if len(addresses) < MANY_ADDRESSES:
        return Finding(
            "warning",
            f"{seen}, {times} of them at {worst}",
            "Few clients, so theirs is the trouble: a client that answers no PING, or a poor link.\n"
            f"ping -c 100 {worst}",
        )
    return Finding(
        "warning",
        f"{seen}: so many places at once have the network between them and this host in common",
        f"mtr -r -c 100 {worst}\nIs this machine itself overloaded? uptime; vmstat 1 5",
        entry="2.6",
    )


def proxy_timeouts(site: Site) -> Finding:
    """Whether nginx waits for longer than the heartbeat takes."""
    proxy = front(site)
    if proxy is None:
        raise CannotLookError(
            "no nginx of this host passes people on to the server; a proxy elsewhere has to keep idle sockets for 60 s"
        )
    location = proxy.socket
    if location is None:
        raise CannotLookError(f"the server block at {proxy.server.block.where} has no location for /socket")
    beat = site.config.websocket
    least = 2 * beat.heartbeat_seconds + beat.heartbeat_timeout_seconds
    waits = {
        name: nginx.seconds(location.setting(name), NGINX_TIMEOUT_SECONDS)
        for name in ("proxy_read_timeout", "proxy_send_timeout")
    }
    told = " and ".join(f"{name} {seconds:g} s" for name, seconds in waits.items())
    seen = f"nginx ({location.where}) keeps an idle socket for {told}; the server's PING comes every "
    seen += f"{beat.heartbeat_seconds} s"
    if min(waits.values()) >= least:
        return Finding("ok", seen)
    lines = "\n".join(f"    {name} 300s;" for name, seconds in waits.items() if seconds < least)
    return Finding(
        "warning", f"{seen}, so it should wait for {least} s at least", f"{_inside(location)}\n{lines}\n{RELOAD}"
    )


def _judged(site: Site, proxy: Front | None, answer: Answer, seen: str) -> Finding:
    """What an answer of the proxy's means."""
    location = proxy.socket if proxy else None
    match answer.status:
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UPGRADE_REQUIRED:
            lines = _missing_lines(location)
            what = f"; {location.where} lacks {', '.join(lines)}" if location and lines else ""
            where = _inside(location) if location else "In the proxy's block for /socket, such as nginx's:"
            remedy = "\n".join([where, *(f"    {line}" for line in lines or UPGRADE_LINES), RELOAD])
            return Finding("failure", f"{seen}: the proxy drops the headers that ask for it{what}", remedy)
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.GATEWAY_TIMEOUT | HTTPStatus.SERVICE_UNAVAILABLE:
            return _not_reached(site, location, seen)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Finding(
                "warning", f"{seen}: too many requests from this machine's address", "Ask again in a minute."
            )
        case HTTPStatus.NOT_FOUND:
            return Finding("failure", f"{seen}: the proxy leads /socket elsewhere", "\n".join(_ways_to_look(proxy)))
        case status if 300 <= status < 400:
            to = ", ".join(answer.values("Location"))
            return Finding(
                "failure",
                f"{seen}: it sends people on to {to}",
                f"If that is right, set [server] public_url in {site.config_path} to it, and run doctor again.",
                entry="6.2",
            )
        case _:
            return Finding("failure", f"{seen}: somebody else answers", "\n".join(_ways_to_look(proxy)))


def _not_reached(site: Site, location: nginx.Location | None, seen: str) -> Finding:
    ours = here(site.config.server)
    if probe.running(site.config.server) is None:
        return Finding("failure", f"{seen}: no server answers at {ours} to pass people on to", restart(site))
    leads = (
        "".join(f" ({location.where} leads to {host}:{port})" for host, port in location.targets()) if location else ""
    )
    return Finding(
        "failure",
        f"{seen}: the proxy does not reach the server{leads}, which listens at {ours}",
        f"curl -i {ours.url('/health')}\nsudo tail /var/log/nginx/error.log",
    )


def _missing_lines(location: nginx.Location | None) -> Sequence[str]:
    if location is None:
        return UPGRADE_LINES
    headers = location.headers()
    present = (
        location.setting("proxy_http_version") == ("1.1",),
        headers.get("upgrade", "").lower() in {"$http_upgrade", "websocket"},
        headers.get("connection", "").lower() == "upgrade" or headers.get("connection", "").startswith("$"),
    )
    return [line for line, there in zip(UPGRADE_LINES, present, strict=True) if not there]


def _asks_for_a_token(place: Place) -> bool:
    try:
        return _is_our_refusal(upgrade(place))
    except NoAnswerError:
        return False


def _is_our_refusal(answer: Answer) -> bool:
    return answer.status == HTTPStatus.UNAUTHORIZED and answer.error == "UNAUTHORIZED"


def _named(answer: Answer) -> str:
    """Such as "426 Upgrade Required"."""
    try:
        return f"{answer.status} {HTTPStatus(answer.status).phrase}"
    except ValueError:
        return str(answer.status)


def _inside(location: nginx.Location) -> str:
    file, _, line = location.where.rpartition(":")
    return f"In {file}, inside the location at line {line}:"


def _ways_to_look(proxy: Front | None) -> Sequence[str]:
    if proxy is None:
        return ["Does the proxy run, and does it pass everything on to the server? Its own log tells."]
    return [
        f"sudo nginx -T | less   # the server block is {proxy.server.block.where}",
        "sudo tail /var/log/nginx/error.log",
    ]


def _front_or_none(site: Site) -> Front | None:
    try:
        return front(site)
    except CannotLookError:
        return None


def _nginx_state() -> str:
    shown = run("systemctl", "is-active", "nginx")
    return f" (systemd: {shown.text.strip()})" if shown and shown.text.strip() else ""


QUESTIONS: Final[Sequence[Question]] = (
    Question("tokens", ("2.1", "3.4"), tokens),
    Question("upgrade", ("2.2",), local_upgrade),
    Question("proxy-upgrade", ("2.4",), proxy_upgrade),
    Question("heartbeats", ("2.5", "2.6"), heartbeats),
    Question("proxy-timeouts", ("2.7",), proxy_timeouts),
)
