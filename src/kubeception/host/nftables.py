"""The rules of nftables, as `nft --json list ruleset` prints them (libnftables-json(5))."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kubeception.host.packet_filter import ACCEPT, Chain, Match, Rule

# What a rule may do besides its verdict, and what does not decide whether it applies.
_ASIDE = frozenset({"counter", "log", "mangle", "notrack", "set", "map", "flow", "dup"})
_VERDICTS = frozenset({"accept", "drop", "return", "reject", "queue"})
# After one of these a packet is no longer looked at, where chains translate.
_TRANSLATIONS = frozenset({"dnat", "snat", "redirect", "masquerade"})
# Of whose packets one of these is a field, the protocol is that.
_PROTOCOLS = frozenset({"tcp", "udp", "icmp", "icmpv6", "sctp", "dccp", "udplite", "esp", "ah"})
_PAYLOAD = {
    ("ip", "saddr"): "source",
    ("ip", "daddr"): "destination",
    ("ip", "protocol"): "protocol",
    ("tcp", "dport"): "dport",
    ("udp", "dport"): "dport",
    ("th", "dport"): "dport",
    ("tcp", "sport"): "sport",
    ("udp", "sport"): "sport",
    ("th", "sport"): "sport",
}
_META = {
    "iifname": "enters",
    "iif": "enters",
    "oifname": "leaves",
    "oif": "leaves",
    "l4proto": "protocol",
    "nfproto": "nfproto",
}
_CT = {"state": "state", "status": "status", "proto-dst": "original"}
_AT_DEVICES = frozenset({"ingress", "egress"})
# As `nft list chains` prints them for people.
_CHAIN = re.compile(
    r"^table (?P<family>\w+) (?P<table>\S+)|chain (?P<chain>\S+) \{|"
    r"devices? (?:= \{)?(?P<links>[^}]*?)\}? priority",
    re.MULTILINE,
)

Sets = Mapping[tuple[str, str, str], list[Any]]


def chains(listed: str) -> list[Chain]:
    """Return every chain with its rules."""
    entries: list[dict[str, Any]] = json.loads(listed)["nftables"]
    sets = {
        (one["family"], one["table"], one["name"]): one.get("elem", [])
        for entry in entries
        if (one := entry.get("set") or entry.get("map"))
    }
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    opaque = set()
    for entry in entries:
        if one := entry.get("rule"):
            at = (one["family"], one["table"], one["chain"])
            rules.setdefault(at, []).extend(_legible(one, sets))
            if any("xt" in part for part in one["expr"]):
                opaque.add(at[:2])
    return [
        Chain(
            one["family"],
            one["table"],
            one["name"],
            one.get("hook", ""),
            one.get("prio", 0),
            one.get("policy", ACCEPT),
            tuple(rules.get((one["family"], one["table"], one["name"]), ())),
            by_iptables=(one["family"], one["table"]) in opaque,
            links=_links(one),
            translates=one.get("type") == "nat",
        )
        for entry in entries
        if (one := entry.get("chain"))
    ]


def with_links(found: Iterable[Chain], listed: str) -> list[Chain]:
    """Return chains with the devices at which they are, as `nft list chains` prints them.

    In JSON nft 1.0.6 tells none.
    """
    links: dict[tuple[str, str, str], tuple[str, ...]] = {}
    family = table = name = ""
    for one in _CHAIN.finditer(listed):
        if one["family"]:
            family, table = one["family"], one["table"]
        elif one["chain"]:
            name = one["chain"]
        else:
            links[family, table, name] = tuple(re.findall(r'[^\s",]+', one["links"]))
    return [
        replace(chain, links=chain.links or links.get((chain.family, chain.table, chain.name), ()))
        for chain in found
    ]


def lack_links(found: Iterable[Chain]) -> bool:
    """Tell whether it is still to be told at which devices some chains are."""
    return any(chain.hook in _AT_DEVICES and not chain.links for chain in found)


def _links(chain: Mapping[str, Any]) -> tuple[str, ...]:
    """Return at which devices a chain is; several are told as a list."""
    told = chain.get("dev", [])
    return (told,) if isinstance(told, str) else tuple(told)


def _legible(rule: Mapping[str, Any], sets: Sets) -> list[Rule]:
    """Return a rule; one of a form that isn't known may let through whatever comes."""
    try:
        return list(_rules(rule, sets))
    except (KeyError, TypeError, ValueError, AttributeError):
        return [Rule((None,), ACCEPT)]


