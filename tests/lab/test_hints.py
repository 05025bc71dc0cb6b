"""After what each hint of preflight's says, a bootstrap passes."""

import re

import pytest
from tests.lab import cluster, expired
from tests.lab.cluster import bootstrap, complaints
from tests.lab.found import OF_THE_MACHINE, errors, findings

from kubeception.lab import Host

KUBELETS_OWN = "/var/lib/kubelet/pki/kubelet-client-current.pem"
ETCD = "/usr/local/bin/etcd"
PKI = "/etc/kubernetes/pki"
RESOLVER = "/etc/resolv.conf"

pytestmark = pytest.mark.hosts(1, bundle=True)


# What others leave on a host, by a command of a shell's, and the check that finds it.
LEFT: dict[str, tuple[str, str]] = {
    "another network": (
        "mkdir -p /etc/cni/net.d; echo {} > /etc/cni/net.d/10-calico.conflist",
        "FileContent--etc-cni-net.d-10-calico.conflist",
    ),
    "its bridge": (
        "ip link add cni0 type bridge; ip address add 10.42.0.1/24 dev cni0",
        "Link-cni0",
    ),
    "a control plane of kubeadm's": (
        "mkdir -p /etc/kubernetes/manifests; echo kind: Pod > /etc/kubernetes/manifests/etcd.yaml",
        "FileContent--etc-kubernetes-manifests-etcd.yaml",
    ),
    "a plugin is missing": ("rm /opt/cni/bin/bridge", "FileExisting-bridge"),
    "a program is missing": ("rm /usr/local/bin/runc", "FileExisting-runc"),
    "a drop-in of its package": (
        "mkdir -p /etc/systemd/system/kubelet.service.d;"
        " printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS\\n'"
        " > /etc/systemd/system/kubelet.service.d/10-kubeadm.conf; systemctl daemon-reload",
        "FileContent--etc-systemd-system-kubelet.service.d-10-kubeadm.conf",
    ),
    "a drop-in of another containerd": (
        "mkdir -p /etc/systemd/system/containerd.service.d;"
        " printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/containerd\\n'"
        " > /etc/systemd/system/containerd.service.d/10-docker.conf; systemctl daemon-reload",
        "FileContent--etc-systemd-system-containerd.service.d-10-docker.conf",
    ),
    "a masked unit": ("systemctl mask etcd", "Service-etcd"),
    "a plugin that docker does without": (
        "mkdir -p /etc/containerd/conf.d; echo 'disabled_plugins = [\"cri\"]'"
        " > /etc/containerd/conf.d/docker.toml",
        "FileContent--etc-containerd-conf.d-docker.toml",
    ),
    "cores given out": (
        'mkdir -p /var/lib/kubelet; echo \'{"policyName":"static"}\''
        " > /var/lib/kubelet/cpu_manager_state",
        "FileContent--var-lib-kubelet-cpu_manager_state",
    ),
    "memory cut off": (
        "mkdir -p /var/lib/kubelet; : > /var/lib/kubelet/memory_manager_state",
        "FileContent--var-lib-kubelet-memory_manager_state",
    ),
    "a file for a folder": (
        "rm -rf /etc/kubernetes/pki; touch /etc/kubernetes/pki",
        "DirAvailable--etc-kubernetes-pki",
    ),
    "a service on our port": (
        "printf '[Service]\\nExecStart=/usr/bin/python3 -m http.server 10250\\n'"
        " > /etc/systemd/system/stranger.service; systemctl start stranger;"
        " until ss -ltn | grep -q :10250; do sleep 0.1; done",
        "Port-10250",
    ),
    "a firewall": (
        "nft 'table inet own { chain input { type filter hook input priority 0; policy drop;"
        " ct state established,related accept; }; }'",
        "Firewall-own-input",
    ),
    "a setting of the kernel": (
        "echo net.ipv4.ip_forward = 0 > /etc/sysctl.d/zz-own.conf",
        "Sysctl-net.ipv4.ip_forward",
    ),
    "no log of the kernel's": ("umount --lazy /dev/kmsg; rm -f /dev/kmsg", "FileExisting-kmsg"),
    "ports for outgoing connections": (
        "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
        "Sysctl-net.ipv4.ip_local_reserved_ports",
    ),
}
# The same, where more words stand before the command, and a colon.
# No bundle is imported while a program of somebody's own is in its way: that comes first.
WANTED: dict[str, tuple[str, str]] = {
    "a program of somebody's own": (
        "rm /usr/local/bin/kubelet; cp /bin/true /usr/local/bin/kubelet",
        "KubeletVersion",
    ),
    "another program by its name": (
        f"ln -sfn /opt/kubeception/current/bin/etcdctl {ETCD}",
        "EtcdVersion",
    ),
    "another runtime by its name": (
        "ln -sfn /opt/kubeception/current/bin/etcdctl /usr/local/bin/containerd",
        "ContainerRuntimeVersion",
    ),
}
# What is set that no host can go by, and what is said of it; the lab's own settings are none of it.
SET: dict[str, tuple[str, str, str]] = {
    "another host's address": (
        '[node]\naddress = "192.0.2.77"\n',
        "Address",
        "set address in the [node] section of the configuration, or take it out",
    ),
    "the network that the host is on": (
        '[net]\ncluster_cidr = "10.44.0.0/16"\nservice_cluster_ip_range = "10.89.0.0/16"\n',
        "Net-service_cluster_ip_range",
        "set service_cluster_ip_range in the [net] section to a range that nothing else has",
    ),
    "the name server of the host, there": (
        "",  # set above
        "FileContent--etc-resolv.conf",
        "have a range in the [net] section that nothing else has",
    ),
    "a network behind the host": (
        "",  # set above
        "Net-cluster_cidr",
        "set cluster_cidr in the [net] section to a range that nothing else has",
    ),
    "a file that is nowhere": (
        '[apiserver.extra_args]\naudit-policy-file = "/etc/own/audit.yaml"\n',
        "FileContent--etc-own-audit.yaml",
        "put it there, or take audit-policy-file out of [apiserver]",
    ),
}
BEHIND = """
ip link add own0 type bridge
ip address add 10.44.7.1/24 dev own0
ip link set own0 up
"""
UNDONE = """
ip link delete own0
systemctl stop stranger
systemctl unmask etcd
nft delete table inet own
rm -f /etc/sysctl.d/zz-own.conf /etc/sysctl.d/90-reserved-ports.conf
sysctl -w net.ipv4.ip_local_port_range='32768 60999' net.ipv4.ip_local_reserved_ports=
rm -f /etc/cni/net.d/10-calico.conflist* /etc/kubernetes/*.off
rm -rf /etc/systemd/system/stranger.service /etc/systemd/system/kubelet.service.d
rm -rf /etc/systemd/system/containerd.service.d
systemctl daemon-reload
test ! -f /etc/kubernetes/pki || rm /etc/kubernetes/pki
rm -f /etc/containerd/conf.d/docker.toml /etc/tmpfiles.d/kmsg.conf
rm -f /etc/kubernetes/manifests/etcd.yaml /var/lib/kubelet/*_manager_state
rm -f /usr/local/bin/etcd /usr/local/bin/kubelet* /usr/local/bin/containerd
kubeception bundle import /opt/kubeception/current
"""


