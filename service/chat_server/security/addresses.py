"""Whose request it is: the client's address, seen through the proxies the configuration trusts."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_IPV6_GROUP_PREFIX: Final = 64


class Networks:
    """A set of IP networks, such as `trusted_proxies` and `exempt_networks` name: `address in networks`.

    Takes networks ("10.0.0.0/8") and single addresses ("::1"). Raises ValueError, with the entry in its
    text, for what is neither, and for a network with host bits ("10.0.0.1/8"), which says two things at once.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ip_network(network) for network in networks)

    def __contains__(self, address: str) -> bool:
        """Whether a text is an address in one of the networks."""
        parsed = _parsed(address) if self._networks else None
        return parsed is not None and any(parsed in network for network in self._networks)


def client_address(peer: str, forwarded_for: str | None, *, trusted: Networks) -> str:
    """The client's address, in the one spelling used for counting and in the log.

    `peer` is the other end of the connection, `forwarded_for` the X-Forwarded-For header, in which each proxy
    appends the address it was called from: only what a trusted proxy appended is believed. So this walks from
    the right until it meets an address that is not a trusted proxy's; what stands left of it may be invented.
    A peer that is no IP address, such as a Unix socket's, is given back as it is.
    """
    address = _canonical(peer) or peer
    for entry in reversed((forwarded_for or "").split(",")):
        if address not in trusted:
            break
        named = _canonical(entry)
        if named is None:
            break
        address = named
    return address


def address_group(address: str) -> str:
    """What to count an address under: an IPv6 client owns all of its /64, so that is one; IPv4 as it is.

    Takes what `client_address` gives. The group is itself a readable text ("2001:db8:1:2::/64").
    """
    parsed = _parsed(address) if ":" in address else None
    if not isinstance(parsed, IPv6Address):
        return address
    return str(ip_network((parsed, _IPV6_GROUP_PREFIX), strict=False))


def _canonical(text: str) -> str | None:
    parsed = _parsed(text)
    return None if parsed is None else str(parsed)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text that may carry a port, brackets or a zone as well; None when there is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # An IPv4 client of a listener on "::" shows as ::ffff:192.0.2.1.
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
