"""Chapter 6: whether a browser gets the page, and any client a connection that it trusts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from chat_server.operations.doctor.certificate import (
    EXPIRED,
    OTHER_NAME,
    SELF_SIGNED,
    UNKNOWN_ISSUER,
    Certificate,
    presented,
)
from chat_server.operations.doctor.commands import restart
from chat_server.operations.doctor.exchange import (
    Answer,
    NoAnswerError,
    Place,
    UnknownNameError,
    ask,
    here,
)
from chat_server.operations.doctor.front import entrance, front, leads_elsewhere, public
from chat_server.operations.doctor.report import CannotLookError, Finding, Question
from chat_server.operations.doctor.site import Site

DAY_MS: Final = 24 * 3600 * 1000
SOON_DAYS: Final = 14
MOST_PARTS: Final = 50
REINSTALL: Final = "sudo apt install --reinstall chat-server"
EVERY_PATH: Final = "The proxy has to pass every path on, not only some."
LOADED: Final = re.compile(r'(?:src|href)="([^":#]+\.(?:js|css))"')
POLICY: Final = "Content-Security-Policy"
RENEW: Final = "sudo certbot renew && sudo systemctl reload nginx"
GET: Final = 'Get one: docs/deployment.md, "A certificate"; with Ansible by chat_proxy_tls: letsencrypt.'
RENEWAL: Final = "Does the renewal run? systemctl list-timers certbot.timer; sudo journalctl -u certbot"
NAME_REMEDY: Final = "Give the name an address where your domain is managed, or correct [server] public_url."
WAY_REMEDY: Final = "Does the proxy run, and do firewall and router let people in? See chapter 7."


def page(site: Site) -> Finding:
    """Whether the page comes, with all that it loads and a policy that lets it run."""
    if missing := _missing():
        return Finding(
            "failure",
            f"of the page's files {', '.join(missing)} is missing: no server starts without it",
            f"{REINSTALL}\n{restart(site)}",
        )
    local = here(site.config.server)
    try:
        given = ask(local, "/")
        place = entrance(site) if site.config.server.public_url else local
        met = ask(place, "/") if place != local else given
    except NoAnswerError as error:
        raise CannotLookError(f"no page to look at: {error}") from None
    if not _is_page(given):
        return Finding(
            "failure",
            f"{local.asked('/')} answers {given.status}, and no page",
            REINSTALL,
        )
    if not _is_page(met) or met.body != given.body:
        return Finding(
            "failure",
            f"{place.asked('/')} shows another page than the server's own, {local.url('/')}: the proxy leads elsewhere",
            f"curl -i {place.url('/')}\n{EVERY_PATH}",
        )
    if met.values(POLICY) != given.values(POLICY):
        where = _where_added(site, POLICY)
        return Finding(
            "warning",
            f"{place.asked('/')} comes with {len(met.values(POLICY))} headers {POLICY}, other than the server's one: "
            f"the page may not be allowed to run{where}",
            f"Remove the proxy's own add_header {POLICY}{where}, then: sudo nginx -t && sudo systemctl reload nginx",
        )
    if broken := [f"{path} ({status})" for path, status in _parts(place, met) if status != HTTPStatus.OK]:
        return Finding(
            "failure",
            f"{place.asked('/')} comes, but not what it loads: {', '.join(broken)}",
            f"curl -i {place.url('/' + broken[0].partition(' ')[0])}\n{EVERY_PATH}",
        )
    return Finding("ok", f"{place.asked('/')} shows the page, and what it loads comes too")


def certificate(site: Site) -> Finding:
    """Whether clients trust the certificate, and for how long."""
    place = entrance(site)
    if place.scheme == "http":
        return Finding(
            "warning",
            f"{place.url()} is not https: passwords and messages can be read on the way",
            "Give the proxy a certificate (docs/deployment.md), then write https in [server] public_url.",
        )
    try:
        shown = presented(place)
    except NoAnswerError as error:
        raise CannotLookError(f"no certificate to look at: {error}") from None
    left = (shown.ends_at - site.now) / DAY_MS
    term = f"ends in {left:.0f} days" if shown.ends_at else ""
    if shown.fault:
        return _distrusted(place, shown, term)
    if left < SOON_DAYS:
        return Finding(
            "warning", f"the certificate of {place.url()} {term}, and was to be renewed by now", f"{RENEW}\n{RENEWAL}"
        )
    return Finding("ok", f"the certificate of {place.url()} is trusted, names it, and {term}")


def reach(site: Site) -> Finding:
    """Whether the server answers where people look for it: through the proxy of this host, and by its name."""
    place, near = public(site), entrance(site)
    try:
        answer = ask(near, "/health")
    except UnknownNameError as error:
        return Finding("failure", str(error), f"getent hosts {place.host}\n{NAME_REMEDY}")
    except NoAnswerError as error:
        if leads_elsewhere(site, near) and _is_well(site):
            return _from_inside_perhaps(place, f"{here(site.config.server).asked('/health')} is well", error)
        return Finding("failure", str(error), f"curl -i {place.url('/health')}\n{WAY_REMEDY}")
    seen = f"{near.asked('/health')} answers {answer.status}"
    if answer.status != HTTPStatus.OK or b'"healthy"' not in answer.body:
        direct = here(site.config.server)
        return Finding(
            "failure", f"{seen}, not that all is well", f"Ask the server itself: curl -i {direct.url('/health')}"
        )
    if near == place:
        return Finding("ok", f"{seen}: all is well")
    return _by_name(place, f"{seen}: all is well")


def _by_name(place: Place, seen: str) -> Finding:
    try:
        answer = ask(place, "/health")
    except UnknownNameError:
        return Finding(
            "warning",
            f"{seen}; but the name {place.host} leads to no address, as far as this machine knows",
            f"getent hosts {place.host}\n{NAME_REMEDY}",
        )
    except NoAnswerError as error:
        return _from_inside_perhaps(place, seen, error)
    if answer.status != HTTPStatus.OK:
        return Finding(
            "warning",
            f"{seen}; but by its name {answer.status} is answered: does {place.host} lead to this machine?",
            f"getent hosts {place.host}\n{NAME_REMEDY}",
        )
    return Finding("ok", f"{seen}, also by its name")


def _from_inside_perhaps(place: Place, seen: str, error: NoAnswerError) -> Finding:
    return Finding(
        "warning",
        f"{seen}; but not by its name: {error}. Behind some routers that is so from inside only",
        f"Try it from another network: curl -i {place.url('/health')}\n{WAY_REMEDY}",
    )


def _is_well(site: Site) -> bool:
    """Whether the server itself says that all is well."""
    try:
        answer = ask(here(site.config.server), "/health")
    except NoAnswerError:
        return False
    return answer.status == HTTPStatus.OK and b'"healthy"' in answer.body


def _distrusted(place: Place, shown: Certificate, term: str) -> Finding:
    whose = f"the certificate of {place.url()}"
    if shown.fault == EXPIRED:
        return Finding("failure", f"{whose} has expired: no client connects", f"{RENEW}\n{RENEWAL}")
    if shown.fault in OTHER_NAME:
        named = ", ".join(shown.names) or "no name"
        return Finding(
            "failure",
            f"{whose} is for {named}: no client connects",
            f"{GET}\nOr correct [server] public_url.",
        )
    if shown.fault in SELF_SIGNED:
        return Finding(
            "warning",
            f"{whose} is self-signed and {term}: browsers warn, and programs refuse, unless told to trust it",
            GET,
        )
    if shown.fault in UNKNOWN_ISSUER:
        return Finding(
            "warning",
            f"{whose} {term}, and its issuer is not known here: the chain is incomplete, or the authority your own",
            "nginx's ssl_certificate has to name the file with the whole chain, fullchain.pem.",
        )
    return Finding("failure", f"{whose} is not trusted: {shown.reason}", RENEW)


def _missing() -> list[str]:
    """Of the page's files those that are not on the disk, where a server takes them from as it starts."""
    folder = files("chat_server") / "web"
    index = folder / "index.html"
    if not index.is_file():
        return [str(index)]
    loaded = [folder / path.rpartition("/")[2] for path in LOADED.findall(index.read_text())]
    return [str(file) for file in loaded if not file.is_file()]


def _is_page(answer: Answer) -> bool:
    kinds = answer.values("Content-Type")
    return answer.status == HTTPStatus.OK and bool(kinds) and kinds[0].startswith("text/html")


def _parts(place: Place, page: Answer) -> list[tuple[str, int]]:
    """What the page loads, and how each was answered."""
    paths = LOADED.findall(page.body.decode(errors="replace"))[:MOST_PARTS]
    return [(path, ask(place, f"/{path.lstrip('/')}").status) for path in paths]


def _where_added(site: Site, header: str) -> str:
    try:
        proxy = front(site)
    except CannotLookError:
        return ""
    location = proxy.server.location("/") if proxy else None
    where = location.adds_header(header) if location else ""
    return f" ({where})" if where else ""


QUESTIONS: Final[Sequence[Question]] = (
    Question("page", ("6.1",), page),
    Question("certificate", ("6.2",), certificate),
    Question("reach", ("6.2", "7.1"), reach),
)
