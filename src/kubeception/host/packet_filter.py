"""What the packet filter does with a packet, told from its rules; pure.

Only what is sure counts: where a rule asks for something that can't be told from here, a packet
that it may accept is taken for accepted, and one that it may drop for let through.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from ipaddress import IPv4Network

from kubeception.host.address_set import AddressSet

ACCEPT = "accept"
RETURN = "return"
JUMP = "jump"
GOTO = "goto"
ENDS = frozenset({"drop", "reject"})
# A program that is asked may accept it.
_LETS_THROUGH = frozenset({ACCEPT, "queue"})

# The chains that see what a host sends and is sent, by where it goes through.
IP, BRIDGE, ARP = "ip", "bridge", "arp"
# Those of the programs that iptables was before it spoke of nftables; they go by its name.
LEGACY = "iptables-legacy"
_FAMILIES = {IP: {"ip", "inet", "netdev", LEGACY}, BRIDGE: {"bridge"}, ARP: {"arp"}}
# Where packets go is changed between these: by the door, and for Services.
_TRANSLATED_FROM, _TRANSLATED_BY = -110, -100
_DEPTH = 16
# Ports below these are for servers alone, and for few programs that are root's.
_GIVEN_FROM = 1024


@dataclass(frozen=True)
class Packet:
    """The first packet of a connection, or its answer, at the hook input, forward or output.

    What isn't said of it can't be told. `port` is the one that was asked, of an answer too;
    `original` is the port that it was sent to, where it has been sent elsewhere since: by the door,
    or as one to a Service. `through` is whose chains see it.
    """

    hook: str
    protocol: str
    port: int = 0
    enters: str = ""
    leaves: str = ""
    source: IPv4Network | None = None
    destination: IPv4Network | None = None
    original: int = 0
    is_answer: bool = False
    through: str = IP

    @property
    def before_translation(self) -> "Packet":
        """The same, as it was sent."""
        if not self.original:
            return self
        return replace(self, port=self.original, original=0, destination=None)

    @property
    def answer(self) -> "Packet":
        """What is sent back."""
        return replace(
            self,
            hook={"input": "output", "output": "input"}.get(self.hook, self.hook),
            enters=self.leaves,
            leaves=self.enters,
            source=self.destination,
            destination=self.source,
            is_answer=True,
        )


@dataclass(frozen=True)
class Match:
    """What a rule asks of a packet: that one of its properties is among values, or is not.

    A value is a word (with *), a number as text, a range as "low-high", or a network.
    """

    what: str
    values: tuple[str, ...]
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Tell whether it holds of a packet, None where that can't be told."""
        among = self._among(packet)
        return among if among is None or not self.negated else not among

    def _among(self, packet: Packet) -> bool | None:
        if self.what in {"source", "destination"}:
            return self._addresses.has(getattr(packet, self.what))
        found = [_is(self.what, value, packet) for value in self.values]
        return True if True in found else None if None in found else False

    @functools.cached_property
    def _addresses(self) -> AddressSet:
        return AddressSet.of(self.values)


@dataclass(frozen=True)
class Rule:
    """What is done with packets of which all matches hold; None is one that can't be read.

    `verdict` is one of nft's, "" for none; `target` is where a jump goes. `text` names the rule.
    """

    matches: tuple[Match | None, ...]
    verdict: str
    target: str = ""
    text: str = ""

    def holds(self, packet: Packet) -> bool | None:
        """Tell whether all of it holds, None where that can't be told."""
        found = [match.holds(packet) if match else None for match in self.matches]
        return False if False in found else None if None in found else True


@dataclass(frozen=True)
class Chain:
    """A chain of a table; only one of a hook sees packets by itself.

    One at a device, before or after all others, sees those of some links; one that `translates`
    sees none that has been translated before, and no answer.
    """

    family: str
    table: str
    name: str
    hook: str = ""
    priority: int = 0
    policy: str = ACCEPT
    rules: Sequence[Rule] = field(default_factory=tuple)
    by_iptables: bool = False
    links: tuple[str, ...] = ()
    translates: bool = False

    def __str__(self) -> str:
        return f"chain {self.family} {self.table} {self.name}"


@dataclass(frozen=True)
class Drop:
    """Where a packet ends: in which chain, and by what of it; `base` is the one of the hook."""

    base: Chain
    chain: Chain
    why: str

    def __str__(self) -> str:
        return f"{self.chain} ({self.why})"