def _rules(rule: Mapping[str, Any], sets: Sets) -> Iterator[Rule]:
    """Yield a rule; one that looks its verdict up, as one for each element."""
    at = (rule["family"], rule["table"])
    matches: list[Match | None] = []
    text = f"rule {rule['handle']}"
    for part in rule["expr"]:
        [(kind, what)] = part.items()
        if kind == "match":
            matches += _matches(what, at, sets)
        elif kind in _VERDICTS:
            yield Rule(tuple(matches), kind, text=f"{text}, {kind}")
        elif kind in _TRANSLATIONS:
            yield Rule(tuple(matches), ACCEPT)
        elif kind in {"jump", "goto"}:
            yield Rule(tuple(matches), kind, what["target"], text)
        elif kind == "vmap":
            yield from _looked_up(what, tuple(matches), at, sets, text=text)
        elif kind == "xt" and what.get("type") == "target":
            verdict = what["name"].lower()
            if verdict in {"reject", "drop"}:
                yield Rule(tuple(matches), verdict, text=f"{text}, {verdict}")
        elif kind not in _ASIDE:  # a rate, a quota, an extension of iptables
            matches.append(None)


def _looked_up(
    what: Mapping[str, Any],
    matches: tuple[Match | None, ...],
    at: tuple[str, str],
    sets: Sets,
    *,
    text: str,
) -> Iterator[Rule]:
    for key, found in _elements(what["data"], at, sets):
        [(verdict, target)] = found.items()
        asked = {"op": "==", "left": what["key"], "right": key}
        told = text if verdict in {"jump", "goto"} else f"{text}, {verdict}"
        where = target["target"] if verdict in {"jump", "goto"} else ""
        yield Rule((*matches, *_matches(asked, at, sets)), verdict, where, told)


def _matches(what: Mapping[str, Any], at: tuple[str, str], sets: Sets) -> Iterator[Match | None]:
    """Yield what a match asks, None for what can't be read."""
    if "concat" in what["left"]:
        yield from _of_several(what, at, sets)
        return
    left, values = what["left"], tuple(_values(what["right"], at, sets))
    negated = what["op"] == "!="
    for of in _protocols(left):
        if of in _PROTOCOLS:
            yield Match("protocol", (of,))
        elif of == "ip6":
            yield Match("nfproto", ("ipv6",))
    field = _field(left)
    if field is None or what["op"] not in {"==", "!=", "in"} or None in values:
        yield None
    else:
        yield Match(field, tuple(value for value in values if value is not None), negated)


def _of_several(what: Mapping[str, Any], at: tuple[str, str], sets: Sets) -> Iterator[Match | None]:
    """Yield what a match of several fields asks of each; which go together isn't told by that."""
    yield None
    right = what["right"]
    told = _elements(right, at, sets) if isinstance(right, str) or "set" in right else [right]
    found = [one.get("elem", {}).get("val", one) for one in told]
    if what["op"] in {"==", "in"} and all("concat" in one for one in found):
        for number, left in enumerate(what["left"]["concat"]):
            values = {"set": [one["concat"][number] for one in found]}
            yield from _matches({"op": "==", "left": left, "right": values}, at, sets)


def _protocols(left: Mapping[str, Any]) -> Iterator[str]:
    """Yield of which protocols fields are looked at."""
    for part in left.get("&", ())[:1]:
        yield from _protocols(part)
    if "payload" in left:
        yield left["payload"].get("protocol", "")


def _field(left: Mapping[str, Any]) -> str | None:
    if payload := left.get("payload"):
        return _PAYLOAD.get((payload.get("protocol"), payload.get("field")))
    if meta := left.get("meta"):
        return _META.get(meta["key"])
    if ct := left.get("ct"):
        is_first = ct["key"] != "proto-dst" or ct.get("dir") == "original"
        return _CT.get(ct["key"]) if is_first else None
    is_type = left.get("fib") == {"result": "type", "flags": ["daddr"]}
    return "destined" if is_type else None


def _values(right: Any, at: tuple[str, str], sets: Sets) -> Iterator[str | None]:
    """Yield what a property is compared with, in the form of `Match`."""
    if isinstance(right, list):  # flags
        yield from map(str, right)
    elif isinstance(right, (str, int)) and not str(right).startswith("@"):
        yield str(right)
    elif isinstance(right, str) or "set" in right:
        for one in _elements(right, at, sets):
            yield from _values(one, at, sets)
    elif "range" in right:
        low, high = right["range"]
        yield f"{low}-{high}"
    elif "prefix" in right:
        yield f"{right['prefix']['addr']}/{right['prefix']['len']}"
    elif "elem" in right:
        yield from _values(right["elem"]["val"], at, sets)
    else:
        yield None


def _elements(told: Any, at: tuple[str, str], sets: Sets) -> list[Any]:
    """Return the elements of a set, which is told as it is or by its name."""
    if isinstance(told, str):
        return sets.get((*at, told.removeprefix("@")), [])
    found: list[Any] = told["set"] if isinstance(told["set"], list) else [told["set"]]
    return found
