"""What does not work of a node's network is named by `status`, on the right node; so is its end."""

import re
import time
from dataclasses import dataclass
from functools import partial

import pytest
from tests.conftest import Note
from tests.lab import cluster
from tests.lab.cluster import complaints, get, until
from tests.lab.found import OF_THE_MACHINE
from tests.lab.lot import IS_SOAK, SEED, drawn
from tests.lab.machine import scaled

from kubeception.conditions import network_problem
from kubeception.conditions.node_program import FLANNEL, PROXY
from kubeception.keeper.trouble import Reason
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(4800 if IS_SOAK else 900)]

# The keeper looks every fifteen seconds, and believes what it has seen twice.
NAMED_S = 60
KEEPER = "kubeception-keeper.service"
MEASURED_S, TICKS = 60, 100
MOST_SHARE = 0.003
WELL_S, LOOK_EVERY_S = (3600, 15) if IS_SOAK else (30, 5)


@dataclass(frozen=True)
class Fault:
    """How a worker's network is broken and mended, by root there; and what is said of it."""

    broken: str
    mended: str
    said: Reason | str
    cause: str = ""


def dropped(
    what: str, hook: str, said: Reason | str, cause: str = "chain inet broken it (rule "
) -> Fault:
    """Return the fault of a rule that drops some packets."""
    chain = f"type filter hook {hook} priority -300; {what} drop;"
    table = f"table inet broken {{ chain it {{ {chain} }}; }}"
    return Fault(f"echo '{table}' | nft -f -", "nft delete table inet broken", said, cause)


FLANNEL_ANEW = FLANNEL.mend
POSTROUTING = "ip flannel-ipv4 postrtg"
# What only pods see; the host itself reaches everything.
PODS_FAULTS = {
    "what pods send is dropped": dropped("ip saddr 10.64.0.0/16", "forward", Reason.NODES),
    "what pods are answered is dropped": dropped("ip daddr 10.64.0.0/16", "forward", Reason.NODES),
    "masquerading is gone": Fault(
        f"nft flush chain {POSTROUTING} && nft add rule {POSTROUTING} counter",
        FLANNEL_ANEW,
        Reason.MASQUERADE,
        f"chain {POSTROUTING} masquerades nothing ({FLANNEL_ANEW})",
    ),
}
# What was reached goes on to be, and what is made afterwards is not.
PROXY_FAULTS = {
    "kube-proxy is frozen": Fault(
        "kill -STOP $(pidof kube-proxy)",
        PROXY.mend,
        Reason.PROXY,
    ),
}


FAULTS = {
    "VXLAN is dropped as it arrives": dropped("udp dport 8472", "input", Reason.PODS),
    "VXLAN is dropped as it leaves": dropped("udp dport 8472", "output", Reason.PODS),
    "VXLAN is dropped at the last hook": dropped("udp dport 8472", "postrouting", Reason.PODS),
    "a table of others' leads elsewhere": Fault(
        "ip route add 10.64.0.0/16 dev lo table 52; ip rule add lookup 52 priority 5270",
        "ip rule del priority 5270; ip route flush table 52",
        Reason.PODS,
        "by lo, and not by flannel.1: route 10.64.0.0/16 table 52 (ip route del 10.64.0.0/16",
    ),
    "questions to the DNS are dropped": dropped("udp dport 53", "output", Reason.DNS),
    "answers of the DNS are dropped": dropped("udp sport 53", "input", Reason.DNS),
    "the way to Services is closed": Fault(
        "ip route add blackhole 10.65.0.0/16",
        "ip route del blackhole 10.65.0.0/16",
        Reason.API,
        "route blackhole 10.65.0.0/16 (ip route del blackhole 10.65.0.0/16)",
    ),
    "the resolver file leads nowhere": Fault(
        "mv /etc/resolv.conf /etc/resolv.conf.off; ln -s /run/nothing /etc/resolv.conf",
        "mv -f /etc/resolv.conf.off /etc/resolv.conf",
        Reason.RESOLVER,
        "/etc/resolv.conf: leads to /run/nothing, which isn't there",
    ),
    "the resolver file names the cluster's own DNS": Fault(
        "mv /etc/resolv.conf /etc/resolv.conf.off; echo nameserver 10.65.0.10 > /etc/resolv.conf",
        "mv -f /etc/resolv.conf.off /etc/resolv.conf",
        Reason.SERVERS,
        "/etc/resolv.conf: 10.65.0.10 is the cluster's own DNS, which would ask itself",
    ),
}
CA, OTHER_CA = (f"/etc/kubernetes/pki/{name}.crt" for name in ("ca", "kubelet-serving-ca-bundle"))
FLANNELS_LOGS = "cd /var/log/pods/kube-system_kube-flannel-*"
LEFT_OUT = " (".join(PROXY.without_a_pod)
STREAMS = "ss -ltnpH | sed -n 's/.*127.0.0.1:\\([0-9]*\\) .*containerd.*/\\1/p'"


