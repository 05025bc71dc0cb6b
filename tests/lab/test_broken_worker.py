"""Somebody with root on one worker, and with the tokens of the pods there, gets no further."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.lab import cluster, healing, joining
from tests.lab.cluster import get, kubectl, until
from tests.lab.machine import scaled

from kubeception.config.model import KeyAlgorithm
from kubeception.endpoints import API_PORT, HOSTED_PORTS
from kubeception.lab import Host, Lab
from kubeception.pki import catalog, issue
from kubeception.render import (
    cluster_controller,
    flannel,
    join_records,
    join_service,
    keeper,
    kubelet,
    objects,
    proxy,
)
from kubeception.render.controllers import BOTH as CONTROLLERS
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE

pytestmark = [pytest.mark.hosts(3, bundle=True), pytest.mark.timeout(400)]

SYSTEM = ("-n", NAMESPACE)
P256 = KeyAlgorithm.ECDSA_P256
# The first is known on each host, the second to the cluster alone.
API_NAMES = ("kubernetes.default.svc", "w2.cluster.local")
TRUSTED = (join_service.NAME, cluster_controller.NAME, *(one.name for one in CONTROLLERS))
KUBELET = "/var/lib/kubelet/pki/kubelet-client-current.pem"
AS_KUBELET = ("kubectl", "--kubeconfig=/etc/kubernetes/kubelet.conf")
_FLANNELS = ("pods", *SYSTEM, "-l", "k8s-app=flannel")


@dataclass(frozen=True)
class Cluster:
    """A control-plane host, a worker that was broken into, and a host that has not joined yet."""

    cp1: Host
    w1: Host
    w2: Host


@pytest.fixture(scope="module")
def made(lab: Lab) -> Cluster:
    cp1, w1, w2 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    w1.run("sh", stdin=token(cp1, "--node", "w1"), timeout_s=240)
    until(lambda: len(_on("w1", get(cp1, *_FLANNELS)["items"])) == 1, timeout_s=60)
    assert healing.wait(cp1, patience_s=scaled(120)) == []
    return Cluster(cp1, w1, w2)


@pytest.fixture
def broken(made: Cluster, hosts: list[Host]) -> Cluster:
    """The cluster, for a test that wants its hosts' words kept where it fails."""
    assert len(hosts) == 3
    return made


def token(cp1: Host, *flags: str) -> str:
    """Return the command by which a host joins."""
    return cp1.run("kubeception", "token", "create", *flags).stdout


def _on(node: str, pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pod for pod in pods if pod["spec"].get("nodeName") == node]


def flannels_token(broken: Cluster) -> str:
    """Return what w1's kubelet gets for flannel's pod on it, as it has to."""
    [pod] = _on("w1", get(broken.cp1, *_FLANNELS)["items"])
    about = pod["metadata"]
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={about['name']}")
    words = ("create", "token", flannel.ACCOUNT, *SYSTEM, *bound)
    uid = f"--bound-object-uid={about['uid']}"
    return broken.w1.run(*AS_KUBELET, *words, uid).stdout.strip()


def refused(
    host: Host, token: str | None, name: str, change: dict[str, Any], *, port: int = API_PORT
) -> str:
    """Return why a change of a Node's status is refused; without a token, the kubelet's."""
    by = {"cert": KUBELET} if token is None else {}
    asked = {
        **by,
        "url": f"https://cp1:{port}/api/v1/nodes/{name}/status",
        "request": "PATCH",
        "cacert": "/etc/kubernetes/pki/ca.crt",
        "header": [
            *([] if token is None else [f"Authorization: Bearer {token}"]),
            "Content-Type: application/strategic-merge-patch+json",
        ],
        "data": json.dumps(change),
    }
    lines = (
        f"{option} = {json.dumps(value)}"
        for option, values in asked.items()
        for value in ([values] if isinstance(values, str) else values)
    )
    said = json.loads(host.run("curl", "-sS", "-K", "-", stdin="\n".join(lines)).stdout)
    assert said.get("code") == 422, (name, change, said)
    message: str = said["message"]
    return message


def test_flannels_token_is_no_way_to_the_control_plane(broken: Cluster) -> None:
    """Its forms: a role, another's room and role, another's address."""
    stolen, w1 = flannels_token(broken), broken.w1
    before = get(broken.cp1, "nodes")["items"]
    forms: tuple[tuple[str, dict[str, Any]], ...] = (
        ("w1", {"metadata": {"labels": {CONTROL_PLANE: ""}}}),
        ("cp1", {"metadata": {"labels": {CONTROL_PLANE: None}}}),
        ("cp1", {"status": {"allocatable": {"pods": "0"}}}),
        ("cp1", {"status": {"addresses": [{"type": "InternalIP", "address": w1.address}]}}),
        ("w1", {"status": {"addresses": [{"type": "InternalIP", "address": broken.w2.address}]}}),
    )

    for name, change in forms:
        assert "kubeception-" in refused(w1, stolen, name, change), (name, change)
    after = get(broken.cp1, "nodes")["items"]
    assert [one["metadata"]["labels"] for one in after] == [
        one["metadata"]["labels"] for one in before
    ]
    cluster.settle(broken.cp1)