def test_after_what_each_hint_says_a_bootstrap_passes(fresh: Host) -> None:
    puts = {check: put for put, check in (*LEFT.values(), *WANTED.values())}
    for put in puts.values():
        fresh.run("sh", "-c", put)
    fresh.run("sh", "-c", BEHIND)
    fresh.put(cluster.CONFIG, "version = 1\n" + "".join(put for put, _, _ in SET.values()))
    try:
        found = findings(fresh)
        assert found.keys() - OF_THE_MACHINE == puts.keys() | {one for _, one, _ in SET.values()}
        assert "kubeadm" in found[LEFT["a drop-in of its package"][1]]["problem"]

        for one in (check for _, check in WANTED.values()):
            fresh.run("sh", "-c", found[one]["hint"].partition(": ")[2])
        for one in (check for _, check in LEFT.values()):
            fresh.run("sh", "-c", found[one]["hint"])
        for _, one, words in SET.values():
            assert words in found[one]["hint"]
        cluster.configure(fresh)

        assert findings(fresh).keys() <= OF_THE_MACHINE
        bootstrap(fresh)
        cluster.settle(fresh)
    finally:
        fresh.run("sh", "-c", UNDONE)


def test_what_a_kubelet_has_of_another_cluster_is_named(cp1: Host) -> None:
    others = [cp1.get(f"/etc/kubernetes/pki/kubelet-client.{kind}") for kind in ("crt", "key")]
    cluster.emptied(cp1)
    cp1.put(KUBELETS_OWN, "".join(others), mode=0o600)

    found = findings(cp1).values()

    hints = {one["hint"].rpartition(": ")[2] for one in found if one["severity"] == "error"}
    assert hints == {f"rm {KUBELETS_OWN}"}
    cp1.run("sh", "-c", *hints)
    assert errors(cp1) == set()
    bootstrap(cp1)
    cluster.settle(cp1)


