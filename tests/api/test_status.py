"""The status: where nothing runs every check says why, and elsewhere it tells what is there."""

import logging
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.api.network import new
from tests.api.rig import Rig
from tests.conftest import Note
from tests.fixed import FACTS
from tests.terminal import CTRL_C, terminal

from kubeception import __version__
from kubeception.admin import status
from kubeception.admin.lately import Lately
from kubeception.admin.status import CheckResult, FirstToExpire, Status
from kubeception.bundle import packages
from kubeception.conditions import admission
from kubeception.config import Config
from kubeception.config.model import KeyAlgorithm, Node
from kubeception.engine import carry_out
from kubeception.gather import UNITS
from kubeception.host import files
from kubeception.host.gateway import Clock, Host
from kubeception.host.process import run
from kubeception.host.systemd import Systemd
from kubeception.layout import OUR_MARK
from kubeception.phases.pki import PKI
from kubeception.pki import catalog, issue
from kubeception.pki.catalog import CertificateSpec, Use
from kubeception.render.objects import MANAGED_BY, NAMESPACE
from kubeception.report import Steps
from kubeception.session import Session
from kubeception.versions import BUILT_IN

CONFIG = Config(node=Node(name="cp1", address="192.0.2.10"))
GONE = {
    "bootstrap-kube-apiserver to be gone",
    "bootstrap-kube-controller-manager to be gone",
    "bootstrap-kube-scheduler to be gone",
}
# That depends on the machine: a network of its own may begin with other values than the kernel's.
BY_THE_KERNEL = (
    "the kernel's settings, kube-proxy's and flannel's rules, and the pods' links to be there"
)
UNFILTERED = "the host's packet filter to let through what is needed"
WRITABLE = "the disks to take what is written to them"
HOSTS_MOUNTS = "containerd and the kubelet to have the host's mounts"
OUR_NETWORK = "no other network's settings to go before flannel's"
UNCHANGED = "no drop-in to keep this host's units from their work"
# By the word of a keeper, whose absence is told by itself.
PODS = "this host's pods to reach what users need"
# It is nobody's yet.
NOT_IN_A_CLUSTER = {
    "this host's kube-proxy to be well",
    "containerd to serve the kubelet",
    "no container to run on that the runtime has lost",
    "the kernel's table of connections to have room",
    "the kernel to let programs watch files",
    "addresses to be left for new pods of this host",
    "pods to be able to ask the name servers that it names",
    "large packets to pass through the pod network",
}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A host with units of ours and no systemd to run them."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    for unit in UNITS:
        files.write(host.at(CONFIG.layout.units / unit), OUR_MARK)
    return Session(CONFIG, host)


def test_whatever_is_missing_is_told(session: Session) -> None:
    with new():
        found = status.look(session)

    assert (found.node, found.address, found.door, found.healthy) == ("cp1", "192.0.2.10", 0, False)
    problems = {check.what: check.problem for check in found.checks}
    well = {what for what, problem in problems.items() if problem is None}
    not_yet = {*NOT_IN_A_CLUSTER, UNCHANGED, UNFILTERED, PODS}
    not_yet |= {OUR_NETWORK, WRITABLE, HOSTS_MOUNTS}
    assert well - {BY_THE_KERNEL} == {*GONE, *not_yet}
    assert problems["the door to lead to port 6445"] == "there is no door"
    assert "no-bus" in str(problems["kubelet.service to run"])
    assert str(problems["Lease kube-scheduler to be held"]).endswith("ca.crt: no such file")


def test_a_kubelet_that_does_not_answer_is_told_with_who_has_its_port(session: Session) -> None:
    what, at = "this host's kubelet to answer, for logs and commands", "192.0.2.10:10250"

    def said() -> str:
        return next(str(one.problem) for one in status.look(session).checks if one.what == what)

    with new():
        run(["ip", "address", "add", "192.0.2.10/24", "dev", "lo"])
        assert said() == f"{at}: [Errno 111] Connection refused (systemctl restart kubelet.service)"
        with socket.create_server(("192.0.2.10", 5000)) as server:
            to = server.getsockname()
            with socket.create_connection(to, source_address=("192.0.2.10", 10250)):
                assert (
                    f"(pid {os.getpid()}) has a connection from {at} to 192.0.2.10:5000" in said()
                )
        with socket.create_server(("127.0.0.1", 10250)):
            assert f"(pid {os.getpid()}) listens on 127.0.0.1:10250" in said()


def test_name_servers_are_told_that_are_silent_or_the_clusters_own(session: Session) -> None:
    what, at = "pods to be able to ask the name servers that it names", Path("/etc/resolv.conf")
    files.write(session.host.at(at), "nameserver 192.0.2.53\nnameserver 10.96.0.10\n")

    with new():
        found = status.look(session)

    assert any(one.startswith(f"{at}: 192.0.2.53 does not answer") for one in found.notices)
    [said] = [str(one.problem) for one in found.checks if one.what == what]
    assert said.startswith(f"{at}: 10.96.0.10 is the cluster's own DNS, which would ask itself (")


