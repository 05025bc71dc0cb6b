"""What a host's packet filter drops of what a cluster lives on is named, with what lets it in."""

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from kubeception.config import Config
from kubeception.diagnosis import firewall, traffic
from kubeception.diagnosis.traffic import Around
from kubeception.host import iptables, nftables
from kubeception.host.packet_filter import Chain

THE_SERVICE = "the API's Service"
RULES = Path(__file__).parents[1] / "host" / "rules"
UFW = iptables.chains((RULES / "ufw.iptables-save").read_text())
FIREWALLD = nftables.chains((RULES / "firewalld.json").read_text())
DOCKER = iptables.chains("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n")
# Which is what people open who read that a cluster needs these.
BY_THE_NUMBERS = """*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m multiport --dports 22,6443,10250,30000 -j ACCEPT
-A INPUT -p udp -m udp --dport 8472 -j ACCEPT
COMMIT
"""


def told(chains: list[Chain], *, is_worker: bool = False) -> dict[str, tuple[str, bool]]:
    """Return what is found, with its hint and whether a host can't do without."""
    wanted = traffic.needs(Config(), Around("host0"), is_worker=is_worker)
    found = firewall.blocked(wanted, chains)
    return {str(one): (one.hint, one.is_vital) for one in found}


def test_a_host_without_rules_drops_nothing() -> None:
    assert told([]) == told([], is_worker=True) == {}


def test_ports_that_lie_behind_the_one_that_was_opened_are_named() -> None:
    assert told(iptables.chains(BY_THE_NUMBERS)) == {
        "chain ip filter INPUT (policy drop) drops"
        " tcp 6445-6450 from other hosts, where port 6443 leads,"
        " tcp 6445-6450 from pods, where the API's Service leads": (
            "iptables -t filter -I INPUT -p tcp --dport 6445:6450 -j ACCEPT",
            True,
        )
    }
    assert told(iptables.chains(BY_THE_NUMBERS), is_worker=True) == {}


def test_what_the_hint_says_is_enough() -> None:
    hint = "-A INPUT -p tcp --dport 6445:6450 -j ACCEPT\n"
    mended = BY_THE_NUMBERS.replace("-A INPUT -i lo", f"{hint}-A INPUT -i lo")

    assert told(iptables.chains(mended)) == {}


def test_what_came_to_the_door_may_be_let_in_as_that() -> None:
    for rule in ("-m conntrack --ctstate DNAT", "-m conntrack --ctorigdstport 6443"):
        chains = iptables.chains(
            BY_THE_NUMBERS.replace("-A INPUT -i lo", f"-A INPUT {rule} -j ACCEPT\n-A INPUT -i lo")
        )
        assert [one for one in told(chains) if "from other hosts" in one] == []


def test_ufw_is_told_by_its_own_commands() -> None:
    found = told(UFW, is_worker=True)

    assert found == {
        "chain ip filter INPUT (policy drop) drops tcp 10250 from other hosts,"
        " udp 8472 from other hosts": ("ufw allow 10250/tcp; ufw allow 8472/udp", False),
        "chain ip filter FORWARD (policy drop) drops what pods of two hosts send each other,"
        " what this host and its pods send each other, what comes for pods by NodePorts,"
        " what pods send to other hosts": (
            "ufw route allow from 10.244.0.0/16; ufw route allow to 10.244.0.0/16",
            False,
        ),
    }


def test_firewalld_lets_the_door_through_by_itself_and_is_told_by_its_own_commands() -> None:
    found = told(FIREWALLD)

    assert {what.partition(" (")[0] for what in found} == {
        "chain inet firewalld filter_IN_public",
        "chain inet firewalld filter_FWD_public",
    }
    assert not [what for what in found if "6443" in what]
    assert [hint for hint, _ in found.values()] == [
        "firewall-cmd --add-port=10250/tcp; firewall-cmd --add-port=8472/udp",
        "firewall-cmd --zone=trusted --add-source=10.244.0.0/16",
    ]


def test_a_host_on_which_docker_forwards_nothing_else_is_told_for_its_pods() -> None:
    [(what, (hint, _))] = told(DOCKER, is_worker=True).items()

    assert "what pods of two hosts send each other" in what
    assert hint == (
        "iptables -t filter -I FORWARD -s 10.244.0.0/16 -j ACCEPT;"
        " iptables -t filter -I FORWARD -d 10.244.0.0/16 -j ACCEPT"
    )


