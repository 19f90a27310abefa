"""What `ufw status verbose` says, as rules that can be asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from chat_server.operations.doctor.report import CannotLookError
from chat_server.operations.doctor.site import Site, run

ANYWHERE = "Anywhere"

_RULE = re.compile(r"(?P<to>\S.*?)\s+(?P<action>ALLOW|DENY|REJECT|LIMIT)(?: IN)?\s{2,}(?P<source>\S.*?)(?:\s+#.*)?")
_PORTS = re.compile(r"(?:^|\s)(?P<ports>\d[\d,:]*)(?:/(?P<protocol>tcp|udp))?(?=$|\s)")
_DEFAULT = re.compile(r"^Default: (\w+) \(incoming\)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for what comes in, as ufw writes it; `sixth` for IPv6, which has a list of its own."""

    to: str
    action: str
    source: str
    sixth: bool

    @property
    def allows(self) -> bool:
        """LIMIT lets in, only not too often."""
        return self.action in {"ALLOW", "LIMIT"}

    @property
    def network(self) -> IPv4Network | IPv6Network | None:
        """Whom it is about; None for everybody."""
        try:
            return ip_network(self.source.partition(" ")[0], strict=False)
        except ValueError:
            return None

    @property
    def is_for_everybody(self) -> bool:
        return self.source == ANYWHERE

    @property
    def whom(self) -> str:
        """Whom it is about, in words."""
        _, _, interface = self.to.partition(" on ")
        if not interface:
            return self.source
        return f"{'any' if self.is_for_everybody else self.source} on {interface}"

    def shuts_out(self, other: Rule) -> bool:
        """Whether it keeps those of another rule out of this machine."""
        if self.allows or self.to != ANYWHERE or self.network is None or other.network is None:
            return False
        ours, theirs = self.network, other.network
        return ours.version == theirs.version and theirs[0] in ours and theirs[-1] in ours

    def covers(self, port: int) -> bool:
        """Whether it is about a TCP port, at any address and interface of this machine."""
        return self.to == ANYWHERE or (self.names(port) and " on " not in self.to)

    def names(self, port: int) -> bool:
        """Whether it was made for a TCP port, be it at one interface only."""
        found = _PORTS.search(self.to)
        if found is None or found["protocol"] == "udp":
            return False
        spans = [one.partition(":") for one in found["ports"].split(",") if one]
        return any(int(low) <= port <= int(high or low) for low, _, high in spans if low)

    def __str__(self) -> str:
        return f"{self.to} {self.action} from {self.source}"


@dataclass(frozen=True, slots=True)
class Firewall:
    """The first rule that fits decides; where none does, the default."""

    active: bool
    allows_by_default: bool
    rules: tuple[Rule, ...]

    def verdict(self, port: int) -> tuple[bool, Rule | None]:
        """Whether everybody may come in at a TCP port, and by which rule; None for the default."""
        for rule in self.rules:
            if rule.is_for_everybody and not rule.sixth and rule.covers(port):
                return rule.allows, rule
        return self.allows_by_default, None

    def admitted(self, port: int) -> list[Rule]:
        """The rules that let some people in at a TCP port: made for it, and before what decides for everybody."""
        found = []
        decided = set()
        for rule in self.rules:
            if rule.sixth in decided or not (rule.names(port) or rule.covers(port)):
                continue
            if rule.is_for_everybody and rule.covers(port):
                decided.add(rule.sixth)
            elif rule.allows and rule.names(port):
                found.append(rule)
        return found

    def denied(self) -> list[tuple[Rule, list[Rule]]]:
        """The rules against particular addresses, each with the earlier ones that let them in nevertheless."""
        return [
            (rule, self._overruling(number, rule))
            for number, rule in enumerate(self.rules)
            if not rule.allows and rule.network
        ]

    def _overruling(self, number: int, rule: Rule) -> list[Rule]:
        found = []
        for earlier in self.rules[:number]:
            if earlier.sixth == rule.sixth and earlier.allows and earlier.is_for_everybody and _overlap(earlier, rule):
                found.append(earlier)
            if earlier.shuts_out(rule):
                break
        return found


def firewall(site: Site) -> Firewall:
    """The rules of this host. Raises CannotLookError."""
    shown = run("ufw", "status", "verbose")
    if shown is None:
        raise CannotLookError("ufw is not installed; rules of another kind show: sudo nft list ruleset")
    if shown.code:
        why = "only root may ask ufw" if not site.is_root else shown.text.strip()
        raise CannotLookError(f"{why}: sudo ufw status verbose")
    return parse(shown.text)


def parse(text: str) -> Firewall:
    """What `ufw status verbose` printed."""
    default = _DEFAULT.search(text)
    return Firewall(
        active="Status: active" in text.splitlines(),
        allows_by_default=default is not None and default[1] == "allow",
        rules=tuple(_rules(text.splitlines())),
    )


def _rules(lines: Sequence[str]) -> list[Rule]:
    found = [_RULE.fullmatch(line.rstrip()) for line in lines]
    return [
        Rule(_plain(one["to"]), one["action"], _plain(one["source"]), "(v6)" in one[0] or ":" in one["source"])
        for one in found
        if one
    ]


def _plain(words: str) -> str:
    """Without the remark that it is for IPv6, or an application's name."""
    return re.sub(r" \(.*\)", "", words).strip()


def _overlap(one: Rule, other: Rule) -> bool:
    """Whether two rules are about some of the same ports, so far as one can tell by their text."""
    return ANYWHERE in {one.to, other.to} or bool(set(re.findall(r"\d+", one.to)) & set(re.findall(r"\d+", other.to)))