def test_no_node_gets_what_is_sent_to_another_one(broken: Cluster) -> None:
    """Its kubelet says where it is asked for logs, and flannel where its pods are reached."""
    cp1, w1 = broken.cp1, broken.w1
    link = flannel.LINK_ADDRESSES[0]

    def listed() -> bool:
        lists = ("configmap", join_records.LINKS, "-n", join_records.RECORDS, "--ignore-not-found")
        return {"cp1", "w1"} <= set(json.loads(kubectl(cp1, "get", *lists, "-o", "json"))["data"])

    until(listed, timeout_s=60)
    others = get(cp1, "node", "cp1")["metadata"]["annotations"][link]
    taken = {"metadata": {"annotations": {link: others}}}
    for token in (flannels_token(broken), None):
        assert "another node has that link address" in refused(w1, token, "w1", taken)
    for address in (("InternalIP", cp1.address), ("Hostname", "cp1")):
        said = [{"$patch": "replace"}, dict(zip(("type", "address"), address, strict=True))]
        why = refused(w1, None, "w1", {"status": {"addresses": said}})
        assert "the addresses with which its host has joined" in why
    cluster.settle(cp1)


def test_flannel_starts_anew_beside_the_policies(broken: Cluster) -> None:
    cp1, note = broken.cp1, f"{flannel.ANNOTATIONS}public-ip"
    kubectl(cp1, "annotate", "node", "w1", f"{note}-")
    [before] = _on("w1", get(cp1, *_FLANNELS)["items"])
    kubectl(cp1, *SYSTEM, "delete", "pod", before["metadata"]["name"])

    def is_back() -> bool:
        found = _on("w1", get(cp1, *_FLANNELS)["items"])
        notes = get(cp1, "node", "w1")["metadata"]["annotations"]
        return notes.get(note) == broken.w1.address and any(map(cluster.is_ready, found))

    until(is_back, timeout_s=60)


def test_a_label_brings_nothing_to_a_worker(broken: Cluster) -> None:
    """Whoever gives it the role: what can hurt stays away, also while its own host takes none."""
    cp1 = broken.cp1
    kubectl(cp1, "label", "node", "w1", f"{CONTROL_PLANE}=")
    kubectl(cp1, "taint", "node", "cp1", "full=:NoSchedule")
    try:
        for name in TRUSTED:
            kubectl(cp1, *SYSTEM, "rollout", "restart", f"deployment/{name}")

        def waits() -> bool:
            """The controllers tolerate everything; ours find no place, and that is well."""
            waiting = [p for p in get(cp1, "pods", *SYSTEM)["items"] if _is_refused(p)]
            return {p["metadata"]["labels"].get("k8s-app") for p in waiting} == set(TRUSTED[:2])

        until(waits, timeout_s=60)
        bound = _on("w1", get(cp1, "pods", *SYSTEM)["items"])
        owners = ("kube-flannel-", "kube-proxy-", "kube-apiserver-", "coredns-")
        assert {
            p["metadata"]["name"] for p in bound if not p["metadata"]["name"].startswith(owners)
        } == set()
    finally:
        kubectl(cp1, "taint", "node", "cp1", "full-")
        kubectl(cp1, "label", "node", "w1", f"{CONTROL_PLANE}-")
    assert healing.wait(cp1, patience_s=scaled(120)) == []


def _is_refused(pod: dict[str, Any]) -> bool:
    """Whether a pod is on no node, and the scheduler has said so."""
    said = pod["status"].get("conditions", [])
    return any(one.get("reason") == "Unschedulable" for one in said)


