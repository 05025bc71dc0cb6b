"""A host whose etcd, container runtime and kubelet are its distribution's own is used as it is.

Laid out as openSUSE Kubic is, by the original's own configuration.
"""

import tomllib

import pytest
from tests.lab import cluster
from tests.lab.cluster import Run, bootstrap
from tests.lab.conftest import Note
from tests.lab.distribution import BUNDLE, UNITS, give_containerd

from kubeception.bundle.components import SOURCES
from kubeception.lab import Host, Lab

PROGRAMS = ("containerd", "containerd-shim-runc-v2", "runc", "ctr", "etcd", "kubelet")
KUBIC = (SOURCES / "distros" / "kubic.toml").read_text()
OWN = {
    "containerd.service": """[Service]
Type=notify
ExecStart=/usr/sbin/containerd
Delegate=yes
KillMode=process
Restart=always

[Install]
WantedBy=multi-user.target
""",
    "etcd.service": """[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/etcd
WorkingDirectory=/var/lib/etcd
User=etcd
ExecStart=/usr/sbin/etcd
Restart=on-failure

[Install]
WantedBy=multi-user.target
""",
    "kubelet.service": """[Unit]
After=containerd.service

[Service]
EnvironmentFile=-/etc/kubernetes/kubelet
ExecStart=/usr/sbin/kubelet $KUBELET_ARGS
KillMode=process
Restart=on-failure

[Install]
WantedBy=multi-user.target
""",
}

pytestmark = pytest.mark.hosts(1, bundle=True)


def make_a_distribution_of(host: Host) -> None:
    """Give a host units, programs and a user of its own, in the places where Kubic has them."""
    for program in PROGRAMS:
        host.run("cp", f"{BUNDLE}/bin/{program}", f"/usr/sbin/{program}")
        host.run("rm", f"/usr/local/bin/{program}")
    host.put("/usr/lib/sysusers.d/etcd.conf", "u etcd - etcd /var/lib/etcd\n")
    host.run("systemd-sysusers")
    host.run("chown", "etcd", "/var/lib/etcd")
    host.run("mkdir", "-p", "/etc/sysconfig", "/etc/etcd", "/etc/ca-certificates")
    for unit, text in OWN.items():
        host.put(f"{UNITS}/{unit}", text)
    give_containerd(host)


@pytest.fixture(scope="module")
def first_run(lab: Lab, note: Note) -> Run:
    """The run that makes the cluster."""
    cp1 = lab.host("cp1")
    make_a_distribution_of(cp1)
    # The image that the file names is the original's own, which no lab has.
    lines = KUBIC.splitlines(keepends=True)
    cp1.put(cluster.CONFIG, "".join(line for line in lines if not line.startswith("image =")))
    run = bootstrap(cp1)
    note(f"bootstrap on units of the host's own, by the original's file: {run.wall_s:.1f} s")
    return run


@pytest.fixture
def cp1(first_run: Run, hosts: list[Host]) -> Host:
    return hosts[0]


def test_it_becomes_a_cluster_and_its_units_stay_its_own(first_run: Run, cp1: Host) -> None:
    cluster.settle(cp1)

    for unit, text in OWN.items():
        shown = cp1.run("systemctl", "show", "--value", "-p", "FragmentPath", unit).stdout
        assert shown.strip() == f"{UNITS}/{unit}"
        assert cp1.get(f"{UNITS}/{unit}") == text
    # Each unit reads what was written for it.
    assert "does not read" not in first_run.log
    # And the one that has nobody who keeps it from starting without its data is told.
    assert "Service-etcd: etcd.service is the host's own, and not kept from" in first_run.log


def test_the_files_lie_where_the_original_put_them(cp1: Host) -> None:
    config = tomllib.loads(KUBIC)

    assert "KUBELET_ARGS=" in cp1.get(config["kubelet"]["config_file"])
    assert "ETCD_DATA_DIR=" in cp1.get(config["etcd"]["config_file"])
    for name in ("kubeconfig", "kubeconfig-bootstrap"):
        assert "apiVersion" in cp1.get(f"{config['secrets']['path']}/{name}")
    cp1.run("test", "!", "-e", "/etc/kubernetes/pki")


def test_its_etcd_reads_its_keys_as_a_user_of_its_own_and_nobody_else_does(cp1: Host) -> None:
    keys = ("server", "peer", "healthcheck-client", "ca")
    owners = cp1.run("stat", "-c", "%U %a", *(f"/etc/etcd/{key}.key" for key in keys)).stdout

    assert owners.splitlines() == ["etcd 600", "etcd 600", "root 600", "root 600"]
    assert cp1.run("ps", "-C", "etcd", "-o", "user=").stdout.strip() == "etcd"


def test_a_second_run_changes_nothing(cp1: Host) -> None:
    # Its status is written once more when the new pod has been ready for a while.
    apiserver = ("daemonset/kube-apiserver", "--timeout=100s")
    cluster.kubectl(cp1, "-n", "kube-system", "rollout", "status", *apiserver)
    cp1.run("kubeception", "keeper", "pause")  # it would say that a revision is proven
    before = cluster.standing(cp1)

    assert bootstrap(cp1).changes == []
    assert cluster.standing(cp1) == before
    cp1.run("kubeception", "keeper", "resume")


def test_a_key_that_became_roots_again_is_given_back(cp1: Host) -> None:
    key = "/etc/etcd/server.key"
    before = cp1.get(key)
    cp1.run("chown", "root", key)

    run = bootstrap(cp1)

    assert [change.split(": ")[1] for change in run.changes] == ["/etc/etcd/server.crt"]
    assert cp1.run("stat", "-c", "%U", key).stdout == "etcd\n"
    assert cp1.get(key) == before
