"""What a packet filter does with a packet is told from its rules, and only what is sure."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest

from kubeception.host import iptables, nftables
from kubeception.host.packet_filter import Chain, Match, Packet, Rule, dropped

RULES = Path(__file__).with_name("rules")
# As hosts have printed them.
BY_HAND = nftables.chains((RULES / "nftables.json").read_text())
BY_UFW = iptables.chains((RULES / "ufw.iptables-save").read_text())
UFW_AS_NFT_SHOWS_IT = nftables.chains((RULES / "ufw.json").read_text())


def tcp(port: int, enters: str = "host0", **more: object) -> Packet:
    return Packet("input", "tcp", port, enters=enters, **more)  # type: ignore[arg-type]


def ends(packet: Packet, chains: list[Chain]) -> str | None:
    found = dropped(packet, chains)
    return str(found) if found else None


POLICY = "chain inet fw input (policy drop)"


@pytest.mark.parametrize(
    ("packet", "end"),
    [
        (tcp(22), None),
        (tcp(9999), POLICY),
        (tcp(9999, "lo"), None),
        (tcp(9999, "cni0"), None),
        (tcp(9999, "wg1"), None),
        (tcp(9999, ""), None),  # from nobody knows where
        (tcp(6445, source=ip_network("10.89.0.7/32")), None),
        (tcp(6445, source=ip_network("10.88.0.7/32")), POLICY),
        (tcp(6445, source=ip_network("10.88.0.7/32"), original=6443), None),
        (tcp(6445), None),  # from one of these addresses it is let through
        (tcp(6443), None),
        (tcp(7005), "chain inet fw services (rule 6, drop)"),
        (tcp(8085), "chain inet fw input (rule 16, drop)"),
        (tcp(80), None),  # to one address it is let through
        (tcp(80, destination=ip_network("10.0.0.2/32")), POLICY),
        (tcp(10250), None),
        (Packet("input", "udp", 8472, enters="host0"), POLICY),
        (Packet("input", "udp", 53, enters="host0"), "chain inet fw input (rule 20, drop)"),
        (Packet("forward", "tcp", 9999, enters="host0"), None),
        (Packet("output", "tcp", 9999, leaves="host0"), None),
    ],
)
def test_rules_of_nftables(packet: Packet, end: str | None) -> None:
    assert ends(packet, BY_HAND) == end


@pytest.mark.parametrize(
    ("packet", "end"),
    [
        (tcp(22), None),
        (tcp(6443), "chain ip filter INPUT (policy drop)"),
        (tcp(6443, "lo"), None),
        (tcp(137), "chain ip filter INPUT (policy drop)"),
        (
            Packet("input", "udp", 137, enters="host0"),
            'chain ip filter ufw-skip-to-policy-input ("-A ufw-skip-to-policy-input -j DROP")',
        ),
        (Packet("output", "tcp", 6443, leaves="host0"), None),
        (Packet("forward", "udp", 53), "chain ip filter FORWARD (policy drop)"),
    ],
)
def test_rules_of_iptables(packet: Packet, end: str | None) -> None:
    assert ends(packet, BY_UFW) == end


def test_what_nft_does_not_show_of_iptables_is_taken_for_harmless() -> None:
    """Its extensions are names there; the one that lets answers through could be any."""
    others = [one for one in UFW_AS_NFT_SHOWS_IT if one.table == "filter"]

    assert {one.by_iptables for one in others if one.family == "ip"} == {True}
    assert ends(tcp(6443), others) is None


def chain(*rules: Rule, hook: str = "input", priority: int = 0, policy: str = "accept") -> Chain:
    return Chain("inet", "t", hook, hook, priority, policy, rules)


DROP = Rule((Match("dport", ("6443",)),), "drop", text="rule 1, drop")


def test_before_the_door_a_packet_has_the_port_that_it_was_sent_to() -> None:
    packet = tcp(6445, original=6443)

    assert ends(packet, [chain(DROP)]) is None
    assert ends(packet, [chain(DROP, hook="prerouting", priority=0)]) is None
    raw = chain(DROP, hook="prerouting", priority=-300)
    assert ends(packet, [raw]) == "chain inet t prerouting (rule 1, drop)"


def test_a_rule_that_cannot_be_read_lets_through_and_drops_nothing() -> None:
    unknown = Rule((None,), "drop")
    left_early = Rule((None,), "return")

    assert ends(tcp(6443), [chain(unknown)]) is None
    assert ends(tcp(6443), [chain(Rule((None,), "accept"), DROP)]) is None
    assert ends(tcp(6443), [chain(left_early, DROP)]) is None
    assert ends(tcp(6443), [chain(unknown, DROP)]) is not None


def test_one_chain_that_lets_through_does_not_overrule_another() -> None:
    lets_through = chain(Rule((), "accept"), priority=-10)

    assert ends(tcp(6443), [lets_through, chain(DROP)]) is not None


def test_a_rule_of_a_later_version_of_nft_lets_through() -> None:
    chain = {"family": "ip", "table": "t", "name": "in", "hook": "input", "policy": "drop"}
    rule = {"family": "ip", "table": "t", "chain": "in", "handle": 1, "expr": [{"match": 7}]}

    found = nftables.chains(json.dumps({"nftables": [{"chain": chain}, {"rule": rule}]}))

    assert ends(tcp(6443), found) is None
    assert ends(tcp(6443), nftables.chains(json.dumps({"nftables": [{"chain": chain}]})))


def test_chains_that_call_each_other_end() -> None:
    loop = Chain("inet", "t", "loop", rules=(Rule((), "jump", "loop"),))

    assert ends(tcp(6443), [loop, chain(Rule((), "jump", "loop"))]) is None