def test_it_shows_no_pods(broken: Cluster) -> None:
    """A mirror pod with the labels of kube-dns would be an endpoint of it."""
    cp1, w1 = broken.cp1, broken.w1
    uid = get(cp1, "node", "w1")["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": "w1", "uid": uid, "controller": True}
    for namespace, labels in (
        (NAMESPACE, {"k8s-app": "kube-dns"}),
        (NAMESPACE, {"k8s-app": join_service.NAME}),
        ("default", {"app": "web"}),
    ):
        pod = objects.static_pod(
            "mirror-w1",
            labels,
            {"nodeName": "w1", "containers": [{"name": "it", "image": "localhost/none"}]},
        )
        about = {
            "namespace": namespace,
            "annotations": {
                "kubernetes.io/config.mirror": "0",
                "kubernetes.io/config.source": "file",
            },
            "ownerReferences": [owner],
        }
        mirror = {**pod, "metadata": {**pod["metadata"], **about}}

        done = w1.run(*AS_KUBELET, "create", "-f", "-", stdin=json.dumps(mirror), check=False)

        assert "kubeception-mirror-pods" in done.stderr, done


def test_a_host_is_not_called_like_the_api(broken: Cluster) -> None:
    """Its kubelet's serving certificate would be the API's; and the token is good as before."""
    command = token(broken.cp1, "--any-node")
    for name in API_NAMES:
        broken.w2.put(cluster.CONFIG, f'version = 1\n[node]\nname = "{name}"\n')

        done = broken.w2.run("sh", stdin=command, check=False, timeout_s=240)

        assert done.code != 0
        assert f"'{name}' is a name of the API" in done.stderr
        assert "set name in the [node] section" in done.stderr
        named = broken.cp1.run("kubeception", "token", "create", "--node", name, check=False)
        assert (named.code, "is a name of the API" in named.stderr) == (2, True)
    cluster.configure(broken.w2)
    broken.w2.run("sh", stdin=command, timeout_s=240)
    until(lambda: "w2" in str(get(broken.cp1, "nodes")), timeout_s=30)


def test_a_host_gets_no_certificate_for_an_address_from_which_it_is_not_seen(
    broken: Cluster,
) -> None:
    """It has joined already (above); what it claims is an address that nobody has yet."""
    cp1, w2 = broken.cp1, broken.w2
    claimed = str(ip_address(w2.address) + 100)
    w2.run("kubeception", "reset", "--yes", timeout_s=240)
    command = token(cp1, "--rejoin", "w2")
    w2.run("ip", "address", "add", f"{claimed}/32", "dev", "lo")
    w2.put(cluster.CONFIG, f'version = 1\n[node]\naddress = "{claimed}"\n')

    done = w2.run("sh", stdin=command, check=False, timeout_s=240)

    assert done.code != 0
    assert f"the host is seen from {w2.address}, and claims {claimed}" in done.stderr
    assert "kubeception token create --any-source" in done.stderr
    records = get(cp1, "configmaps", "-n", "kubeception-join")["items"]
    assert claimed not in json.dumps(records)
    cluster.configure(w2)
    w2.run("ip", "address", "delete", f"{claimed}/32", "dev", "lo")
    w2.run("sh", stdin=command, timeout_s=240)  # the token is as good as before
    assert "w2" in str(get(cp1, "nodes"))