def test_units_that_would_not_start_at_boot_are_told_with_what_enables_them(cp1: Host) -> None:
    cp1.run("systemctl", "disable", *cluster.UNITS, "kubeception-keeper.service")
    try:
        [line] = complaints(cp1)
        assert (
            "etcd.service is disabled, containerd.service is disabled, kubelet.service is" in line
        )
        hint = re.search(r"\((systemctl .*)\)", line)
        assert hint is not None
        cp1.run("sh", "-c", hint[1])
        assert cp1.run("kubeception", "status", check=False).code == 0
    finally:
        cp1.run("systemctl", "enable", *cluster.UNITS, "kubeception-keeper.service")


# A file system of its own each, how it is filled, and what preflight says of it.
DISKS: dict[str, tuple[str, str, str]] = {
    "/var/lib/etcd": (
        "size=600m",
        "mkdir others; fallocate -l 599M others/file",
        "/var/lib/etcd: its file system is full",
    ),
    "/var/lib/kubelet": (
        "size=600m,nr_inodes=9k",
        "mkdir others; cd others; seq 9200 | xargs touch 2>/dev/null || true",
        "/var/lib/kubelet: its file system has no inodes left, though ",
    ),
    PKI: ("size=300m,ro", "", f"{PKI}: its file system is read-only"),
    "/tmp": ("size=20m,ro", "", "/tmp: its file system is read-only"),
}


def test_a_disk_that_is_full_or_read_only_says_whose_it_is(fresh: Host) -> None:
    try:
        for folder, (options, fill, _) in DISKS.items():
            fresh.run("mkdir", "-p", folder)
            fresh.run("mount", "-t", "tmpfs", "-o", options, "none", folder)
            fresh.run("sh", "-c", f"cd {folder}; {fill}")
        found = findings(fresh)
        for folder, (_, _, said) in DISKS.items():
            told = found[f"Disk-{folder.replace('/', '-')}"]
            assert told["severity"] == "error"
            assert told["problem"].startswith(said)
            *_, command = re.split(": (?=du |mount )", told["hint"])
            shown = fresh.run("sh", "-c", command).stdout
            if "others" in shown:
                most = {line.split()[-1] for line in shown.splitlines()[-2:]}
                assert most == {folder, f"{folder}/others"}
                fresh.run("rm", "-rf", f"{folder}/others")

        left = findings(fresh)
        quota = left.pop("Disk--var-lib-etcd")
        assert left.keys() <= OF_THE_MACHINE
        wanted = re.fullmatch(r"set (\S+) in \[(\S+)\] to (\d+), or less", quota["hint"])
        assert wanted is not None
        key, section, size = wanted.groups()
        cluster.configure(fresh, more=f'\n[{section}]\n{key} = "{size}"\n')
        assert findings(fresh).keys() <= OF_THE_MACHINE
        bootstrap(fresh)
        cluster.settle(fresh)
    finally:
        cluster.emptied(fresh)
        for folder in DISKS:
            fresh.run("umount", "--recursive", folder, check=False)


