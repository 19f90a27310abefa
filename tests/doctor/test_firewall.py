"""What `ufw status verbose` says, as Debian's ufw writes it."""

from __future__ import annotations

import pytest

from chat_server.operations.doctor.firewall import Firewall, parse

HEAD = """Status: active
Logging: on (low)
Default: {default} (incoming), allow (outgoing), disabled (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
"""


def rules(*lines: str, default: str = "deny") -> Firewall:
    return parse(HEAD.format(default=default) + "\n".join(lines) + "\n\n")


def lets_in(firewall: Firewall, port: int) -> bool:
    return firewall.verdict(port)[0]


def test_inactive_is_not_active() -> None:
    assert not parse("Status: inactive\n").active
    assert rules().active


@pytest.mark.parametrize(("default", "is_open"), [("deny", False), ("reject", False), ("allow", True)])
def test_without_a_rule_the_default_decides(default: str, is_open: bool) -> None:
    assert lets_in(rules("22/tcp                     ALLOW IN    Anywhere", default=default), 443) is is_open


@pytest.mark.parametrize(
    ("rule", "is_open"),
    [
        ("443/tcp                    ALLOW IN    Anywhere                  ", True),
        ("443                        ALLOW IN    Anywhere", True),
        ("443/tcp                    LIMIT IN    Anywhere", True),
        ("80,443/tcp                 ALLOW IN    Anywhere", True),
        ("80,443/tcp (Nginx Full)    ALLOW IN    Anywhere", True),
        ("80,443/tcp (A Long Name Indeed) ALLOW IN    Anywhere", True),
        ("400:500/tcp                ALLOW IN    Anywhere", True),
        ("Anywhere                   ALLOW IN    Anywhere", True),
        ("443/tcp                    ALLOW IN    Anywhere                   # the proxy", True),
        ("192.0.2.1 443/tcp          ALLOW IN    Anywhere", True),
        ("443/udp                    ALLOW IN    Anywhere", False),
        ("444/tcp                    ALLOW IN    Anywhere", False),
        ("44/tcp                     ALLOW IN    Anywhere", False),
        ("443/tcp                    DENY IN     Anywhere", False),
        ("443/tcp                    REJECT IN   Anywhere", False),
        ("443/tcp                    ALLOW IN    198.51.100.0/24", False),
        ("443/tcp on eth1            ALLOW IN    Anywhere", False),
        ("443/tcp (v6)               ALLOW IN    Anywhere (v6)", False),
        ("443/tcp                    ALLOW OUT   Anywhere", False),
        ("443/tcp                    ALLOW FWD   Anywhere", False),
    ],
)
def test_a_rule_is_about_its_ports_and_people(rule: str, is_open: bool) -> None:
    assert lets_in(rules(rule), 443) is is_open


def test_the_first_rule_that_fits_decides() -> None:
    allow, deny = "443/tcp    ALLOW IN    Anywhere", "Anywhere    DENY IN    Anywhere"
    assert lets_in(rules(allow, deny), 443)
    assert not lets_in(rules(deny, allow), 443)


class TestAddressesShutOut:
    def test_they_are_those_of_deny_and_reject_rules(self) -> None:
        firewall = rules(
            "Anywhere                   DENY IN     203.0.113.9",
            "443/tcp                    REJECT IN   203.0.113.0/28",
            "8080/tcp                   DENY IN     Anywhere",
            "22/tcp                     ALLOW IN    198.51.100.7",
            "Anywhere (v6)              DENY IN     2001:db8::/32",
        )
        assert [rule.source for rule, _ in firewall.denied()] == ["203.0.113.9", "203.0.113.0/28", "2001:db8::/32"]
        assert not any(before for _, before in firewall.denied())

    def test_an_earlier_rule_for_everybody_lets_them_in_nevertheless(self) -> None:
        firewall = rules(
            "443/tcp                    ALLOW IN    Anywhere",
            "Anywhere                   DENY IN     203.0.113.9",
        )
        [(rule, before)] = firewall.denied()
        assert rule.source == "203.0.113.9"
        assert [str(one) for one in before] == ["443/tcp ALLOW from Anywhere"]

    @pytest.mark.parametrize(
        "earlier",
        [
            "22/tcp                     ALLOW IN    Anywhere",
            "443/tcp                    ALLOW IN    198.51.100.7",
            "443/tcp (v6)               ALLOW IN    Anywhere (v6)",
            "443/tcp                    DENY IN     Anywhere",
        ],
    )
    def test_a_rule_about_others_does_not(self, earlier: str) -> None:
        firewall = rules(earlier, "443/tcp                    DENY IN     203.0.113.9")
        assert not any(before for _, before in firewall.denied())

    def test_what_shuts_them_out_earlier_makes_up_for_it(self) -> None:
        wide = "Anywhere                   DENY IN     203.0.113.0/24"
        allow = "443/tcp                    ALLOW IN    Anywhere"
        narrow = "443/tcp                    DENY IN     203.0.113.9"
        assert [bool(before) for _, before in rules(wide, allow, narrow).denied()] == [False, False]
        assert [bool(before) for _, before in rules(allow, wide, narrow).denied()] == [True, True]
        assert [bool(before) for _, before in rules(narrow, wide, allow).denied()] == [False, False]

    @pytest.mark.parametrize(
        "allow",
        [
            "443/tcp (v6)               ALLOW IN    Anywhere (v6)",
            "80,443/tcp (Nginx Full (v6)) ALLOW IN    Anywhere (v6)             ",
        ],
    )
    def test_the_rules_for_ipv6_are_a_list_of_their_own(self, allow: str) -> None:
        firewall = rules(
            allow,
            "Anywhere (v6)              DENY IN     2001:db8::9",
        )
        [(_, before)] = firewall.denied()
        assert [one.to for one in before] == [allow.split(maxsplit=1)[0]]


class TestPeopleFromSomeNetworks:
    NETWORK = "8080/tcp                   ALLOW IN    192.0.2.0/24"
    EVERYBODY_OUT = "8080/tcp                   DENY IN     Anywhere"

    @pytest.mark.parametrize(
        ("rule", "whom"),
        [
            (NETWORK, "192.0.2.0/24"),
            ("8080/tcp                   LIMIT IN    192.0.2.7", "192.0.2.7"),
            ("8080                       ALLOW IN    2001:db8::/32", "2001:db8::/32"),
            ("8080/tcp on wg0            ALLOW IN    Anywhere", "any on wg0"),
        ],
    )
    def test_a_rule_for_the_port_admits_them(self, rule: str, whom: str) -> None:
        firewall = rules("22/tcp    ALLOW IN    Anywhere", rule)
        assert not lets_in(firewall, 8080)
        assert [one.whom for one in firewall.admitted(8080)] == [whom]

    @pytest.mark.parametrize(
        "rule",
        [
            "8080/tcp                   DENY IN     192.0.2.0/24",
            "8080/udp                   ALLOW IN    192.0.2.0/24",
            "8081/tcp                   ALLOW IN    192.0.2.0/24",
            "Anywhere                   ALLOW IN    192.0.2.0/24",
        ],
    )
    def test_another_rule_does_not(self, rule: str) -> None:
        assert rules(rule).admitted(8080) == []

    def test_a_rule_that_shuts_everybody_out_before_it_decides(self) -> None:
        assert rules(self.EVERYBODY_OUT, self.NETWORK).admitted(8080) == []
        assert len(rules(self.NETWORK, self.EVERYBODY_OUT).admitted(8080)) == 1
