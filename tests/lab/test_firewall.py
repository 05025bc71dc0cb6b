"""Firewalls and kernel settings of others: named, survived, and what they took away is back."""

import errno
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
from tests.fixed import CONFIG
from tests.lab import cluster, door_history, found, healing
from tests.lab.cluster import get, kubectl, until
from tests.lab.conftest import Note
from tests.lab.lot import SEED, drawn
from tests.lab.machine import scaled

from kubeception.conditions import API_SILENT_S
from kubeception.endpoints import HOSTED_PORTS
from kubeception.errors import KubeceptionError
from kubeception.keeper import record
from kubeception.keeper.verdict import Action
from kubeception.lab import Host, Lab
from kubeception.lab.paths import GATEWAY
from kubeception.layout import Layout
from kubeception.render import flannel

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(600)]

DOCS = Path(__file__).parents[2] / "docs" / "network.md"
BACK_S = 60.0
PORT = 7000
# Answers with whom it sees.
SERVE = f"""
import socket
server = socket.create_server(("{GATEWAY}", {PORT}))
print("ready", flush=True)
while True:
    connection, (address, _) = server.accept()
    connection.sendall(address.encode())
    connection.close()
"""
# What a pod lives on: the API by its Service, a name, and a way out by its host's address.
ASK = f"""
import socket, ssl, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
service = "https://kubernetes.default.svc.cluster.local/readyz"
print(urllib.request.urlopen(service, context=context, timeout=3).read().decode())
print(socket.create_connection(("{GATEWAY}", {PORT}), timeout=3).recv(99).decode())
"""
# How a connection to a pod where nobody listens comes out.
REACH = """
import socket, sys
probe = socket.socket()
probe.settimeout(3)
print(probe.connect_ex((sys.argv[1], 9)))
"""


@dataclass(frozen=True)
class Made:
    """A control-plane host and a worker, each with a pod that can ask."""

    cp1: Host
    w1: Host

    @property
    def hosts(self) -> tuple[Host, Host]:
        return self.cp1, self.w1

    def asked(self, host: Host) -> list[str]:
        """Return what the pod on a host is answered, nothing where it can't be asked."""
        try:
            ask = ("exec", f"asker-{host.name}", "--", "timeout", "9", "python3", "-c", ASK)
            return kubectl(self.cp1, *ask).split()
        except KubeceptionError:
            return []

    def reach_each_other(self) -> bool:
        """Whether the pods of either host get an answer from the other's."""
        return all(
            self._reaches(one, self.address[other.name])
            for one, other in (self.hosts, reversed(self.hosts))
        )

    def has_new_flannel(self) -> None:
        """Let no kubelet wait with another start of it, as with what has ended a few times."""
        flannel_pods = ("-n", "kube-system", "-l", "k8s-app=flannel")
        kubectl(self.cp1, "delete", "pods", *flannel_pods)
        rollout = ("rollout", "status", "-n", "kube-system", "daemonset", "kube-flannel")
        kubectl(self.cp1, *rollout, "--timeout", "60s")
        until(self.reach_each_other, timeout_s=BACK_S)

    def _reaches(self, host: Host, address: str) -> bool:
        """Whether a host's pod is told by another one that nobody listens there."""
        ask = ("exec", f"asker-{host.name}", "--", "timeout", "9", "python3", "-c", REACH, address)
        try:
            return kubectl(self.cp1, *ask).strip() == str(errno.ECONNREFUSED)
        except KubeceptionError:
            return False

    @cached_property
    def address(self) -> dict[str, str]:
        """The addresses of the hosts' pods."""
        pods = {host.name: get(self.cp1, "pod", f"asker-{host.name}") for host in self.hosts}
        return {name: pod["status"]["podIP"] for name, pod in pods.items()}

    def is_whole(self) -> bool:
        """Whether all that pods need is there on both hosts."""
        return all(self.asked(host) == ["ok", host.address] for host in self.hosts)