def test_a_setting_that_was_given_out_is_set_to_what_it_was(cp1: Host) -> None:
    cp1.put(cluster.CONFIG, 'version = 1\n[net]\nservice_cluster_ip_range = "10.99.0.0/16"\n')
    try:
        found = findings(cp1)["ClusterSettings"]
        wanted = re.fullmatch("set (.*) to (.*) again", found["hint"])
    finally:
        cluster.configure(cp1)
    assert found["severity"] == "error"
    assert wanted is not None
    assert wanted.groups() == ("net.service_cluster_ip_range", "10.65.0.0/16")

    assert errors(cp1) == set()
    assert bootstrap(cp1).changes == []


def test_a_host_that_was_given_another_name_is_told_how_it_goes_by_it(cp1: Host) -> None:
    cp1.run("hostname", "other")
    try:
        found = findings(cp1)["Identity"]
        assert found["problem"] == "this host is called 'other' now, and goes on as node cp1"
        assert found["hint"] == "kubeception bootstrap --rename, or set name in the [node] section"
        assert bootstrap(cp1).changes == []

        cluster.configure(cp1, more='\n[node]\nname = "cp1"\n')
        assert "Identity" not in findings(cp1)
        assert bootstrap(cp1).changes == []
    finally:
        cp1.run("hostname", "cp1")


def test_a_resolver_on_the_hosts_loopback_makes_no_loop(cp1: Host) -> None:
    before = cp1.run("cat", RESOLVER, check=False).stdout
    try:
        cp1.put(RESOLVER, "nameserver 127.0.0.1\n")
        found = findings(cp1)["FileContent--etc-resolv.conf"]
        assert found["severity"] == "warning"
        restart = "kubectl -n kube-system rollout restart deployment coredns"
        assert f"that other hosts reach, too; then {restart}" in found["hint"]
        bootstrap(cp1)
        cluster.settle(cp1)
        assert "forward" not in corefile(cp1)

        cp1.put(RESOLVER, "nameserver 10.89.0.1\n")
        left = findings(cp1)
        assert left.keys() - OF_THE_MACHINE == {"Identity"}
        assert left["Identity"]["problem"].endswith("; kubeception bootstrap rolls it out")
        bootstrap(cp1)
        cluster.settle(cp1)
        assert "forward . /etc/resolv.conf" in corefile(cp1)
    finally:
        cp1.put(RESOLVER, before)
        bootstrap(cp1)


def test_a_runtime_without_what_a_kubelet_speaks_to_is_named(cp1: Host) -> None:
    file, line = "/etc/containerd/conf.d/docker.toml", "containerd to serve the kubelet"
    cp1.put(file, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    cp1.run("systemctl", "restart", "containerd")
    try:
        (said,) = (one for one in complaints(cp1) if line in one)
        hint = findings(cp1)[f"FileContent-{file.replace('/', '-')}"]["hint"]
        assert said.endswith(f"no pod starts ({hint})")
        cp1.run("rm", file)
        assert any("its plugin cri is off" in one for one in complaints(cp1))
        cp1.put(file, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        cp1.run("sh", "-c", hint)
    finally:
        cp1.run("rm", file)
        cp1.run("systemctl", "restart", "containerd")
    cluster.settle(cp1)
    assert not any(line in one for one in complaints(cp1))


def corefile(host: Host) -> str:
    asked = ("get", "configmap", "coredns", "--output", "yaml")
    return cluster.kubectl(host, "--namespace", "kube-system", *asked)


def test_a_ca_whose_time_is_over_is_signed_anew_by_its_key(cp1: Host) -> None:
    for name in ("ca", "front-proxy-ca", "etcd/ca", "join-ca", "kubelet-serving-ca"):
        cp1.put(f"{PKI}/{name}.crt", expired.ca(cp1, name))

    found = [one for one in findings(cp1).values() if one["severity"] == "error"]
    assert len(found) == 5
    for one in found:
        assert "expired on " in one["problem"]
        cp1.run("sh", "-c", one["hint"].partition("bootstrap: ")[2])

    assert errors(cp1) == set()
    bootstrap(cp1)
    cluster.settle(cp1)
    assert cp1.run("kubeception", "status", check=False).code == 0
