"""reset destroys nothing of the user's that links and mounts in its folders lead to."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
from tests.lab import cluster
from tests.lab.cluster import bootstrap, kubectl

from kubeception.lab import Host
from kubeception.layout import OUR_MARK

pytestmark = pytest.mark.hosts(1, bundle=True)

# The user's: what the kubelet's folder leads to, a folder with a disk in it, a local volume.
KUBELET = "/srv/kubelet"
THEIRS = "/srv/theirs"
DISK = f"{THEIRS}/sub/disk"
LOCAL = "/srv/local"
FILES = (f"{THEIRS}/sub/file", f"{THEIRS}/alone", f"{DISK}/file", f"{LOCAL}/file")
ETCD = "/var/lib/etcd/default.etcd"
UNIT = "/etc/systemd/system/etcd.service"
SETTINGS = "/etc/kubernetes/etcd.env"


def volumes(image: str) -> list[dict[str, object]]:
    """Return a pod with all kinds of volumes that are bind mounts of the user's folders."""
    local = {
        "storageClassName": "theirs",
        "accessModes": ["ReadWriteOnce"],
    }
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": ["cp1"]}
    mounts = [
        {"name": "theirs", "mountPath": "/folder", "subPath": "sub"},
        {"name": "theirs", "mountPath": "/alone", "subPath": "alone"},
        {"name": "local", "mountPath": "/local"},
        {"name": "memory", "mountPath": "/memory"},
    ]
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "theirs"},
            "spec": {
                **local,
                "capacity": {"storage": "1Mi"},
                "local": {"path": LOCAL},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "theirs", "namespace": "default"},
            "spec": {**local, "resources": {"requests": {"storage": "1Mi"}}},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "theirs", "namespace": "default"},
            "spec": {
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "theirs", "image": image, "volumeMounts": mounts}],
                "volumes": [
                    {"name": "theirs", "hostPath": {"path": THEIRS}},
                    {"name": "local", "persistentVolumeClaim": {"claimName": "theirs"}},
                    {"name": "memory", "emptyDir": {"medium": "Memory"}},
                ],
            },
        },
    ]


def mounted(host: Host, folder: str) -> list[str]:
    """Return what is mounted below a folder."""
    lines = host.get("/proc/1/mountinfo").splitlines()
    return [point for line in lines if (point := line.split()[4]).startswith(f"{folder}/")]


def theirs(host: Host) -> dict[str, str]:
    return {path: host.get(path) for path in FILES}


@pytest.fixture(scope="module")
def put_away() -> str:
    """The folder of a pod that a killed run has put away while a volume was mounted in it."""
    return f"{KUBELET}/pods/.{uuid4()}.kubeception-unfinished"


@pytest.fixture
def own_etcd(hosts: list[Host]) -> Iterator[Host]:
    """A host whose own unit of etcd has a folder of its own, and that has settings of ours."""
    [cp1] = hosts
    cp1.put(UNIT, "[Service]\nExecStart=/usr/local/bin/etcd --data-dir=/srv/etcd\n")
    cp1.put(SETTINGS, OUR_MARK)
    cp1.put("/srv/etcd/member/snap/db", "theirs")
    cp1.run("systemctl", "daemon-reload")
    yield cp1
    cp1.run("rm", "-rf", UNIT, SETTINGS, "/srv/etcd")
    cp1.run("systemctl", "daemon-reload")


def test_data_that_a_unit_of_the_hosts_own_keeps_elsewhere_are_named_and_left(
    own_etcd: Host,
) -> None:
    failed = own_etcd.fail("kubeception", "reset", "--yes", "--etcd")

    assert (
        f"error: etcd.service keeps its data in /srv/etcd, by its own unit, not in {ETCD}\n"
        "hint: rm -r /srv/etcd/member"
    ) in failed.stderr
    assert own_etcd.get("/srv/etcd/member/snap/db") == "theirs"
    own_etcd.run("rm", "-r", "/srv/etcd/member")
    own_etcd.run("kubeception", "reset", "--yes", "--etcd")
    own_etcd.fail("test", "-e", SETTINGS)


