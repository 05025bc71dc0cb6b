"""Firewalls as distributions and other tools leave them: named in the kernel's words, and mended.

Each is loaded into a network of its own by nft or iptables, and what the hint says is carried out.
"""

import shlex
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.api.network import new
from tests.fixed import CONFIG

from kubeception.bundle import packages
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.diagnosis import firewall
from kubeception.diagnosis.firewall import Blocked
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.render import flannel
from kubeception.session import Session

ADDRESS = ip_address("192.0.2.10")
PEER = "192.0.2.77"

# As images of a cloud have them: all but ssh is rejected, what is forwarded as well.
OF_A_CLOUD = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p udp --sport 123 -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""
# As the nftables service of a distribution has it, once somebody has uncommented its example.
WORKSTATION = """table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state invalid drop
    ct state { established, related } accept
    iif lo accept
    ip protocol icmp accept
    tcp dport 22 accept
    reject with icmpx type port-unreachable
  }
  chain forward { type filter hook forward priority 0; policy drop; }
  chain output { type filter hook output priority 0; policy accept; }
}
"""
# Before a packet is anybody's: at the device itself, where firewalls against floods stand.
AT_THE_DEVICE = """table netdev floods {
  chain ingress {
    type filter hook ingress device "one" priority -500; policy accept;
    udp dport 8472 drop
  }
}
"""
# Before connections are tracked, as hosts that are attacked a lot have it.
RAW = """*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -i one -p tcp -m tcp --dport 10250 -j DROP
COMMIT
"""
# As fail2ban bans an address: a set of its own, that here has got another host of the cluster.
BANNED = f"""table inet f2b-table {{
  set addr-set-sshd {{ type ipv4_addr; elements = {{ {PEER} }} }}
  chain f2b-chain {{
    type filter hook input priority filter - 1; policy accept;
    ip saddr @addr-set-sshd reject with icmp port-unreachable
  }}
}}
"""
# As lists of whom to keep out come from the net, by the ten thousand.
A_LONG_LIST = f"""table inet blocklist {{
  set them {{ type ipv4_addr; flags interval; auto-merge; elements = {{
    {", ".join(f"10.{n // 256}.{n % 256}.128/25" for n in range(20_000))}, {PEER} }} }}
  chain sent {{ type filter hook output priority 0; policy accept; ip daddr @them drop; }}
}}
"""
# The last hook of all, where accounting stands, and who shapes what leaves.
AS_IT_LEAVES = """table ip shaper {
  chain last {
    type filter hook postrouting priority 150; policy accept;
    udp dport 8472 drop
  }
}
"""
AT_THE_DEVICE_AS_IT_LEAVES = """table netdev shaper {
  chain last {
    type filter hook egress device "one" priority 0; policy accept;
    tcp dport 6443 drop
  }
}
"""
# Answers are not always known for such.
ANSWERS = """table inet stateless {
  chain in {
    type filter hook input priority 0; policy accept;
    tcp sport { 80, 6443 } drop
  }
}
"""
# A chain that translates may drop as well, and so may one that leads elsewhere.
TRANSLATES = """table ip elsewhere {
  chain sent { type nat hook output priority 0; policy accept; tcp dport 6443 drop; }
}
"""
LEADS = """table inet elsewhere {
  chain sent { type route hook output priority -150; policy accept; udp dport 8472 drop; }
}
"""
# Between the ports of a bridge, as virtual machines are kept from each other.
OF_A_BRIDGE = """table bridge machines {
  chain between { type filter hook forward priority 0; policy drop; }
}
"""
NEIGHBOURS = """table arp quiet {
  chain in { type filter hook input priority 0; policy drop; }
}
"""
# How it is loaded, which chain is to be named, and of what.
RULES: dict[str, tuple[str, str, str]] = {
    "an image of a cloud": (OF_A_CLOUD, "chain ip filter INPUT", "udp 8472 from other hosts"),
    "what it forwards": (OF_A_CLOUD, "chain ip filter FORWARD", "what pods of two hosts send"),
    "a workstation's": (WORKSTATION, "chain inet filter input", "tcp 10250 from other hosts"),
    "at the device": (AT_THE_DEVICE, "chain netdev floods ingress", "udp 8472 from other hosts"),
    "an address that is banned": (
        BANNED,
        "chain inet f2b-table f2b-chain",
        f"udp 8472 from and to {PEER}",
    ),
    "a long list": (A_LONG_LIST, "chain inet blocklist sent", f"udp 8472 from and to {PEER}"),
    "as it leaves": (AS_IT_LEAVES, "chain ip shaper last", "udp 8472 to other hosts"),
    "at the device, as it leaves": (
        AT_THE_DEVICE_AS_IT_LEAVES,
        "chain netdev shaper last",
        "tcp 6443 to other hosts",
    ),
    "answers": (ANSWERS, "chain inet stateless in", "answers to tcp 6443 to other hosts"),
    "translates": (TRANSLATES, "chain ip elsewhere sent", "tcp 6443 to other hosts"),
    "leads": (LEADS, "chain inet elsewhere sent", "udp 8472 to other hosts"),
    "of a bridge": (
        OF_A_BRIDGE,
        "chain bridge machines between",
        "what this host and its pods send each other",
    ),
    "neighbours": (NEIGHBOURS, "chain arp quiet in", "ARP from and to other hosts"),
    "raw": (RAW, "chain ip raw PREROUTING", "tcp 10250 from other hosts"),
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A host of which only the network is real: one link, by whose address it goes."""
    packages.ensure({"iptables": "iptables-save"})
    with new():
        run(["ip", "link", "add", "one", "type", "veth", "peer", "name", "two"])
        run(["ip", "address", "add", f"{ADDRESS}/24", "dev", "one"])
        run(["ip", "link", "set", "one", "up"])
        vxlan = ["id", "1", "dev", "one", "dstport", "8472", "nolearning"]
        run(["ip", "link", "add", flannel.LINK, "type", "vxlan", *vxlan])
        run(["bridge", "fdb", "append", "02:00:00:00:00:77", "dev", flannel.LINK, "dst", PEER])
        yield Session(Config(net=CONFIG.net, node=Node(address=str(ADDRESS))), Host(root=tmp_path))


def load(rules: str, *, by_iptables: str = "nft") -> None:
    by_nft = ["nft", "--file", "-"]
    run([f"iptables-{by_iptables}-restore"] if rules.startswith("*") else by_nft, stdin=rules)


def carry_out(found: Iterable[Blocked]) -> None:
    """Do what is said, as an administrator would."""
    for one in found:
        for command in one.hint.split("; "):
            run(shlex.split(command))


@pytest.mark.parametrize("name", RULES)
def test_what_drops_is_named_and_what_is_said_helps(name: str, session: Session) -> None:
    rules, chain, what = RULES[name]
    assert firewall.look(session, is_worker=True) == []
    load(rules)

    found = firewall.look(session, is_worker=True)
    assert [one for one in map(str, found) if one.startswith(chain) and what in one]

    carry_out(found)
    assert firewall.look(session, is_worker=True) == []


def test_what_is_dropped_at_another_device_is_nobodys_trouble(session: Session) -> None:
    load(AT_THE_DEVICE.replace('"one"', '"two"'))

    assert firewall.look(session, is_worker=True) == []


def test_what_an_iptables_of_before_nftables_keeps_is_named_and_what_is_said_helps(
    session: Session,
) -> None:
    """nft knows nothing of it, and the other iptables may have rules of its own."""
    load(OF_A_CLOUD, by_iptables="legacy")
    load(RAW.replace("10250", "23"))

    found = firewall.look(session, is_worker=True)
    assert {str(one).partition(" (")[0] for one in found} == {
        f"chain iptables-legacy filter {name}" for name in ("INPUT", "FORWARD")
    }

    carry_out(found)
    assert firewall.look(session, is_worker=True) == []
