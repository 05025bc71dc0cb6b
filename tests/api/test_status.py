"""The status of a host on which nothing runs: every check says why, and none fails by itself."""

from pathlib import Path

import pytest
from tests.api.network import new

from kubeception import status
from kubeception.config import Config
from kubeception.config.model import Node
from kubeception.gather import UNITS
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.host.systemd import Systemd
from kubeception.layout import OUR_MARK
from kubeception.reach import Reach

CONFIG = Config(node=Node(name="cp1", address="192.0.2.10"))
GONE = {
    "bootstrap-kube-apiserver to be gone",
    "bootstrap-kube-controller-manager to be gone",
    "bootstrap-kube-scheduler to be gone",
}


@pytest.fixture
def reach(tmp_path: Path) -> Reach:
    """A host with units of ours and no systemd to run them."""
    host = Host(root=tmp_path, systemd=Systemd(tmp_path / "no-bus"))
    for unit in UNITS:
        files.write(host.at(CONFIG.layout.units / unit), OUR_MARK)
    return Reach(CONFIG, host)


def test_whatever_is_missing_is_told(reach: Reach) -> None:
    with new():
        found = status.look(reach)

    assert (found.node, found.address, found.door, found.healthy) == ("cp1", "192.0.2.10", 0, False)
    problems = {check.what: check.problem for check in found.checks}
    assert {what for what, problem in problems.items() if problem is None} == GONE
    assert problems["the door to lead to port 6445"] == "there is no door"
    assert "no-bus" in str(problems["kubelet.service to run"])
    assert str(problems["Lease kube-scheduler to be held"]).endswith("ca.crt: no such file")


def test_every_layer_is_asked_from_below(reach: Reach) -> None:
    with new():
        found = status.look(reach)

    groups = list(dict.fromkeys(check.group for check in found.checks))
    assert groups == ["host", "etcd", "API server", "door", "bootstrap", "Leases", "cluster"]


def test_a_bootstrap_manifest_that_was_left_is_told(reach: Reach) -> None:
    left = CONFIG.layout.kubelet.manifests / "bootstrap-kube-apiserver.yaml"
    files.write(reach.host.at(left), "")

    with new():
        found = status.look(reach)
    problems = {check.what: check.problem for check in found.checks}
    assert problems["bootstrap-kube-apiserver to be gone"] == f"{left} is there"