Chains = Mapping[tuple[str, str, str], Chain]


@dataclass(frozen=True)
class Filter:
    """All chains of a host, which are asked for many packets."""

    chains: Sequence[Chain]

    def dropped(self, packet: Packet) -> Drop | None:
        """Return where a packet surely ends, None where it may get through."""
        for base in self._bases:
            seen = _as_seen(packet, base)
            if seen is None or base.family not in _FAMILIES[packet.through]:
                continue
            ended = _walk(seen, base, base, self._by_name, is_sure=True, depth=0)
            if isinstance(ended, Drop):
                return ended
            if ended is None and base.policy == "drop":
                return Drop(base, base, "policy drop")
        return None

    @functools.cached_property
    def _bases(self) -> list[Chain]:
        """Those of a hook, as they see a packet one after the other."""
        return sorted((one for one in self.chains if one.hook), key=lambda one: one.priority)

    @functools.cached_property
    def _by_name(self) -> Chains:
        return {(one.family, one.table, one.name): one for one in self.chains}


def _as_seen(packet: Packet, base: Chain) -> Packet | None:
    """Return a packet as a chain sees it, None where it doesn't, or where that can't be told."""
    if base.translates and (packet.original or packet.is_answer):
        return None
    comes, goes = packet.hook != "output", packet.hook != "input"
    if base.hook == "ingress":
        return _arriving(packet.before_translation) if packet.enters in base.links else None
    if base.hook == "egress":
        return _leaving(packet) if packet.leaves in base.links else None
    if base.hook == "postrouting" and goes:
        return _leaving(packet)
    if base.hook == ("prerouting" if comes else "output"):
        if base.priority < _TRANSLATED_FROM:
            packet = packet.before_translation
        elif base.priority <= _TRANSLATED_BY and packet.original:
            return None
        return _arriving(packet) if comes else packet
    return packet if base.hook == packet.hook else None


def _arriving(packet: Packet) -> Packet:
    """Return a packet before it is known where it goes."""
    return replace(packet, hook="prerouting", leaves="")


def _leaving(packet: Packet) -> Packet:
    """Return a packet that may have got the host's address for its own."""
    return replace(packet, hook="postrouting", source=None)


def _walk(
    packet: Packet, chain: Chain, base: Chain, chains: Chains, *, is_sure: bool, depth: int
) -> Drop | str | None:
    """Return how a packet fares in a chain: where it ends, that it is accepted, or None."""
    if depth > _DEPTH:
        return None
    for rule in chain.rules:
        holds = rule.holds(packet)
        if holds is False:
            continue
        sure = is_sure and holds is True
        if rule.verdict in _LETS_THROUGH:
            return ACCEPT
        if rule.verdict in ENDS and sure:
            return Drop(base, chain, rule.text)
        if rule.verdict == RETURN:
            if holds:
                return None
            is_sure = False
        if rule.verdict in {JUMP, GOTO}:
            target = chains.get((chain.family, chain.table, rule.target))
            ended = target and _walk(packet, target, base, chains, is_sure=sure, depth=depth + 1)
            if ended or (rule.verdict == GOTO and holds):
                return ended or None
    return None


def _is(what: str, value: str, packet: Packet) -> bool | None:
    """Tell whether a property of a packet is a value, or among a range of them."""
    if what in {"dport", "sport", "original"}:
        return _is_port(what, value, packet)
    known = {
        "protocol": packet.protocol,
        "state": "established" if packet.is_answer else "new",
        "status": "dnat" if packet.original else "none",
        "nfproto": "ipv4",
        "enters": packet.enters,
        "leaves": packet.leaves,
        "destined": "local" if packet.hook == "input" else "",
    }.get(what)
    return fnmatchcase(known, value.lower()) if known else None


def _is_port(what: str, value: str, packet: Packet) -> bool | None:
    low, _, high = value.partition("-")
    high = high or low
    if not (low.isdigit() and high.isdigit()):
        return None
    if what == ("dport" if packet.is_answer else "sport"):
        # A connection begins at one that the kernel gives to whoever asks for none.
        return False if int(high) < _GIVEN_FROM else None
    sent_to = packet.original or packet.port
    ports = {sent_to if what == "original" else packet.port}
    if packet.is_answer:  # by which of the two it goes here isn't told
        ports |= {packet.port, sent_to}
    found = {int(low) <= port <= int(high) for port in ports}
    return found.pop() if len(found) == 1 else None