def test_a_drop_of_what_a_host_sends_itself_is_named_before_all() -> None:
    [(what, (hint, is_vital))] = told(
        iptables.chains("*filter\n:OUTPUT DROP [0:0]\n-A OUTPUT -o host0 -j ACCEPT\nCOMMIT\n")
    ).items()

    assert "OUTPUT (policy drop) drops tcp 6444-6450 of this host itself" in what
    assert is_vital
    assert "iptables -t filter -I OUTPUT -o lo -j ACCEPT" in hint


def test_a_drop_of_what_a_host_sends_others_is_named() -> None:
    drops = "*filter\n:OUTPUT DROP [0:0]\n-A OUTPUT -o lo -j ACCEPT\nCOMMIT\n"
    of_worker, of_control_plane = (
        told(iptables.chains(drops), is_worker=is_worker) for is_worker in (True, False)
    )

    own = "udp 8472 to other hosts, what this host and its pods send each other"
    [(what, (_, is_vital))] = of_worker.items()
    answers = "answers to tcp 10250 from other hosts"
    assert what.endswith(f" drops tcp 6443 to other hosts, {answers}, {own}")
    assert is_vital
    [(what, (hint, is_vital))] = of_control_plane.items()
    behind = "answers to tcp 6445-6450 from {}, where {} leads"
    assert what.endswith(
        " drops tcp 10250 to other hosts,"
        f" {behind.format('other hosts', 'port 6443')},"
        f" {behind.format('pods', THE_SERVICE)},"
        f" {answers}, {own}"
    )
    assert is_vital
    assert hint == (
        "iptables -t filter -I OUTPUT -p tcp --dport 10250 -j ACCEPT;"
        " iptables -t filter -I OUTPUT -p tcp --sport 6445:6450 -j ACCEPT;"
        " iptables -t filter -I OUTPUT -p tcp --sport 10250 -j ACCEPT;"
        " iptables -t filter -I OUTPUT -p udp --dport 8472 -j ACCEPT;"
        " iptables -t filter -I OUTPUT -s 10.244.0.0/16 -j ACCEPT;"
        " iptables -t filter -I OUTPUT -d 10.244.0.0/16 -j ACCEPT"
    )


@pytest.mark.parametrize(
    "rule",
    [
        "INPUT -s 192.0.2.3",
        "INPUT ! -s 192.0.2.2",
        "OUTPUT -d 192.0.2.0/29",
        "OUTPUT ! -d 10.0.0.1",
    ],
)
def test_a_rule_that_names_another_host_of_the_cluster_is_told_for_that_host(rule: str) -> None:
    around = Around("host0", (IPv4Address("192.0.2.2"), IPv4Address("192.0.2.3")))
    chains = iptables.chains(
        f"*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A {rule} -j DROP\nCOMMIT\n"
    )

    for wanted in (
        traffic.needs(Config(), around, is_worker=True),
        traffic.tried(Config(), around),
    ):
        [found] = firewall.blocked(wanted, chains)
        assert "udp 8472 from and to 192.0.2.3" in str(found)
        assert "-s 192.0.2.3 -j ACCEPT" in found.hint
        assert "-d 192.0.2.3 -j ACCEPT" in found.hint
    assert not [what for what in told(chains) if "udp" in what]
    other = iptables.chains(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 198.51.100.1 -j DROP\nCOMMIT\n"
    )
    assert firewall.blocked(traffic.tried(Config(), around), other) == []


def test_a_worker_is_told_of_a_rule_against_the_api_and_its_api_of_one_against_the_worker() -> None:
    of_worker = Around("host0", apis=(IPv4Address("192.0.2.1"),))
    of_api = Around("host0", peers=(IPv4Address("192.0.2.3"),))
    saved = "*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A {} -j DROP\nCOMMIT\n"

    def blocked(rule: str, around: Around, *, is_worker: bool) -> dict[str, bool]:
        wanted = traffic.needs(Config(), around, is_worker=is_worker)
        found = firewall.blocked(wanted, iptables.chains(saved.format(rule)))
        return {str(one).partition(" drops ")[2]: one.is_vital for one in found}

    assert blocked("OUTPUT -d 192.0.2.1 -p tcp", of_worker, is_worker=True) == {
        "tcp 6443 to 192.0.2.1, answers to tcp 10250 from 192.0.2.1": True
    }
    assert blocked("INPUT -s 192.0.2.1/32", of_worker, is_worker=True) == {
        "answers to tcp 6443 to 192.0.2.1, tcp 10250 from 192.0.2.1": True
    }
    served = "tcp 6445-6450 from 192.0.2.3, where port 6443 leads"
    assert blocked("INPUT -s 192.0.2.3 -p tcp", of_api, is_worker=False) == {
        f"answers to tcp 10250 to 192.0.2.3, {served}": False
    }
    assert blocked("OUTPUT -d 192.0.2.3 -p tcp", of_api, is_worker=False) == {
        f"tcp 10250 to 192.0.2.3, answers to {served}": False
    }