def test_every_layer_is_asked_from_below(session: Session) -> None:
    with new():
        found = status.look(session)

    groups = list(dict.fromkeys(check.group for check in found.checks))
    assert groups == [
        *("host", "certificates", "etcd", "API server", "door", "bootstrap", "Leases", "cluster"),
        *("nodes", "network"),
    ]


def test_a_bootstrap_manifest_that_was_left_is_told(session: Session) -> None:
    left = CONFIG.layout.kubelet.manifests / "bootstrap-kube-apiserver.yaml"
    files.write(session.host.at(left), "")

    with new():
        found = status.look(session)
    problems = {check.what: check.problem for check in found.checks}
    assert problems["bootstrap-kube-apiserver to be gone"] == f"{left} is there"


def test_a_drop_in_by_which_etcd_would_not_come_back_is_told(session: Session) -> None:
    at = Path("/etc/systemd/system/etcd.service.d/10-other.conf")
    files.write(session.host.at(at), "[Service]\nExecStart=\nExecStart=/usr/bin/etcd\n")

    with new():
        found = status.look(session)
    problems = {check.what: check.problem for check in found.checks}
    assert str(problems[UNCHANGED]).startswith(f"{at}: has etcd.service, when it next starts, run ")
    assert str(problems[UNCHANGED]).endswith(f" (rm {at}; systemctl daemon-reload)")


def test_what_does_not_answer_has_no_version(session: Session) -> None:
    with new():
        found = status.look(session)

    assert asdict(found.versions) == {
        **dict.fromkeys(("kubernetes", "kubelet", "etcd", "containerd")),
        "kubeception": __version__,
    }


@pytest.fixture
def beside(rig: Rig, session: Session) -> Iterator[Session]:
    """A host without units whose etcd and API server are the rig's."""
    packages.ensure({"nftables": "nft"})
    at = CONFIG.layout.pki.folder
    shutil.copytree(rig.root / at.relative_to("/"), session.host.at(at))
    with Steps(logging.getLogger("kubeception.test")) as steps:
        carry_out([PKI], session, gather=lambda: FACTS, steps=steps)
    ports = rig.ports
    with Session(CONFIG, session.host, api_port=ports.api, etcd_port=ports.etcd) as beside:
        yield beside


@pytest.fixture
def node(beside: Session) -> Iterator[str]:
    """A Node whose kubelet has said what it is."""
    api, name = beside.api, "cp1"
    api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    told = {"kubeletVersion": "v1.2.3", "containerRuntimeVersion": "containerd://2.3.4"}
    api.merge("Node", name, {"status": {"nodeInfo": told}}, status=True)
    yield name
    api.delete("Node", name)


def test_each_part_tells_its_version(beside: Session, node: str) -> None:
    found = status.look(beside)

    assert found.node == node
    assert (found.versions.kubelet, found.versions.containerd) == ("1.2.3", "2.3.4")
    assert found.versions.kubernetes == BUILT_IN.kubernetes
    assert re.fullmatch(r"3\.\d+\.\d+", str(found.versions.etcd))


def test_a_node_that_is_not_there_yet_has_no_versions(beside: Session) -> None:
    found = status.look(beside).versions

    assert (found.kubernetes, found.kubelet) == (BUILT_IN.kubernetes, None)


def test_the_cluster_is_asked_where_the_api_answers(beside: Session) -> None:
    problems = {check.what: check.problem for check in status.look(beside).checks}

    assert problems["Lease kube-controller-manager to be held"] is None
    assert problems["node cp1 to be Ready"] == "there is no Node cp1"


