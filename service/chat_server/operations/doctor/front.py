"""The way people come in: the public address, and the nginx of this host that stands before the server."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import psutil

from chat_server.operations.doctor import nginx
from chat_server.operations.doctor.exchange import Place, here
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.settings import settings
from chat_server.operations.doctor.site import Site


@dataclass(frozen=True, slots=True)
class Front:
    """The server block of nginx that people meet, and whether nginx runs."""

    server: nginx.Server
    running: bool

    @property
    def socket(self) -> nginx.Location | None:
        """What serves /socket."""
        return self.server.location("/socket")


def public(site: Site) -> Place:
    """Where people reach the server, by its name. Raises CannotLookError where that is not configured."""
    url = settings(site).server.public_url
    if not url:
        raise CannotLookError("[server] public_url does not say where people reach the server, so it can't be tried")
    return Place.of(url)


def entrance(site: Site) -> Place:
    """The same, but asked of the nginx of this host where there is one: whatever routers and names do outside.

    Raises CannotLookError.
    """
    place = public(site)
    try:
        found = front(site)
    except CannotLookError:
        return place
    if found is None or not found.running:
        return place
    listening = [address for address, port in found.server.listens() if port == place.port]
    return place.at(listening[0] or "127.0.0.1") if listening else place


def front(site: Site) -> Front | None:
    """The nginx of this host before the server; None without one.

    Raises CannotLookError where the configuration of nginx can't be read.
    """
    server = settings(site).server
    place = Place.of(server.public_url) if server.public_url else None
    ours = sorted({"localhost", here(server).connect_to, server.host, *own_addresses()})

    def merits(block: nginx.Server) -> tuple[bool, bool, bool]:
        return (
            any(one.leads_to(ours, server.port) for one in block.locations),
            place is not None and block.answers_to(place.host),
            place is not None and place.port in {port for _, port in block.listens()},
        )

    best = max(nginx.servers(), key=merits, default=None)
    if best is None or not any(merits(best)[:2]):
        return None
    return Front(best, running=bool(nginx.masters()))


def own_addresses() -> list[str]:
    """The addresses of this machine, loopback included, without those that hold on one link only."""
    internet = {socket.AF_INET, socket.AF_INET6}
    found = [one for addresses in psutil.net_if_addrs().values() for one in addresses if one.family in internet]
    return [one.address for one in found if "%" not in one.address]


def resolved(name: str) -> list[str]:
    """The addresses that a name leads to; none where it leads nowhere."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(address[0]) for *_, address in found})


def is_loopback(host: str) -> bool:
    """Whether an address is for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def leads_elsewhere(site: Site, place: Place) -> bool:
    """Whether a router or proxy before this machine was asked, which may not answer those behind it.

    Not where an nginx of this host is to answer, and does not run.
    """
    try:
        found = front(site)
    except CannotLookError:
        found = None
    if found and not found.running:
        return False
    addresses = resolved(place.connect_to)
    return bool(addresses) and not any(is_loopback(one) or one in own_addresses() for one in addresses)
