"""What a packet filter does with a packet is told from its rules, and only what is sure."""

import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from kubeception.host import iptables, nftables
from kubeception.host.packet_filter import Chain, Filter, Match, Packet, Rule

RULES = Path(__file__).with_name("rules")
# As hosts have printed them.
BY_HAND = nftables.chains((RULES / "nftables.json").read_text())
BY_UFW = iptables.chains((RULES / "ufw.iptables-save").read_text())
UFW_AS_NFT_SHOWS_IT = nftables.chains((RULES / "ufw.json").read_text())


def tcp(port: int, enters: str = "host0", **more: object) -> Packet:
    return Packet("input", "tcp", port, enters=enters, **more)  # type: ignore[arg-type]


def ends(packet: Packet, chains: list[Chain]) -> str | None:
    found = Filter(chains).dropped(packet)
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
        (tcp(6445, source=IPv4Network("10.89.0.7/32")), None),
        (tcp(6445, source=IPv4Network("10.88.0.7/32")), POLICY),
        (tcp(6445, source=IPv4Network("10.88.0.7/32"), original=6443), None),
        (tcp(6445), None),  # from one of these addresses it is let through
        (tcp(6443), None),
        (tcp(7005), "chain inet fw services (rule 6, drop)"),
        (tcp(8085), "chain inet fw input (rule 16, drop)"),
        (tcp(80), None),  # to one address it is let through
        (tcp(80, destination=IPv4Network("10.0.0.2/32")), POLICY),
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


FORWARDED = Packet("forward", "tcp", 6443, enters="one", leaves="two")
SENT = Packet("output", "tcp", 6443, leaves="two")


@pytest.mark.parametrize(
    ("packet", "hook", "is_seen"),
    [
        (tcp(6443), "prerouting", True),
        (tcp(6443), "output", False),
        (tcp(6443), "postrouting", False),
        (FORWARDED, "prerouting", True),
        (FORWARDED, "input", False),
        (FORWARDED, "postrouting", True),
        (SENT, "prerouting", False),
        (SENT, "output", True),
        (SENT, "postrouting", True),
    ],
)
@pytest.mark.parametrize("priority", [-300, 0, 300])
def test_packets_go_through_the_hooks_on_their_way(
    packet: Packet, hook: str, priority: int, *, is_seen: bool
) -> None:
    found = ends(packet, [chain(DROP, hook=hook, priority=priority)])

    assert found == (f"chain inet t {hook} (rule 1, drop)" if is_seen else None)


@pytest.mark.parametrize("priority", [-300, -111, -110, -105, -100, -99, 0])
def test_what_a_host_sends_to_the_door_has_the_other_port_after_it(priority: int) -> None:
    packet = Packet("output", "tcp", 6445, leaves="lo", original=6443)
    other = Rule((Match("dport", ("6445",)),), "drop")

    assert bool(ends(packet, [chain(DROP, hook="output", priority=priority)])) == (priority < -110)
    assert bool(ends(packet, [chain(other, hook="output", priority=priority)])) == (priority > -100)


@pytest.mark.parametrize(
    ("hook", "packet", "link", "is_seen"),
    [
        ("ingress", FORWARDED, "one", True),
        ("ingress", FORWARDED, "two", False),
        ("ingress", SENT, "two", False),
        ("ingress", tcp(6443, ""), "one", False),
        ("egress", FORWARDED, "two", True),
        ("egress", FORWARDED, "one", False),
        ("egress", tcp(6443, "one"), "one", False),
        ("egress", SENT, "two", True),
    ],
)
def test_a_chain_at_a_device_sees_what_goes_by_that_one(
    hook: str, packet: Packet, link: str, *, is_seen: bool
) -> None:
    told = {"family": "netdev", "table": "t", "name": "c", "hook": hook, "policy": "drop"}

    for links in (link, [link, "three"]):
        [at_device] = nftables.chains(json.dumps({"nftables": [{"chain": {**told, "dev": links}}]}))
        assert bool(ends(packet, [at_device])) == is_seen


def test_devices_are_read_where_nft_tells_them_to_people_alone() -> None:
    listed = """table inet a {
	chain c {
		type filter hook input priority filter; policy drop;
	}
}
table netdev b {
	chain c {
		type filter hook ingress device "one" priority -500; policy accept;
	}

	chain d {
		type filter hook ingress devices = { one, two.7 } priority filter - 5; policy drop;
	}
}
"""
    at = [("inet", "a", "c"), ("netdev", "b", "c"), ("netdev", "b", "d"), ("netdev", "b", "e")]
    chains = [Chain(*one, hook="ingress") for one in at]

    found = nftables.with_links(chains, listed)

    assert [one.links for one in found] == [(), ("one",), ("one", "two.7"), ()]
    assert nftables.lack_links(found)
    assert not nftables.lack_links(found[1:3])


def test_a_chain_sees_what_goes_through_its_family() -> None:
    families = ("ip", "ip6", "inet", "netdev", "bridge", "arp")
    seen = {
        through: {
            family
            for family in families
            if Filter([Chain(family, "t", "c", "input", policy="drop")]).dropped(
                Packet("input", "tcp", 6443, through=through)
            )
        }
        for through in ("ip", "bridge", "arp")
    }

    assert seen == {"ip": {"ip", "inet", "netdev"}, "bridge": {"bridge"}, "arp": {"arp"}}


def test_chains_that_translate_see_the_first_packet_alone_and_end_with_a_translation() -> None:
    told = {"family": "ip", "table": "t", "name": "c", "hook": "prerouting", "type": "nat"}
    there = {"family": "ip", "table": "t", "chain": "c", "handle": 7}
    elsewhere = [{"redirect": {"port": 1}}]
    entries = [{"chain": told}, {"rule": {**there, "expr": [{"drop": None}]}}]
    drops = nftables.chains(json.dumps({"nftables": entries}))
    entries.insert(1, {"rule": {**there, "expr": elsewhere}})

    assert ends(tcp(80), drops) == "chain ip t c (rule 7, drop)"
    assert ends(tcp(80, original=8080), drops) is None
    assert ends(tcp(80, is_answer=True), drops) is None
    assert ends(tcp(80), nftables.chains(json.dumps({"nftables": entries}))) is None


def test_an_answer_comes_the_other_way_from_the_port_that_was_asked() -> None:
    network, other = IPv4Network("192.0.2.0/24"), IPv4Network("198.51.100.0/24")
    answer = Packet("input", "tcp", 80, "one", "lo", network, other).answer

    assert answer == Packet("output", "tcp", 80, "lo", "one", other, network, is_answer=True)
    assert FORWARDED.answer.hook == "forward"
    for what, values, state in [
        ("sport", "80", "established"),
        ("sport", "70-90", "established,related"),
    ]:
        asked = Match(what, (values,)), Match("state", tuple(state.split(",")))
        assert ends(answer, [chain(Rule(asked, "drop"), hook="output")])
    for match in [Match("dport", ("80",)), Match("sport", ("81",)), Match("state", ("new",))]:
        assert ends(answer, [chain(Rule((match,), "drop"), hook="output")]) is None
    sent_on = Packet("input", "tcp", 6445, original=6443).answer
    for port, is_sure in [("6443", False), ("6445", False), ("6440-6450", True)]:
        rule = Rule((Match("sport", (port,)),), "drop")
        assert bool(ends(sent_on, [chain(rule, hook="output")])) == is_sure


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
