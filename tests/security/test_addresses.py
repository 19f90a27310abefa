"""The client's address: believed from trusted proxies only, and written in one way."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat_server.security.addresses import Networks, address_group, client_address

NOBODY = Networks(())
PROXIES = Networks(("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"))

addresses = st.ip_addresses().map(str)


@given(addresses, st.text())
def test_a_peer_that_is_not_trusted_cannot_name_another_address(peer: str, header: str) -> None:
    assert client_address(peer, header, trusted=NOBODY) == client_address(peer, None, trusted=NOBODY)


def test_a_trusted_proxy_is_believed() -> None:
    assert client_address("10.0.0.1", "198.51.100.7", trusted=PROXIES) == "198.51.100.7"


def test_the_rightmost_untrusted_entry_counts_whatever_the_client_wrote_before_it() -> None:
    header = "203.0.113.99, 10.6.6.6, 198.51.100.7, 10.0.0.2, 2001:db8:ffff::2"
    assert client_address("10.0.0.1", header, trusted=PROXIES) == "198.51.100.7"


def test_a_request_that_began_at_a_trusted_address_is_that_addresss() -> None:
    assert client_address("10.0.0.1", "10.0.0.3, 10.0.0.2", trusted=PROXIES) == "10.0.0.3"


@pytest.mark.parametrize("header", [None, "", " ", ","])
def test_a_trusted_peer_without_the_header_speaks_for_itself(header: str | None) -> None:
    assert client_address("10.0.0.1", header, trusted=PROXIES) == "10.0.0.1"


def test_garbage_ends_the_walk_at_the_last_address_that_is_known() -> None:
    assert client_address("10.0.0.1", "198.51.100.7, unknown, 10.0.0.2", trusted=PROXIES) == "10.0.0.2"


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("198.51.100.7:4711", "198.51.100.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8:0:0::7", "2001:db8::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::7%eth0", "fe80::7"),
        ("fe80::7%\x1b[31m", "fe80::7"),
    ],
)
def test_an_address_is_recognised_in_every_spelling_and_given_back_in_one(entry: str, address: str) -> None:
    assert client_address("10.0.0.1", entry, trusted=PROXIES) == address
    assert client_address(entry, None, trusted=PROXIES) == address


def test_an_ipv4_proxy_is_recognised_on_an_ipv6_listener() -> None:
    assert client_address("::ffff:10.0.0.1", "198.51.100.7", trusted=PROXIES) == "198.51.100.7"


def test_a_peer_without_an_address_is_given_back_as_it_is() -> None:
    assert client_address("", "198.51.100.7", trusted=PROXIES) == ""


@given(addresses | st.text(), st.lists(addresses | st.text()).map(",".join))
@example("10.0.0.1", "[")
@example("10.0.0.1", "%")
@example("10.0.0.1", ":")
def test_any_header_gives_the_peer_or_an_address(peer: str, header: str) -> None:
    address = client_address(peer, header, trusted=Networks(("0.0.0.0/0", "::/0")))
    assert address == peer or str(ipaddress.ip_address(address)) == address


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("127.0.0.1", True),
        ("127.0.0.2", False),
        ("2001:db8:ffff:1::1", True),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", True),
        ("nonsense", False),
        ("", False),
    ],
)
def test_networks_contain_their_addresses_only(address: str, inside: bool) -> None:
    assert (address in PROXIES) is inside


@pytest.mark.parametrize("entry", ["10.0.0.1/8", "10.0.0.0/33", "proxy.example", "fe80::1/64"])
def test_what_is_no_network_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match=entry):
        Networks(("127.0.0.1", entry))


def test_an_ipv6_client_cannot_multiply_within_its_own_network() -> None:
    assert address_group("2001:db8:1:2:aaaa::1") == address_group("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert address_group("2001:db8:1:3::1") != address_group("2001:db8:1:2::1")


@pytest.mark.parametrize("address", ["198.51.100.7", "", "a:b"])
def test_any_other_client_is_counted_by_its_own_address(address: str) -> None:
    assert address_group(address) == address