@pytest.mark.parametrize("is_worker", [True, False])
def test_where_anybodys_packets_end_nobody_is_named(is_worker: bool) -> None:
    one = (IPv4Address("192.0.2.3"),)
    around = Around("host0", peers=one, apis=one if is_worker else ())
    wanted = traffic.needs(Config(), around, is_worker=is_worker)

    found = {str(one): one.hint for one in firewall.blocked(wanted, UFW)}

    assert found == {what: hint for what, (hint, _) in told(UFW, is_worker=is_worker).items()}


def test_what_a_host_keeps_from_its_own_pods_is_told() -> None:
    for rule in ("OUTPUT -d 10.244.0.0/16 -p tcp", "FORWARD -i cni0 -o cni0"):
        name = rule.partition(" ")[0]
        chains = iptables.chains(f"*filter\n:{name} ACCEPT [0:0]\n-A {rule} -j DROP\nCOMMIT\n")
        [what] = told(chains, is_worker=True)
        assert what.endswith("drops what this host and its pods send each other")


@pytest.mark.parametrize(
    ("rule", "what", "hint"),
    [
        (
            "INPUT -p tcp -m tcp --sport 6443",
            "answers to tcp 6443 to other hosts",
            "iptables -t filter -I INPUT -p tcp --sport 6443 -j ACCEPT",
        ),
        (
            "OUTPUT -p tcp -m multiport --sports 10250,10256",
            "answers to tcp 10250 from other hosts",
            "iptables -t filter -I OUTPUT -p tcp --sport 10250 -j ACCEPT",
        ),
    ],
)
def test_who_drops_answers_is_named(rule: str, what: str, hint: str) -> None:
    ours = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    saved = f"*filter\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n-A {rule} -j DROP\nCOMMIT\n"
    let_through = saved.replace("-A ", f"-A {rule.partition(' ')[0]} {ours}\n-A ")

    [(found, (said, _))] = told(iptables.chains(saved), is_worker=True).items()

    assert found.endswith(f"drops {what}")
    assert said == hint
    assert told(iptables.chains(let_through), is_worker=True) == {}


def test_tunnels_answer_by_packets_of_their_own() -> None:
    """Whoever sends by VXLAN does so to one port, from any."""
    saved = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m udp --sport 8472 -j DROP\nCOMMIT\n"

    assert told(iptables.chains(saved)) == {}


def test_rules_of_nftables_are_inserted_by_nft() -> None:
    chains = nftables.chains((RULES / "nftables.json").read_text())

    assert told(chains, is_worker=True) == {
        "chain inet fw input (policy drop) drops udp 8472 from other hosts": (
            "nft insert rule inet fw input udp dport 8472 accept",
            False,
        )
    }


def test_what_the_network_is_tried_by_is_told_where_it_ends() -> None:
    forward = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 10.244.0.0/16 -j DROP\nCOMMIT\n"
    dns = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -p udp -m udp --dport 53 -j DROP\nCOMMIT\n"
    wanted = list(traffic.tried(Config(), Around("host0")))

    [of_pods] = firewall.blocked(wanted, iptables.chains(forward))
    [of_host] = firewall.blocked(wanted, iptables.chains(dns))
    assert "drops what pods of two hosts send each other, what this host" in str(of_pods)
    assert "what pods send to nodes" in str(of_pods)
    assert str(of_host).endswith("drops what this host asks the cluster's DNS")
    assert of_host.hint == "iptables -t filter -I OUTPUT -p udp --dport 53 -j ACCEPT"
    assert firewall.blocked(wanted, []) == []
