"""At which ports people come in to this host: what its firewall has to let through."""

from __future__ import annotations

from collections.abc import Sequence

from chat_server.operations.doctor import nginx
from chat_server.operations.doctor.front import front, is_loopback, public
from chat_server.operations.doctor.processes import listeners
from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.settings import settings
from chat_server.operations.doctor.site import Site


def public_ports(site: Site) -> list[int]:
    """Where people look for the server, by its address: port 80 included where certificates are renewed."""
    server = settings(site).server
    if not server.public_url:
        return [server.port]
    place = public(site)
    return [80, 443] if place.port == 443 else [place.port]


def entrances(site: Site) -> list[int]:
    """Of these, the ones that this host serves; without any, the server's own: a proxy elsewhere, or a router, asks it.

    Raises CannotLookError where neither can be.
    """
    wanted = public_ports(site)
    served = [port for port in wanted if _is_open(port)] or _nginx_is_told(site, wanted)
    server = site.config.server
    if served or server.port in wanted:
        return served or [server.port]
    if is_loopback(server.host):
        told = " or ".join(str(port) for port in wanted)
        raise CannotLookError(
            f"nobody listens at port {told}, and the server for this machine only: no way in to judge"
        )
    return [server.port]


def _is_open(port: int) -> bool:
    return any(not is_loopback(one.address) for one in listeners(port))


def _nginx_is_told(site: Site, wanted: Sequence[int]) -> list[int]:
    """What a stopped nginx would serve as soon as it is started again."""
    try:
        if front(site) is None:
            return []
        blocks = nginx.servers()
    except CannotLookError:
        return []
    told = {port for block in blocks for address, port in block.listens() if not is_loopback(address)}
    return [port for port in wanted if port in told]