def at_input(rule: str) -> str:
    """Return the command by which a host's packets of a kind meet a rule as they arrive."""
    chain = "type filter hook input priority -300;"
    return f'echo "table inet broken {{ chain it {{ {chain} {rule}; }}; }}" | nft -f -'


@dataclass(frozen=True)
class KubeletFault:
    """How a worker's kubelet, or who asks it, is broken; how it is mended; what is said of it.

    Commands are a worker's, but for `before` and `after`: the control-plane host's.
    """

    broken: str
    mended: str
    said: str
    before: str = "true"
    after: str = "true"


# Mended by what is said to mend it, where that is a command that does.
KUBELET_FAULTS = {
    "its port is dropped": KubeletFault(
        at_input("tcp dport 10250 drop"),
        "nft delete table inet broken",
        "w1: its kubelet: {w1}:10250 does not answer (there: kubeception status)",
    ),
    "its port is refused": KubeletFault(
        at_input("tcp dport 10250 reject with tcp reset"),
        "nft delete table inet broken",
        "w1: its kubelet: {w1}:10250 refuses connections (there: kubeception status)",
    ),
    "it is frozen": KubeletFault(
        "kill -STOP $(pidof kubelet)",
        "systemctl restart kubelet.service",
        "w1: its kubelet: {w1}:10250 takes connections and says nothing"
        " (there: systemctl restart kubelet.service)",
    ),
    "it knows another CA": KubeletFault(
        f"cp {CA} /root/ca.crt && cp {OTHER_CA} {CA}",
        f"cp /root/ca.crt {CA}",
        "w1: its kubelet: {w1}:10250 does not know the API server's certificate",
    ),
    "the API server may not ask it": KubeletFault(
        # It goes by what was allowed for minutes.
        "systemctl restart kubelet.service",
        "true",
        "w1: its kubelet: {w1}:10250 refuses the API server:"
        " Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes,",
        before="kubectl delete clusterrolebinding kubeadm:kube-apiserver-kubelet-client",
        after="kubeception bootstrap",
    ),
    "logs alone": KubeletFault(
        # A kubelet makes a folder again that is gone: it looks every ten seconds.
        f"{FLANNELS_LOGS} && mv flannel /root/logs && : > flannel",
        f"{FLANNELS_LOGS} && rm flannel && mv /root/logs flannel",
        "w1: logs: failed to try resolving symlinks in path",
    ),
    "exec alone, without an answer": KubeletFault(
        at_input(f"tcp dport $({STREAMS}) drop"),
        "systemctl restart containerd.service",
        "w1: exec: no answer by way of the container runtime"
        " (there: systemctl restart containerd.service)",
    ),
    "exec alone, refused": KubeletFault(
        at_input(f"tcp dport $({STREAMS}) reject with tcp reset"),
        "systemctl restart containerd.service",
        "w1: exec: the container runtime does not serve it:",
    ),
}


@pytest.fixture(scope="module")
def made(lab: Lab) -> list[Host]:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    command = cp1.run("kubeception", "token", "create", "--node", "w1").stdout
    w1.run("sh", stdin=command, timeout_s=240)
    return [cp1, w1]


@pytest.mark.parametrize(
    "name",
    [*PODS_FAULTS, *PROXY_FAULTS, *drawn(list(FAULTS), 2)],
    ids=lambda one: f"{one} (seed {SEED})",
)
def test_what_does_not_work_on_a_node_is_named(
    made: list[Host], hosts: list[Host], note: Note, name: str
) -> None:
    cp1, w1 = made
    assert len(hosts) == 2
    fault = {**FAULTS, **PODS_FAULTS, **PROXY_FAULTS}[name]
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)

    w1.run("sh", "-c", fault.broken)
    try:
        named_s = until(lambda: any("w1: " in line for line in complaints(cp1)), timeout_s=NAMED_S)
        if isinstance(fault.said, Reason):
            until(lambda: told(cp1) == fault.said, timeout_s=NAMED_S)
        said = complaints(cp1)
    finally:
        w1.run("sh", "-c", fault.mended)
    over_s = until(lambda: complaints(cp1) == [] and told(cp1) is None, timeout_s=NAMED_S)

    note(f"{name}: named after {named_s:.1f} s, its end after {over_s:.1f} s: {said}")
    assert isinstance(fault.said, Reason) or any(fault.said in line for line in said)
    assert any(fault.cause in line for line in said)
    assert not any("cp1: " in line for line in said)