@pytest.fixture(scope="module")
def made(lab: Lab) -> Iterator[Made]:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    w1.run("sh", stdin=cp1.run("kubeception", "token", "create", "--node", "w1").stdout)
    image = get(cp1, "deployment", "-n", "kube-system", "kubeception")
    for host in (cp1, w1):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"asker-{host.name}"},
            "spec": {
                "nodeName": host.name,
                "tolerations": [{"operator": "Exists"}],
                "containers": [
                    {
                        "name": "asker",
                        "image": image["spec"]["template"]["spec"]["containers"][0]["image"],
                        "command": ["sleep", "inf"],
                    }
                ],
            },
        }
        kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(pod))
    there = ("nsenter", f"--net={lab.place.network}", sys.executable, "-c", SERVE)
    with subprocess.Popen(there, stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline() == b"ready\n"
        yield Made(cp1, w1)
        serving.kill()


@pytest.fixture
def well(made: Made, hosts: list[Host]) -> Made:
    """The cluster, with everything as it should be."""
    assert len(hosts) == 2
    assert healing.wait(made.cp1, patience_s=scaled(healing.SETTLED_S)) == []
    until(made.is_whole, timeout_s=scaled(BACK_S))
    return made


def status(host: Host) -> str:
    """Return what status says does not hold."""
    done = host.run("kubeception", "status", "-o", "json", check=False, timeout_s=120)
    return "; ".join(one["problem"] for one in json.loads(done.stdout)["checks"] if one["problem"])


def findings(host: Host, *, of: str) -> list[dict[str, Any]]:
    """Return what preflight finds on a control-plane host, by the start of the check's name."""
    return [one for one in found.every(host) if one["check"].startswith(of)]


def verdict(host: Host) -> record.Record | None:
    return record.read(host.root() / Layout.keeper.relative_to("/"))


@contextmanager
def loaded(host: Host, rules: str) -> Iterator[None]:
    """Have a host load rules of nftables, in the table `inet hostile`, for a while."""
    host.run("nft", "-f", "-", stdin=rules)
    try:
        yield
    finally:
        host.run("nft", "delete", "table", "inet", "hostile")


@contextmanager
def unmended(*hosts: Host) -> Iterator[None]:
    """Keep the keepers from mending anything for a while, so that one may look at it."""
    for host in hosts:
        host.run("kubeception", "keeper", "pause")
    try:
        yield
    finally:
        for host in hosts:
            host.run("kubeception", "keeper", "resume")


def test_what_was_flushed_is_back_within_a_minute(well: Made, note: Note) -> None:
    # Each keeper has seen that all is there, so it needn't wait for who may just be starting.
    for host in well.hosts:
        until(lambda host=host: _is_well(host), timeout_s=scaled(BACK_S))  # type: ignore[misc]
    for host in well.hosts:
        host.run("nft", "flush", "ruleset")

    back_s = until(well.is_whole, timeout_s=scaled(BACK_S))

    note(f"flushed on both roles: pods have it all after {back_s:.1f} s")
    assert healing.wait(well.cp1, patience_s=scaled(healing.SETTLED_S)) == []
    assert status(well.w1) == ""


_QUIET = {Action.NOTHING, Action.WAIT}


def _is_well(host: Host) -> bool:
    said = verdict(host)
    return said is not None and said.action in _QUIET and "rules" not in said.why


# What a restart of the host's network, or a hand, makes of the pods' part of it.
TAKEN = {
    "routes": "ip route flush dev flannel.1",
    "neighbours": "ip neighbor flush dev flannel.1 nud permanent",
    "tunnels": "bridge fdb show dev flannel.1 | while read -r mac _ end _; do"
    ' bridge fdb del "$mac" dev flannel.1 dst "$end"; done',
    "all but tunnels": "ip link set flannel.1 down && ip link set flannel.1 up",
    "the link, set down": "ip link set flannel.1 down",
    "the link, deleted": "ip link delete flannel.1",
    "the bridge": "ip link delete cni0",
    "the bridge's address": "ip address flush dev cni0",
    "pods' links": "for one in /sys/class/net/cni0/brif/*; do"
    ' ip link set "${one##*/}" nomaster; done',
}


@pytest.mark.parametrize("what", drawn(tuple(TAKEN), 2), ids=lambda one: f"{one} (seed {SEED})")
def test_what_is_taken_of_the_pods_network_is_back_within_a_minute(
    well: Made, note: Note, what: str
) -> None:
    """Who has written it, when a pod or a node came, looks no more."""
    well.has_new_flannel()
    with unmended(*well.hosts):
        for host in well.hosts:
            host.run("sh", stdin=TAKEN[what])
        assert not well.reach_each_other()

    back_s = until(well.reach_each_other, timeout_s=BACK_S)

    note(f"{what} taken on both roles: their pods reach each other after {back_s:.1f} s")
    assert healing.wait(well.cp1, patience_s=scaled(healing.SETTLED_S)) == []
    assert status(well.w1) == ""


# What people write who have one card.
BY_DHCP = "[Match]\nName={}\n\n[Network]\nDHCP=yes\n"


def test_settings_for_every_link_of_the_host_are_none_for_those_of_pods(well: Made) -> None:
    file = "/etc/systemd/network/20-all.network"
    with settings_for_links("*", file, *well.hosts):
        for host in well.hosts:
            lines = host.run("networkctl", "--no-legend", "list").stdout.splitlines()
            state = {words[1]: words[-1] for line in lines if (words := line.split())}
            ours = {name for name in state if name.startswith("veth")} | {*flannel.LINKS}
            assert {state[name] for name in ours} == {"unmanaged"}
            assert state["lo"] != "unmanaged"
        assert well.is_whole()
        assert well.reach_each_other()


def test_settings_that_come_before_ours_are_named_and_what_is_said_helps(well: Made) -> None:
    file = "/etc/systemd/network/00-a.network"
    with settings_for_links("!host0", file, well.w1):
        cause = f"systemd-networkd configures flannel.1, by {file}"
        look = partial(status, well.w1)
        said, _ = cluster.until_seen(look, lambda said: cause in said, timeout_s=BACK_S)
        hint = re.search(rf"{re.escape(cause)} \((.*?)\)", said)
        assert hint is not None
        well.w1.run("sh", "-c", hint[1])
        until(lambda: status(well.w1) == "", timeout_s=BACK_S)


@contextmanager
def settings_for_links(names: str, file: str, *hosts: Host) -> Iterator[None]:
    """Have hosts configure links that no file before this one is for."""
    for host in hosts:
        host.put(file, BY_DHCP.format(names))
        host.run("systemctl", "restart", "systemd-networkd")
    try:
        yield
    finally:
        for host in hosts:
            host.run("sh", "-c", f"rm -f {file} $(dirname {file})/90-*")
            host.run("systemctl", "restart", "systemd-networkd")


def test_what_flannel_tells_the_plugins_is_back_within_a_minute(well: Made, note: Note) -> None:
    """Pods that run don't miss it, and none could start."""
    told = (flannel.SUBNET, Layout.cni.settings / flannel.PLUGIN)
    files = [host.root() / path.relative_to("/") for host in well.hosts for path in told]
    well.has_new_flannel()
    for file in files:
        file.unlink()

    back_s = until(lambda: all(file.exists() for file in files), timeout_s=BACK_S)

    note(f"flannel's files removed on both roles: back after {back_s:.1f} s")
    assert not any("tells the plugins" in status(host) for host in well.hosts)


def test_programs_by_which_pods_start_are_missed_before_a_pod_does(well: Made) -> None:
    """What runs doesn't need them any more."""
    path = Layout.cni.plugins / "bridge"
    bundle = str(CONFIG.layout.bundle)
    hint = f"{path}: no such file (kubeception bundle import {bundle})"
    with unmended(*well.hosts):
        well.w1.run("rm", str(path))
        assert hint in status(well.w1)
    until(lambda: any(hint in line for line in cluster.complaints(well.cp1)), timeout_s=BACK_S)

    well.w1.run("kubeception", "bundle", "import", bundle)

    assert status(well.w1) == ""
    until(lambda: cluster.complaints(well.cp1) == [], timeout_s=BACK_S)


def test_chains_that_were_emptied_are_told_and_filled_again(well: Made) -> None:
    """A table alone says nothing of its rules."""
    with unmended(*well.hosts):
        for host in well.hosts:
            host.run("nft", "flush", "table", "ip", "kube-proxy")
            host.run("nft", "flush", "table", "ip", "flannel-ipv4")
        told = [status(host) for host in well.hosts]

    for words in told:
        assert "kube-proxy's rules are gone (chain ip kube-proxy nat-prerouting)" in words
        assert "flannel's rules are gone (chain ip flannel-ipv4 postrtg)" in words
    until(well.is_whole, timeout_s=scaled(BACK_S))


def test_a_door_that_is_shut_from_outside_alone_is_open_again(well: Made) -> None:
    """On the host itself the API answers all the while."""
    with unmended(well.cp1):
        well.cp1.run("nft", "flush", "chain", "ip", "kubeception-door", "from-outside")
        told = status(well.cp1)

    assert "the door's rules are not whole" in told
    until(lambda: status(well.w1) == "", timeout_s=scaled(BACK_S))
    assert "the door's rules" not in status(well.cp1)


ENDS = ("drop", "reject with tcp reset")


@pytest.mark.parametrize("end", drawn(ENDS, 1))
def test_an_api_server_behind_a_firewall_is_not_taken_for_dead(well: Made, end: str) -> None:
    cp1 = well.cp1
    servers = _servers(cp1)
    began = _pods_of_the_control_plane(cp1)
    rules = (
        "table inet hostile {\n chain in {\n"
        " type filter hook input priority 0; policy accept;\n"
        f" tcp dport 6444-6450 {end}\n }}\n}}\n"
    )
    with loaded(cp1, rules):
        until(lambda: _waits_for(cp1, "chain inet hostile in"), timeout_s=scaled(30))
        since = verdict(cp1)
        # Twice as long as one that hangs is given, and a dead one.
        until_s = time.monotonic() + 2 * API_SILENT_S
        while time.monotonic() < until_s:
            assert (verdict(cp1), _servers(cp1)) == (since, servers)
        assert "chain inet hostile in (rule " in status(cp1)
    assert healing.wait(cp1, patience_s=scaled(healing.SETTLED_S)) == []
    assert _servers(cp1) == servers
    assert _pods_of_the_control_plane(cp1) == began


def _waits_for(host: Host, words: str) -> bool:
    said = verdict(host)
    return said is not None and said.action == Action.WAIT and said.why.startswith(words)


def _servers(host: Host) -> set[str]:
    return set(host.run("pgrep", "--exact", "kube-apiserver").stdout.split())


def _pods_of_the_control_plane(host: Host) -> set[str]:
    found = get(host, "pods", "-n", "kube-system", "-l", "component=kube-apiserver")["items"]
    return {pod["metadata"]["uid"] for pod in found}


# What people have: rules of theirs, and which chain is to blame.
RULES = {
    "what reads like all that is needed": (
        "table inet hostile {\n chain in { type filter hook input priority 0; policy drop;\n"
        " iif lo accept; ct state established,related accept\n"
        " tcp dport { 22, 6443, 10250, 30000 } accept; udp dport 8472 accept\n }\n}\n",
        "chain inet hostile in (policy drop) drops tcp 6445-6450 from other hosts",
    ),
    "no pod of another host": (
        "table inet hostile {\n chain fw { type filter hook forward priority 10; policy drop;\n"
        " ct state vmap { established : accept, related : accept }\n }\n}\n",
        "chain inet hostile fw (policy drop) drops tcp 30000 from hosts that join",
    ),
    "a chain that is called by another": (
        "table inet hostile {\n chain no { meta l4proto { tcp, udp } reject\n }\n"
        " chain in { type filter hook input priority 5; policy accept;\n"
        " iifname { lo, cni0 } accept\n ct state new jump no\n }\n}\n",
        "chain inet hostile no (rule ",
    ),
    "what a host sends itself": (
        "table inet hostile {\n chain out { type filter hook output priority 0; policy accept;\n"
        " oif lo tcp dport 6448 drop\n }\n}\n",
        "chain inet hostile out (rule ",
    ),
    "before anything is translated": (
        "table inet hostile {\n chain raw { type filter hook prerouting priority -300;"
        " policy accept;\n iifname host0 tcp dport 30000 drop\n }\n}\n",
        "chain inet hostile raw (rule ",
    ),
}


@pytest.mark.parametrize("name", drawn(list(RULES), 1))
def test_a_chain_that_drops_what_is_needed_is_named_and_what_is_said_helps(
    well: Made, name: str
) -> None:
    cp1 = well.cp1
    rules, blamed = RULES[name]
    with loaded(cp1, rules):
        found = findings(cp1, of="Firewall")
        told = status(cp1)
        for one in found:
            cp1.run("sh", "-ec", one["hint"])
        left = findings(cp1, of="Firewall")
        again = cluster.after_the_keeper(cp1, "kubeception", "bootstrap")
        after = status(cp1)

    assert blamed in "; ".join(one["problem"] for one in found)
    assert blamed in told
    assert left == []
    assert again.code == 0, again.stderr
    assert blamed not in after


def test_rules_of_iptables_are_named_in_its_own_words(well: Made) -> None:
    cp1 = well.cp1
    drop = ("FORWARD", "-p", "udp", "-m", "multiport", "--dports", "53,123", "-j", "DROP")
    cp1.run("iptables", "-A", *drop)
    try:
        [found] = findings(cp1, of="Firewall-filter-FORWARD")
        cp1.run("sh", "-ec", found["hint"])
        left = findings(cp1, of="Firewall")
    finally:
        cp1.run("iptables", "-F", "FORWARD")

    assert "chain ip filter FORWARD" in found["problem"]
    assert "--dports 53,123 -j DROP" in found["problem"]
    assert left == []


def test_a_worker_names_what_its_rules_drop(well: Made) -> None:
    rules = (
        "table inet hostile {\n chain in { type filter hook input priority 0; policy drop;\n"
        " iif lo accept\n ct state established,related accept\n tcp dport 10250 accept\n }\n}\n"
    )
    with loaded(well.w1, rules):
        told = status(well.w1)

    assert "chain inet hostile in (policy drop) drops udp 8472 from other hosts" in told
    assert "nft insert rule inet hostile in udp dport 8472 accept" in told
    assert status(well.w1) == ""


def test_the_rules_in_the_docs_let_all_through_that_is_needed(well: Made) -> None:
    [written] = re.findall(r"```\n(table inet host\n.+?)```", DOCS.read_text(), re.DOTALL)
    pods = get(well.cp1, "node", "cp1")["spec"]["podCIDR"].replace(".0.0/24", ".0.0/16")
    rules = written.replace("inet host", "inet hostile").replace("10.244.0.0/16", pods)
    of_worker = rules.replace("6443, ", "").replace("ct status dnat accept", "")
    with loaded(well.cp1, rules), loaded(well.w1, of_worker):
        found = findings(well.cp1, of="Firewall")
        words = [status(host) for host in well.hosts]
        whole = well.is_whole()
        said = kubectl(well.cp1, "logs", "asker-w1")
        cacert = ("--cacert", "/etc/kubernetes/pki/ca.crt", "--max-time", "5")
        door = well.w1.run("curl", "-s", *cacert, f"https://{well.cp1.address}:6443/readyz")
        joining = well.w1.run("curl", "-sk", "-m", "5", f"https://{well.cp1.address}:30000/healthz")

    assert (found, words, whole, said) == ([], ["", ""], True, "")
    assert (door.stdout, joining.code) == ("ok", 0)


FILE = "/etc/sysctl.d/zz-hardening.conf"
KEYS = {
    "net.ipv4.ip_forward": "net.ipv4.ip_forward",
    "net.bridge.bridge-nf-call-iptables": "net.bridge.bridge-nf-call-iptables",
    "net.ipv4.conf.cni0.forwarding": "net.ipv4.conf.cni0.forwarding",
    "net.ipv4.conf.all.forwarding": "net.ipv4.ip_forward",
}


@pytest.mark.parametrize("key", drawn(list(KEYS), 1))
def test_the_kernels_value_counts_and_the_file_that_wins_is_named(well: Made, key: str) -> None:
    named = f"{KEYS[key]} is 0, by {FILE}"
    try:
        with unmended(*well.hosts):
            for host in well.hosts:
                host.put(FILE, f"# ours\n{key} = 0\n")
                host.run("systemctl", "restart", "systemd-sysctl")
            told = [status(host) for host in well.hosts]
        for host in well.hosts:
            until(lambda host=host: _value(host, key) == "1", timeout_s=scaled(BACK_S))  # type: ignore[misc]
        hints = [one["hint"] for one in findings(well.cp1, of="Sysctl")]
        for hint in hints:
            well.cp1.run("sh", "-ec", hint)
        well.cp1.run("systemctl", "restart", "systemd-sysctl")
        after, left = _value(well.cp1, key), findings(well.cp1, of="Sysctl")
    finally:
        for host in well.hosts:
            host.run("rm", "-f", FILE)

    assert [named in words for words in told] == [True, True], told
    assert len(hints) == 1
    assert (after, left) == ("1", [])


def test_a_run_sets_what_a_file_has_set_otherwise(well: Made) -> None:
    cp1 = well.cp1
    cp1.run("kubeception", "keeper", "pause")
    try:
        cp1.run("sysctl", "-w", "net.bridge.bridge-nf-call-iptables=0")
        done = cluster.bootstrap(cp1)
    finally:
        cp1.run("kubeception", "keeper", "resume")

    assert _value(cp1, "net.bridge.bridge-nf-call-iptables") == "1"
    assert len(done.changes) == 1


def _value(host: Host, key: str) -> str:
    return host.run("sysctl", "-n", key).stdout.strip()


# What opens the port of the server that serves now, from outside, and not that of the next one.
SHUT = {
    "a policy": (
        " type filter hook input priority 0; policy drop;\n"
        " iif lo accept; iifname cni0 accept; iifname flannel.1 accept\n"
        " ct state established,related accept\n"
        " tcp dport {{ 22, {open}, 10250, 30000 }} accept; udp dport 8472 accept\n",
        "chain inet hostile in (policy drop) drops tcp {port} from other hosts",
    ),
    "a link": (
        " type filter hook input priority 0; policy accept;\n"
        " iifname host0 tcp dport {{ {shut} }} drop\n",
        "chain inet hostile in (rule ",
    ),
    "a reset": (
        " type filter hook input priority 0; policy accept;\n"
        " iifname host0 tcp dport {{ {shut} }} reject with tcp reset\n",
        "chain inet hostile in (rule ",
    ),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", drawn(list(SHUT), 1))
def test_an_api_server_that_other_hosts_do_not_reach_is_not_proven(
    well: Made, name: str, note: Note
) -> None:
    cp1, before = well.cp1, door_history.port(well.cp1)
    shut = [port for port in HOSTED_PORTS if port != before]
    chain, blamed = SHUT[name]
    rules = chain.format(open=before, shut=", ".join(map(str, shut)))
    is_dropped = "reject" not in chain
    since = _now(cp1)
    with loaded(cp1, f"table inet hostile {{\n chain in {{\n{rules} }}\n}}\n"):
        # What was dropped is sent anew after 1, 3, 7 and 15 s.
        with cluster.Requests.from_outside(cp1, patience_s=20) as asking:
            _roll(cp1)
            # On trial for a minute, then behind the door.
            until(lambda: _is_shut_out(cp1), timeout_s=60 + 60)
            why = _word(cp1)
        turns = door_history.turns(_log(cp1, since))
        proven = _proven(cp1)
        assert door_history.port(cp1) == before
        ready = get(cp1, "node", "w1")["status"]["conditions"]
    note(f"shut out by {name}: {asking}; {why}")

    new = turns[0][1]
    assert turns == [(str(before), new), (new, str(before))]
    assert "it answers on port" in why
    assert blamed.format(port=new) in why
    assert "6445-6450 accept" in why
    assert _conditions(ready)["Ready"] == "True"
    assert "is proven" not in _log(cp1, since)
    # A packet that was dropped is sent anew, and by then the old server has the door.
    if is_dropped:
        assert asking.failed == []
    until(lambda: _proven(cp1) != proven, timeout_s=240)
    said = _log(cp1, since)
    assert "has served well; node w1 has reached it" in said
    assert "put back" not in said
    assert door_history.port(cp1) == int(new)


def _conditions(found: list[dict[str, str]]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in found}


@pytest.mark.timeout(900)
def test_a_bootstrap_lets_no_server_go_for_one_that_others_do_not_reach(well: Made) -> None:
    cp1, before, proven = well.cp1, door_history.port(well.cp1), _proven(well.cp1)
    shut = ", ".join(str(port) for port in HOSTED_PORTS if port != before)
    rules = SHUT["a link"][0].format(shut=shut)
    since = _now(cp1)
    cluster.configure(cp1, more='\n[apiserver.extra_args]\nv = "1"\n')
    try:
        with loaded(cp1, f"table inet hostile {{\n chain in {{\n{rules} }}\n}}\n"):
            done = cluster.after_the_keeper(cp1, "kubeception", "bootstrap", "--force-conflicts")
            until(lambda: door_history.port(cp1) == before, timeout_s=15)
            until(lambda: _is_shut_out(cp1), timeout_s=60)
            why = _word(cp1)
            still = _servers(cp1)
        until(lambda: _proven(cp1) != proven, timeout_s=240)
        again = cluster.after_the_keeper(cp1, "kubeception", "bootstrap", "--force-conflicts")
    finally:
        cluster.configure(cp1)

    assert done.code != 0
    assert re.search("it answers on port 64.., and not for w1", done.stderr.replace(" here", ""))
    assert "chain inet hostile in (rule " in why
    assert len(still) == 2
    assert "has served well; node w1 has reached it" in _log(cp1, since)
    assert again.code == 0, again.stderr


@pytest.mark.timeout(900)
def test_a_roll_while_the_only_worker_is_off_is_proven_and_says_so(well: Made) -> None:
    cp1, before = well.cp1, _proven(well.cp1)
    well.w1.power_cut()
    try:
        since = _now(cp1)
        _roll(cp1)
        until(lambda: _proven(cp1) != before, timeout_s=240)
        said = _log(cp1, since)
    finally:
        well.w1.boot()

    assert "has served well; no other node has tried it" in said
    assert len(door_history.turns(said)) == 1


def _roll(host: Host) -> None:
    """Edit the API server's DaemonSet, as anybody may."""
    edit = {"spec": {"template": {"metadata": {"annotations": {"test/edit": f"{time.time()}"}}}}}
    what = ("-n", "kube-system", "daemonset", "kube-apiserver")
    kubectl(host, "patch", *what, "--patch", json.dumps(edit))


def _proven(host: Host) -> str:
    found = get(host, "daemonset", "-n", "kube-system", "kube-apiserver")
    said: str = found["metadata"]["annotations"].get("kubeception.dev/proven", "")
    return said


def _word(host: Host) -> str:
    said = verdict(host)
    return said.why if said else ""


def _is_shut_out(host: Host) -> bool:
    said = verdict(host)
    return said is not None and said.action == Action.WAIT and "and not for" in said.why


def _now(host: Host) -> str:
    return host.run("date", "+@%s").stdout.strip()


def _log(host: Host, since: str) -> str:
    return host.run("journalctl", "--unit", "kubeception-keeper", "--since", since).stdout
