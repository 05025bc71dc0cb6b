"""The rules of iptables, as `iptables-save` prints them (iptables-extensions(8)).

nft shows what iptables has made, but of its extensions only the names.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from kubeception.host.packet_filter import ACCEPT, Chain, Match, Rule

_HOOKS = {
    name.upper(): name for name in ("prerouting", "input", "forward", "output", "postrouting")
}
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_VERDICTS = {"ACCEPT": ACCEPT, "DROP": "drop", "REJECT": "reject", "RETURN": "return"}
_FIELDS = {
    "-p": "protocol",
    "-s": "source",
    "-d": "destination",
    "-i": "enters",
    "-o": "leaves",
    "--dport": "dport",
    "--dports": "dport",
    "--sport": "sport",
    "--sports": "sport",
    "--ctstate": "state",
    "--state": "state",
    "--ctorigdstport": "original",
    "--dst-type": "destined",
}
# Of an extension that the rule names, or that change nothing about whether it applies.
_SILENT = {"-m": 1, "--comment": 1, "--reject-with": 1, "--syn": 0, "--log-prefix": 1}


def chains(saved: str, *, family: str = "ip") -> list[Chain]:
    """Return every chain of the tables that filter."""
    found: dict[tuple[str, str], Chain] = {}
    rules: dict[tuple[str, str], list[Rule]] = {}
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif table not in _PRIORITIES:
            continue
        elif line.startswith(":"):
            name, policy, *_ = line[1:].split()
            found[table, name] = Chain(
                family,
                table,
                name,
                _HOOKS.get(name, ""),
                _PRIORITIES[table],
                _VERDICTS.get(policy, ACCEPT),
                by_iptables=True,
            )
        elif line.startswith("-A "):
            name, *words = shlex.split(line)[1:]
            rules.setdefault((table, name), []).extend(_rule(words, line))
    return [replace(chain, rules=tuple(rules.get(at, ()))) for at, chain in found.items()]


def _rule(words: list[str], line: str) -> Iterator[Rule]:
    matches: list[Match | None] = []
    verdict = target = ""
    negated = False
    left = iter(words)
    for word in left:
        if word == "!":
            negated = True
            continue
        if word in {"-j", "-g"}:
            target = next(left)
            verdict = _VERDICTS.get(target, "goto" if word == "-g" else "jump")
        elif word in _FIELDS:
            matches.append(_match(_FIELDS[word], next(left), negated=negated))
        elif word in _SILENT:
            for _ in range(_SILENT[word]):
                next(left)
        elif word.startswith("-"):
            matches.append(None)
        negated = False
    if verdict:  # a jump to a target of another kind leads to no chain, and so nowhere
        yield Rule(tuple(matches), verdict, target, f'"{line}"')


def _match(field: str, value: str, *, negated: bool) -> Match:
    if field in {"enters", "leaves"}:
        value = re.sub(r"\+$", "*", value)
    values = tuple(value.lower().replace(":", "-").split(","))
    if field == "state" and "dnat" in values and "new" not in values:
        return Match("status", ("dnat",), negated)
    return Match(field, values, negated)