def test_an_api_that_hangs_is_asked_once(beside: Session, pace: float) -> None:
    """A dozen questions would time out one after the other, and nobody would see a picture."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        beside.api_port = deaf.getsockname()[1]
        started = time.monotonic()
        found = status.look(beside)
        took_s = time.monotonic() - started

    behind = {check.problem for check in found.checks if check.group in {"Leases", "cluster"}}
    assert len(behind) == 1
    assert "timed out" in str(behind.pop())
    assert took_s < 12 * pace


def test_the_certificates_of_a_new_cluster_are_good_for_a_year(beside: Session) -> None:
    found = status.look(beside)

    leaves = {
        str(entry.at.certificate)
        for entry in catalog.entries(CONFIG, found.node, ip_address(found.address))
        if not entry.spec.is_ca
    }
    assert found.certificates.first in leaves
    assert found.certificates.days == catalog.LEAF_LIFETIME.days - 1
    assert not found.certificates.is_near
    assert validity(found).problem is None


def test_a_host_without_certificates_is_told(session: Session) -> None:
    with new():
        found = status.look(session)

    assert found.certificates == FirstToExpire()
    assert validity(found).problem == "there is none"


@pytest.mark.parametrize(
    ("later", "days", "problem"),
    [
        (timedelta(), 9, None),
        (timedelta(days=9, hours=23), 0, None),
        (timedelta(days=10, hours=1), -1, "expired on"),
    ],
)
def test_the_kubelets_own_certificate_counts(
    later: timedelta, days: int, problem: str | None, beside: Session
) -> None:
    now = datetime.now(UTC)
    uses, ten_days = frozenset({Use.CLIENT}), timedelta(days=10)
    spec = CertificateSpec("system:node:cp1", uses, "system:nodes", lifetime=ten_days)
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    ca = CONFIG.layout.pki.ca
    signer = issue.Signer(*(beside.host.at(part).read_bytes() for part in (ca.certificate, ca.key)))
    own = issue.certificate(spec, key, signer=signer, now=now) + key
    path = CONFIG.layout.kubelet.renewed_client
    files.write(beside.host.at(path), own)

    clock = Clock(now=lambda: now + later)
    host = Host(beside.host.root, beside.host.systemd, clock)
    with new():
        found = status.look(Session(CONFIG, host))

    assert (found.certificates.first, found.certificates.days) == (str(path), days)
    assert found.certificates.is_near
    told = validity(found).problem
    assert told == (problem and f"{path}: {problem} {now + spec.lifetime:%Y-%m-%d}")


def test_what_is_no_certificate_is_left_to_preflight(session: Session) -> None:
    files.write(session.host.at(CONFIG.layout.pki.apiserver.certificate), "nothing")
    session.host.at(CONFIG.layout.kubelet.renewed_client).mkdir(parents=True)

    with new():
        assert status.look(session).certificates == FirstToExpire()


def validity(found: Status) -> CheckResult:
    (check,) = (check for check in found.checks if check.group == "certificates")
    return check


def test_the_command_watches_until_ctrl_c(tmp_path: Path) -> None:
    """On whatever host this is: nothing holds in a network of its own."""
    config = tmp_path / "config.toml"
    config.write_text('[node]\nname = "cp1"\naddress = "192.0.2.10"\n')
    argv = [sys.executable, "-m", "kubeception", "status", "--watch", "--config", str(config)]

    with new(), terminal(argv) as at:
        at.until(lambda drawn: len(set(re.findall(r"T\d\d:\d\d:\d\dZ ", drawn))) >= 3)
        at.press(CTRL_C)
        ended = at.end()

    assert (ended, at.is_sane()) == (1, True)
    assert "Traceback" not in at.drawn


def requests(session: Session, *, dry: bool) -> int:
    """Return how many requests the API server has counted, or how many dry runs."""
    counted = re.findall(
        r'^apiserver_request_total{.*dry_run="(\w*)".*} (\d+)', session.api.metrics(), re.MULTILINE
    )
    return sum(int(number) for is_dry, number in counted if not dry or is_dry)


def test_a_watch_tries_others_admission_every_ten_seconds(
    rig: Rig, beside: Session, note: Note
) -> None:
    """Each trial is a dry run of every workload, and a call of everybody's webhooks."""
    rig.apply_everything()
    at_s = [0.0]
    clock = Clock(monotonic=lambda: at_s[0])
    host = Host(beside.host.root, beside.host.systemd, clock)
    lately = Lately(status.GOOD_FOR_S)
    workloads = sum(
        len(beside.api.list(kind, namespace=NAMESPACE, labels=MANAGED_BY))
        for kind in ("DaemonSet", "Deployment")
    )
    assert workloads >= 6

    before = requests(beside, dry=False), requests(beside, dry=True)
    looks_s = (0.0, 1.0, 9.0, 10.0, 11.0)
    for at_s[0] in looks_s:
        with Session(CONFIG, host, api_port=rig.ports.api, etcd_port=rig.ports.etcd) as one:
            status.look(one, lately)
    tried, asked = (requests(beside, dry=is_dry) - before[is_dry] for is_dry in (True, False))

    note(f"{tried} dry runs and {asked} requests in {len(looks_s)} looks")
    assert tried == 2 * workloads


def test_what_was_said_before_a_silence_is_not_believed_after_it(rig: Rig, beside: Session) -> None:
    lately = Lately(3600)
    rig.apply_everything()
    enforce = "pod-security.kubernetes.io/enforce"

    def told(port: int) -> bool:
        with Session(CONFIG, beside.host, api_port=port, etcd_port=rig.ports.etcd) as one:
            found = status.look(one, lately)
        return any("enforces baseline" in line for line in found.notices)

    assert not told(rig.ports.api)
    labels = {"metadata": {"labels": {enforce: "baseline"}}}
    beside.api.merge("Namespace", NAMESPACE, labels)
    try:
        rig.until("it to be enforced", lambda: any(admission.refusals(beside)))

        assert not told(rig.ports.api)
        assert not told(1)
        assert told(rig.ports.api)
    finally:
        beside.api.merge("Namespace", NAMESPACE, {"metadata": {"labels": {enforce: None}}})