TABLE = re.compile(r"^\| (\d[\d, -]*?) (\(UDP\) )?\| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def told() -> set[tuple[str, int]]:
    """Return the ports that docs/security.md says a control-plane host answers others on."""
    text = (Path(__file__).parents[2] / "docs/security.md").read_text()
    _, _, rows = text.partition("| Port | Is | Answers |\n")
    found = set()
    for numbers, udp in TABLE.findall(rows.partition("\n\n")[0]):
        for part in numbers.split(", "):
            first, _, last = part.partition("-")
            for port in range(int(first), int(last or first) + 1):
                found.add(("udp" if udp else "tcp", port))
    return found


def test_the_control_plane_listens_where_it_is_told(broken: Cluster) -> None:
    cp1, w1 = broken.cp1, broken.w1
    redirected = {("tcp", API_PORT), ("tcp", joining.PORT)}
    listening = set()
    for line in cp1.run("ss", "-Hlntu").stdout.splitlines():
        kind, _, _, _, at, *_ = line.split()
        address, _, port = at.rpartition(":")
        if not ip_address(address.strip("[]*").partition("%")[0] or "::").is_loopback:
            listening.add((kind, int(port)))

    assert listening <= told(), listening - told()
    in_turn = {("tcp", port) for port in HOSTED_PORTS}
    assert told() - listening - in_turn == redirected
    [hosted] = [port for _, port in listening & in_turn]

    own = "/var/lib/kubelet/pki/kubelet-client-current.pem"
    peer = "/etc/kubernetes/pki/etcd/peer"
    for of_etcd in (2379, 2380):
        ask = ("curl", "-sSk", "--http1.1", "--max-time", "9", f"https://cp1:{of_etcd}/version")
        for shown in ((), ("--cert", own)):
            done = w1.run(*ask, *shown, check=False)
            assert (done.code != 0, done.stdout) == (True, ""), done
        answer = cp1.run(*ask, "--cert", f"{peer}.crt", "--key", f"{peer}.key").stdout
        assert "etcdserver" in answer
    # What answers beside the door is the server behind it.
    stolen = flannels_token(broken)
    change = {"metadata": {"labels": {CONTROL_PLANE: ""}}}
    assert "kubeception-" in refused(w1, stolen, "w1", change, port=hosted)


def test_its_serving_certificate_is_no_api(broken: Cluster) -> None:
    """Whoever knows the API by the cluster's CA refuses it; the API server finds the kubelet."""
    cp1, w1 = broken.cp1, broken.w1
    pki, shown = "/etc/kubernetes/pki", "/var/lib/kubelet/pki/kubelet-server-current.pem"

    def verified(ca: str) -> int:
        return w1.run("openssl", "verify", "-CAfile", f"{pki}/{ca}", shown, check=False).code

    assert verified("ca.crt") != 0
    assert verified("kubelet-serving-ca-bundle.crt") == 0
    trusted = cp1.run("cat", f"{pki}/kubelet-serving-ca-bundle.crt").stdout.encode()
    assert [issue.issuer(pem) for pem in issue.certificates(trusted)] == ["kubelet-serving-ca"]
    [pod] = _on("w1", get(cp1, "pods", *SYSTEM, "-l", f"k8s-app={proxy.NAME}")["items"])
    name = pod["metadata"]["name"]
    assert kubectl(cp1, *SYSTEM, "logs", name, "--tail=1")
    assert "Kubernetes" in kubectl(cp1, *SYSTEM, "exec", name, "--", proxy.NAME, "--version")


def test_its_keeper_exchanges_what_another_ca_has_signed(broken: Cluster) -> None:
    """As where a cluster of an earlier version is brought over; the kubelet is restarted for it."""
    cp1, w1 = broken.cp1, broken.w1
    own = "/var/lib/kubelet/pki"
    ca = issue.Signer(*(cp1.get(f"/etc/kubernetes/pki/ca.{it}").encode() for it in ("crt", "key")))
    spec, key = catalog.kubelet_server("w1", ip_address(w1.address)), issue.new_key(P256)
    former = issue.certificate(spec, key, signer=ca, now=datetime.now(UTC))
    w1.put(f"{own}/kubelet-server-former.pem", (former + key).decode())
    w1.run("ln", "-sfn", f"{own}/kubelet-server-former.pem", f"{own}/kubelet-server-current.pem")
    before = cluster.units(w1)[kubelet.UNIT]

    w1.run("systemctl", "restart", keeper.UNIT)  # it looks at its start, and every ten minutes

    def is_exchanged() -> bool:
        shown = w1.run("cat", f"{own}/kubelet-server-current.pem").stdout.encode()
        # The kubelet of before shows what it read at its start, whatever lies there.
        is_anew = cluster.units(w1)[kubelet.UNIT] != before
        return is_anew and issue.issuer(shown) == "kubelet-serving-ca" and served(cp1, w1)

    until(is_exchanged, timeout_s=90)


def served(cp1: Host, worker: Host) -> bool:
    """Tell whether a kubelet shows a certificate of its own CA to whoever asks it."""
    asked = ("openssl", "s_client", "-connect", f"{worker.address}:10250", "-verify_return_error")
    ca = "/etc/kubernetes/pki/kubelet-serving-ca.crt"
    return cp1.run(*asked, "-CAfile", ca, stdin="", check=False).code == 0


def test_nobody_holds_a_hosts_lock_but_root(broken: Cluster) -> None:
    hold = ("setpriv", "--reuid=65534", "--clear-groups", "flock", "--nonblock")

    done = broken.w1.run(*hold, "/run/kubeception/lock", "true", check=False)

    assert "ermission denied" in done.stderr, done


def test_the_bootstrap_api_server_is_its_hosts_alone(broken: Cluster) -> None:
    """It goes without policies, so nobody else may reach it; test_door.py looks at the door."""
    cp1, w1 = broken.cp1, broken.w1
    listening = "until ss -Hltn 'sport = 6444' | grep .; do sleep 0.1; done"

    def looks() -> tuple[str, str]:
        """Return where it listens, and why a worker gets no answer from it meanwhile."""
        at = cp1.run("sh", "-c", listening, timeout_s=120).stdout
        asked = ("curl", "-sSk", "--max-time", "2", "https://cp1:6444/version")
        return at, w1.run(*asked, check=False).stderr

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(looks)
        cluster.bootstrap(cp1, "--rebuild")
        at, why = looking.result()
    assert [line.split()[3] for line in at.splitlines()] == ["127.0.0.1:6444"]
    assert "onnect" in why