def test_a_pod_uses_folders_of_the_users(hosts: list[Host], put_away: str) -> None:
    [cp1] = hosts
    cluster.configure(cp1)
    # The lab has a disk of its own there.
    cp1.run("umount", "/var/lib/kubelet")
    cp1.run("rmdir", "/var/lib/kubelet")
    cp1.run("mkdir", "-p", KUBELET, f"{THEIRS}/sub", LOCAL, ETCD)
    cp1.run("ln", "-s", KUBELET, "/var/lib/kubelet")
    cp1.run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", ETCD)
    bootstrap(cp1)
    image = json.loads(cp1.get("/opt/kubeception/current/bundle.json"))["images"]["pause"]
    for path in FILES:
        cp1.put(path, "theirs")

    for one in volumes(image):
        kubectl(cp1, "apply", "-f", "-", stdin=json.dumps(one))
    kubectl(cp1, "-n", "default", "wait", "--for=condition=Ready", "pod/theirs", "--timeout=60s")
    # Seen through the volume as well, which is of the same file system.
    cp1.run("mount", "-t", "tmpfs", "tmpfs", DISK)
    cp1.put(f"{DISK}/file", "theirs")
    cp1.run("mkdir", "-p", f"{put_away}/volumes/theirs")
    cp1.run("mount", "--bind", LOCAL, f"{put_away}/volumes/theirs")

    points = mounted(cp1, f"{KUBELET}/pods")
    assert [point for point in points if "/volume-subpaths/" in point and "/disk" in point]
    assert [point for point in points if "kubernetes.io~local-volume" in point]


def test_a_busy_volume_is_named_and_nothing_of_it_is_removed(hosts: list[Host]) -> None:
    [cp1] = hosts
    [busy] = [p for p in mounted(cp1, f"{KUBELET}/pods") if "local-volume" in p]
    unit = "theirs-busy"
    begun = ("--property=Type=exec", f"--working-directory={busy}")  # there when it says so
    cp1.run("systemd-run", f"--unit={unit}", *begun, "sleep", "infinity")

    failed = cp1.run("kubeception", "reset", "--yes", "--etcd", check=False, timeout_s=120)

    cp1.run("systemctl", "stop", unit)
    assert failed.code == 1
    errors = [line for line in failed.stderr.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: '{busy}': is still mounted: target is busy"]
    assert f"hint: fuser -vm '{busy}'" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert theirs(cp1) == dict.fromkeys(FILES, "theirs")


def test_a_reset_removes_the_clusters_own_and_unmounts_what_it_mounted(
    hosts: list[Host], put_away: str
) -> None:
    [cp1] = hosts

    changes = cp1.run("kubeception", "reset", "--yes", "--etcd", timeout_s=120).stdout

    assert theirs(cp1) == dict.fromkeys(FILES, "theirs")
    assert DISK in mounted(cp1, THEIRS)
    assert mounted(cp1, KUBELET) == []
    cp1.fail("test", "-e", put_away)
    assert cp1.run("readlink", "/var/lib/kubelet").stdout.strip() == KUBELET
    assert cp1.run("find", KUBELET, "-type", "f").stdout == ""
    # The disk that etcd was given stays its owner's; etcd's data doesn't.
    assert f"etcd-data: {ETCD}: has member in it" in changes
    assert ETCD in mounted(cp1, "/var/lib/etcd")
    assert cp1.run("ls", "-A", ETCD).stdout == ""
    again = cp1.run("kubeception", "reset", "--yes", "--etcd", timeout_s=120).stdout
    assert again.startswith("reset: 0 changes")


def test_a_bootstrap_after_it_makes_a_new_cluster_in_the_same_places(hosts: list[Host]) -> None:
    [cp1] = hosts

    bootstrap(cp1)

    assert cp1.run("ls", "-A", ETCD).stdout == "member\n"
    assert kubectl(cp1, "get", "pods", "-n", "default", "-o", "name") == ""
    assert theirs(cp1) == dict.fromkeys(FILES, "theirs")