def test_a_host_that_carries_smaller_packets_than_others_is_named(
    made: list[Host], note: Note
) -> None:
    cp1, w1 = made
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)
    mended = "ip link set host0 mtu 1500"
    w1.run("ip", "link", "set", "host0", "mtu", "1280")
    try:
        named_s = until(lambda: told(cp1) == Reason.LARGE, timeout_s=NAMED_S)
        said = complaints(cp1)
        of_w1 = w1.run("kubeception", "status", check=False)
    finally:
        w1.run("sh", "-c", mended)
    over_s = until(lambda: complaints(cp1) == [] and told(cp1) is None, timeout_s=NAMED_S)

    note(
        f"packets of 1280 bytes: named after {named_s:.1f} s, its end after {over_s:.1f} s: {said}"
    )
    cause = f"host0 carries packets of 1280 bytes, and pods' come as 1500 ({mended})"
    assert any("w1: " in line and cause in line for line in said)
    assert cause in of_w1.stdout


def test_a_host_that_kube_proxy_leaves_out_says_so_and_what_helps(
    made: list[Host], note: Note
) -> None:
    cp1, w1 = made
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)
    elsewhere = '{"spec":{"template":{"spec":{"nodeSelector":{"of":"somebody"}}}}}'
    patch = ("patch", "daemonset", "kube-proxy", "--type=merge", "--patch", elsewhere)
    cluster.kubectl(cp1, "-n", "kube-system", *patch)

    named_s = until(lambda: any(LEFT_OUT in one for one in complaints(w1)), timeout_s=NAMED_S)
    w1.run("nft", "delete", "table", "ip", "kube-proxy")
    until(
        lambda: any(f"prerouting), and {LEFT_OUT}" in one for one in complaints(w1)),
        timeout_s=NAMED_S,
    )
    where, _, command = PROXY.placed_anew.partition(": ")
    assert where == "on a control-plane host"
    cluster.after_the_keeper(cp1, "sh", "-c", command)
    over_s = until(lambda: complaints(w1) == [] == complaints(cp1), timeout_s=NAMED_S)

    note(f"named after {named_s:.1f} s, its end after {over_s:.1f} s")


@pytest.mark.parametrize("name", KUBELET_FAULTS)
def test_what_keeps_logs_and_commands_from_users_is_named(
    made: list[Host], note: Note, name: str
) -> None:
    cp1, w1 = made
    fault = KUBELET_FAULTS[name]
    said = fault.said.format(w1=w1.address)
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)

    def of_kubelets() -> list[str]:
        return [one for one in complaints(cp1) if "every node's kubelet" in one]

    cp1.run("sh", "-c", fault.before)
    w1.run("sh", "-c", fault.broken)
    try:
        lines, named_s = cluster.until_seen(
            of_kubelets, lambda lines: any(said in line for line in lines), timeout_s=NAMED_S
        )
    finally:
        w1.run("sh", "-c", fault.mended)
        cluster.after_the_keeper(cp1, "sh", "-c", fault.after)
    try:
        over_s = until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)
    finally:
        w1.run("nft", "delete", "table", "inet", "broken", check=False)

    note(f"{name}: named after {named_s:.1f} s, its end after {over_s:.1f} s: {lines}")
    assert len(lines) == 1
    assert "cp1: " not in lines[0]
    assert lines[0].count("w1: ") == 1
    assert ("logs: " in lines[0]) is (name == "logs alone")
    assert ("exec: " in lines[0]) is name.startswith("exec alone")


def asked(cp1: Host) -> dict[str, int]:
    """Return how often the API server was asked for what goes on to kubelets, and altogether."""
    text = cp1.run("kubectl", "get", "--raw", "/metrics").stdout
    found = {"log": 0, "exec": 0, "proxy": 0, "all": 0}
    for labels, number in re.findall(r"^apiserver_request_total{(.*)} (\d+)", text, re.MULTILINE):
        part = re.search(r'subresource="(\w*)"', labels)
        found["all"] += int(number)
        if part and part[1] in found:
            found[part[1]] += int(number)
    return found


