"""Chapter 7: whether people outside reach this host, and only as they should."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from chat_server.operations.doctor.commands import restart
from chat_server.operations.doctor.entrances import entrances, public_ports
from chat_server.operations.doctor.exchange import Answer, NoAnswerError, Place, ask, here
from chat_server.operations.doctor.firewall import ANYWHERE, Firewall, Rule, firewall
from chat_server.operations.doctor.front import Front, entrance, front, is_loopback, own_addresses, public, resolved
from chat_server.operations.doctor.processes import listeners
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.settings import change, settings
from chat_server.operations.doctor.site import Site
from chat_server.security.addresses import Networks

ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
FOREIGN: Final = "https://a-page-of-another-site.invalid"
MOST_ORIGINS: Final = 5
SHOWN: Final = 5
MOST_ADDRESSES: Final = 8
WHOLE_INTERNET: Final = 8
FORWARDED: Final = "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
RELOAD: Final = "sudo nginx -t && sudo systemctl reload nginx"


def outside(site: Site) -> Finding:
    """Whether the firewall lets people in, at the ports that they come to."""
    rules = firewall(site)
    ports = entrances(site)
    if not rules.active:
        return Finding(
            "ok", f"ufw is inactive: it keeps nobody out of port {_listed(ports)}, nor of any other of this host"
        )
    shut = [(port, by) for port, (is_open, by) in ((port, rules.verdict(port)) for port in ports) if not is_open]
    some = {port: admitted for port, _ in shut if (admitted := rules.admitted(port))}
    closed = [(port, by) for port, by in shut if port not in some]
    if not closed:
        return _past_the_proxy(site, rules, ports) or Finding("ok", _let_in(ports, some))
    why = "; ".join(f"port {port}: {f'rule {by}' if by else 'no rule allows it'}" for port, by in closed)
    remedy = "\n".join(dict.fromkeys(line for port, by in closed for line in _opening(port, by)))
    if [port for port, _ in closed] == [80] != ports:
        seen = (
            f"ufw keeps everybody out at port 80, where certificates are renewed and links without https lead ({why})"
        )
        return Finding("warning", seen, remedy)
    return Finding("failure", f"ufw keeps everybody out where people come in ({why})", remedy)


def denied(site: Site) -> Finding:
    """Whether the addresses that somebody shut out are shut out."""
    rules = firewall(site)
    if not rules.active:
        return Finding("ok", "ufw is inactive: it shuts nobody out")
    shut_out = rules.denied()
    told = ", ".join(rule.source for rule, _ in shut_out[:SHOWN]) + (", …" if len(shut_out) > SHOWN else "")
    seen = f"addresses that ufw shuts out: {len(shut_out)}" + (f" ({told})" if shut_out else "")
    overruled = [(rule, before) for rule, before in shut_out if before]
    if overruled:
        rule, before = overruled[0]
        by = max(before, key=lambda one: any(one.covers(port) for port in public_ports(site)))
        remedy = [line for one, _ in overruled[:SHOWN] for line in _shutting_out(one)]
        return Finding(
            "warning",
            f"{seen}; {len(overruled)} of them come in nevertheless: the rule '{by}' stands before '{rule}', and the "
            "first that fits decides",
            "\n".join(remedy),
        )
    return Finding("ok", seen)


def listening(site: Site) -> Finding:
    """Whether the server listens where people, or the proxy, look for it."""
    server = settings(site).server
    found = sorted({_with_port(listener.address, server.port) for listener in listeners(server.port)})
    where = ", ".join(found) if found else f"nowhere now; told to at {_with_port(server.host, server.port)}"
    seen = f"listens at {where}"
    if not is_loopback(server.host):
        return Finding("ok", f"{seen}, open to the network")
    if server.public_url or _front_or_none(site):
        return Finding("ok", f"{seen}: for this machine only, and the proxy is to pass people on")
    return Finding(
        "warning",
        f"{seen}: for this machine only, and nothing tells of a proxy: nobody else reaches it",
        change(site, '[server] host = "0.0.0.0"; or, where a proxy is, its address as [server] public_url'),
    )


def addresses(site: Site) -> Finding:
    """Which addresses this machine has, and whether the public name leads to one of them."""
    own = [one for one in map(ipaddress.ip_address, own_addresses()) if not (one.is_loopback or one.is_link_local)]
    named = [f"{one} ({'private' if one.is_private else 'public'})" for one in own]
    told = ", ".join(named[:MOST_ADDRESSES]) or "none but loopback"
    told += f" and {len(named) - MOST_ADDRESSES} more" if len(named) > MOST_ADDRESSES else ""
    seen = f"this machine's addresses: {told}"
    routed = not any(one.is_global for one in own)
    ports = _listed(public_ports(site))
    if routed:
        seen += f"; from the internet a router has to forward port {ports} to it"
    if not site.config.server.public_url:
        return Finding("ok", seen)
    place = public(site)
    leads_to = resolved(place.host)
    seen += f"; {place.host} leads to {', '.join(leads_to) or 'no address'}"
    if routed or {str(one) for one in own} & set(leads_to) or any(is_loopback(one) for one in leads_to):
        return Finding("ok", seen)
    return Finding(
        "warning",
        f"{seen}, none of which is this machine's",
        f"Is that a proxy or load balancer of yours? If not, correct the name where your domain is managed:\n"
        f"getent hosts {place.host}",
    )


def trusted_proxies(site: Site) -> Finding:
    """Whether the server tells people apart who come through the proxy."""
    proxies = settings(site).server.trusted_proxies
    trusted = Networks(proxies)
    wide = [one for one in proxies if ipaddress.ip_network(one).prefixlen < WHOLE_INTERNET]
    if wide:
        return Finding(
            "failure",
            f"[server] trusted_proxies believes {', '.join(wide)}: anybody can claim any address, and no limit holds",
            change(site, "the proxies alone into [server] trusted_proxies"),
        )
    proxy = front(site)
    if proxy is None:
        named = ", ".join(proxies) or "none"
        return Finding("ok", f"no nginx of this host passes people on to the server; proxies trusted: {named}")
    if "127.0.0.1" not in trusted:
        return Finding(
            "failure",
            f"nginx ({proxy.server.block.where}) passes people on, but [server] trusted_proxies does not name "
            "127.0.0.1: all share its address, so that one who guesses passwords or floods locks everybody out",
            change(site, '[server] trusted_proxies = ["127.0.0.1", "::1"]'),
        )
    silent = [path for path in ("/", "/socket") if not _tells_address(proxy, path)]
    if silent:
        location = proxy.server.location(silent[0])
        return Finding(
            "failure",
            f"nginx does not say for whom it asks at {' and '.join(silent)}: all share one address, so that one who "
            "guesses passwords or floods locks everybody out",
            f"In {location.where if location else proxy.server.block.where}:\n    {FORWARDED}\n{RELOAD}",
        )
    return Finding("ok", "nginx says for whom it asks, and the server believes it")


def cors(site: Site) -> Finding:
    """Whether browsers let the pages of configured origins in, and no others."""
    origins = settings(site).server.cors_origins
    place = entrance(site) if site.config.server.public_url else here(site.config.server)
    try:
        told = {origin: _told(place, origin) for origin in (*origins[:MOST_ORIGINS], FOREIGN)}
    except NoAnswerError as error:
        raise CannotLookError(f"no answers to look at: {error}") from None
    where = _where_added(site)
    mend = f"Remove the proxy's own add_header {ALLOW_ORIGIN}{where}; the server says it.\n{RELOAD}"
    if {"*", FOREIGN} & set(told[FOREIGN]):
        return Finding(
            "failure", f"{place.url()} lets the pages of any site in ({ALLOW_ORIGIN}: {told[FOREIGN][0]})", mend
        )
    wrong = {origin: values for origin, values in told.items() if origin != FOREIGN and values != [origin]}
    for origin, values in wrong.items():
        if values:
            seen = (
                f"{place.url()} answers {origin} with {ALLOW_ORIGIN}: {', '.join(values)}, where browsers want it once"
            )
            return Finding("failure", seen, mend)
        return Finding(
            "failure",
            f"{place.url()} does not let pages of {origin} in, which [server] cors_origins names",
            f"Was that written since the server started?\n{restart(site)}\n"
            "Does the proxy answer OPTIONS itself? It has to pass that on.",
        )
    named = ", ".join(origins) if origins else "none beside the server's own"
    return Finding("ok", f"pages that may call the API from a browser: {named}")


def _let_in(ports: Sequence[int], some: Mapping[int, Sequence[Rule]]) -> str:
    """Who comes in at ports that are open to everybody, and at those that are open to some."""
    everybody = [port for port in ports if port not in some]
    told = [f"everybody in at port {_listed(everybody)}"] if everybody else []
    for port, rules in some.items():
        named = list(dict.fromkeys(rule.whom for rule in rules))
        more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        told.append(f"people in at port {port} from these addresses only: {', '.join(named[:SHOWN])}{more}")
    return f"ufw lets {'; and '.join(told)}"


def _listed(ports: Sequence[int]) -> str:
    return " and ".join(str(port) for port in ports)


def _opening(port: int, by: Rule | None) -> list[str]:
    """The commands that let everybody in at a port which that rule closes, or the default."""
    allow = f"sudo ufw allow {port}/tcp"
    if by is None:
        return [allow]
    about = "from any" if by.to == ANYWHERE else by.to.lower()
    return [f"sudo ufw delete {by.action.lower()} {about}", allow]


def _shutting_out(rule: Rule) -> list[str]:
    """The commands that put a rule against an address before all others; ufw keeps one that is there where it is."""
    is_same = rule.to == ANYWHERE and rule.action == "DENY"
    undo = [f"sudo ufw delete deny from {rule.source}"] if is_same else []
    return [*undo, f"sudo ufw prepend deny from {rule.source}"]


def _past_the_proxy(site: Site, rules: Firewall, ports: Sequence[int]) -> Finding | None:
    """The server's own port, open beside the proxy's, speaks without TLS."""
    port = site.config.server.port
    if port in ports or is_loopback(site.config.server.host) or not rules.verdict(port)[0]:
        return None
    _, by = rules.verdict(port)
    undo = f"sudo ufw delete allow {by.to.lower()}" if by and by.to != ANYWHERE else f"sudo ufw deny {port}/tcp"
    return Finding(
        "warning",
        f"ufw lets everybody in at port {port} too, past the proxy: passwords sent there can be read on the way",
        undo,
    )


def _told(place: Place, origin: str) -> list[str]:
    """How pages of an origin are let in: the answer that a browser minds where one of the two does, else either."""
    asked = (_preflight(place, origin), ask(place, "/health", headers={"Origin": origin}))
    before, then = (answer.values(ALLOW_ORIGIN) for answer in asked)
    wanted = [] if origin == FOREIGN else [origin]
    return then if before == wanted else before


def _preflight(place: Place, origin: str) -> Answer:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answer = ask(place, "/auth/login", method="OPTIONS", headers=asked)
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise NoAnswerError(f"{place.url()} answers {answer.status}")
    return answer


def _where_added(site: Site) -> str:
    proxy = _front_or_none(site)
    location = proxy.server.location("/auth/login") if proxy else None
    where = location.adds_header(ALLOW_ORIGIN) if location else ""
    return f" ({where})" if where else ""


def _tells_address(proxy: Front, path: str) -> bool:
    location = proxy.server.location(path)
    # One that leads elsewhere is no concern of the server's.
    return location is None or not location.targets() or "x-forwarded-for" in location.headers()


def _front_or_none(site: Site) -> Front | None:
    try:
        return front(site)
    except CannotLookError:
        return None


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


QUESTIONS: Final[Sequence[Question]] = (
    Question("firewall", ("7.1", "2.3"), outside),
    Question("denied-addresses", ("5.1",), denied),
    Question("listening", ("7.2",), listening),
    Question("addresses", ("7.3",), addresses),
    Question("trusted-proxies", ("2.4", "3.2", "5.1"), trusted_proxies),
    Question("cors", ("7.4",), cors),
)