def test_a_look_asks_each_kubelet_for_a_log_and_a_command(made: list[Host], note: Note) -> None:
    cp1, _ = made
    looks, nodes = 5, 2
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)

    # What is run there where the network is one's own, and no pod of flannel's.
    cluster.kubectl(
        cp1, *("exec", "-n", "kube-system", "ds/kube-proxy", "--", "kube-proxy", "--version")
    )

    before = asked(cp1)
    for _ in range(looks):
        assert complaints(cp1) == []
    after = asked(cp1)

    counted = {what: after[what] - before[what] for what in before}
    note(f"{looks} looks at {nodes} nodes: {counted} requests")
    assert (counted["log"], counted["exec"], counted["proxy"]) == (looks * nodes, looks * nodes, 0)


def test_what_a_look_costs_is_little(made: list[Host], note: Note) -> None:
    cp1, w1 = made
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)

    used = {}
    for is_on in (True, False):
        w1.put(cluster.CONFIG, f"[node]\nprobe_network = {str(is_on).lower()}\n")
        w1.run("systemctl", "restart", KEEPER)
        until(partial(place_is, w1, there=is_on), timeout_s=NAMED_S)
        before = keeper_ticks(w1)
        time.sleep(MEASURED_S)
        said = w1.run("journalctl", "-u", KEEPER, "-o", "cat", "-n", "1").stdout
        used[is_on] = keeper_ticks(w1) - before, keeper_kib(w1)
        assert "all is well" in said and complaints(cp1) == []
    w1.put(cluster.CONFIG, "")
    w1.run("systemctl", "restart", KEEPER)

    (ticks, kib), (ticks_off, kib_off) = used[True], used[False]
    share = (ticks - ticks_off) / TICKS / MEASURED_S
    note(
        f"the keeper's CPU in {MEASURED_S} s: {ticks} ticks of {1000 // TICKS} ms, without its"
        f" place among the pods {ticks_off}: {share:.2%} of a core more;"
        f" memory: {kib / 1024:.1f} MiB, without {kib_off / 1024:.1f} MiB"
    )
    assert share <= scaled(MOST_SHARE)
    assert kib - kib_off <= 30 * 1024


def test_nothing_is_named_where_all_is_well(made: list[Host], note: Note) -> None:
    cp1, _ = made
    until(lambda: complaints(cp1) == [], timeout_s=NAMED_S)
    since = cp1.run("date", "+%s").stdout.strip()
    named: list[str] = []
    looks, ends_s = 0, time.monotonic() + WELL_S
    while time.monotonic() < ends_s:
        named += complaints(cp1)
        named += [f"{node}: {said}" for node in ("cp1", "w1") if (said := told(cp1, node))]
        looks += 1
        time.sleep(LOOK_EVERY_S)
    for host in made:
        journal = host.run("journalctl", "-u", KEEPER, "-o", "cat", f"--since=@{since}").stdout
        named += [f"{host.name}: {line}" for line in journal.splitlines() if is_warning(line)]

    note(f"{looks} looks in {WELL_S} s")
    assert named == []


def is_warning(line: str) -> bool:
    """Whether a line of a keeper's journal tells of something that does not hold.

    What a join of its finds of the machine that the lab is on holds on each run.
    """
    is_of_the_machine = any(f" {check}: " in line for check in OF_THE_MACHINE)
    return bool(re.match(r" ?(WARN|ERROR)", line)) and not is_of_the_machine


def place_is(w1: Host, *, there: bool) -> bool:
    """Whether a worker's keeper has an address among its pods, or has none."""
    taken = w1.run("test", "-e", "/var/lib/cni/networks/cbr0/10.64.1.254", check=False)
    return (taken.code == 0) is there


def keeper_ticks(host: Host) -> int:
    """Return how long a keeper and what it has called have run."""
    fields = host.run("cat", f"/proc/{keeper_pid(host)}/stat").stdout.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def keeper_kib(host: Host) -> int:
    """Return how much memory a keeper has."""
    status = host.run("cat", f"/proc/{keeper_pid(host)}/status").stdout
    return int(status.partition("VmRSS:")[2].split()[0])


def keeper_pid(host: Host) -> str:
    return host.run("systemctl", "show", "-P", "MainPID", KEEPER).stdout.strip()


def told(cp1: Host, node: str = "w1") -> str | None:
    """Return the reason by which a Node says that its network does not work."""
    return network_problem(get(cp1, "node", node))
