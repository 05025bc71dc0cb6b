"""The certificates that we issue are accepted by those who read them, as whom they are meant."""

import json
from dataclasses import replace

import pytest
from tests.api.rig import Rig

from kubeception.errors import KubeceptionError
from kubeception.kube import health
from kubeception.reach import Reach
from kubeception.render import access
from kubeception.resources.object import Object

USERS = {
    "admin": ("kubernetes-admin", "kubeadm:cluster-admins"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
    "kubelet": ("system:node:cp1", "system:nodes"),
}


@pytest.mark.parametrize("user", USERS)
def test_each_kubeconfig_is_somebody(user: str, rig: Rig) -> None:
    said = json.loads(rig.kubectl("auth", "whoami", "-o", "json", user=user).stdout)

    name, group = USERS[user]
    found = said["status"]["userInfo"]
    assert found["username"] == name
    assert set(found["groups"]) == {"system:authenticated", *([group] if group else [])}


def test_the_administrator_may_what_the_bindings_say(rig: Rig, reach: Reach) -> None:
    """Nothing by the certificate itself, everything by RBAC: so the right can be taken away."""
    for wanted in access.bindings():
        reach.api.delete("ClusterRoleBinding", wanted["metadata"]["name"])
    may = ("auth", "can-i", "*", "*", "--all-namespaces")

    assert rig.kubectl(*may, check=False).stdout.strip() == "no"
    for wanted in access.bindings():
        Object(wanted).apply(reach)
    rig.until("the binding to count", lambda: rig.kubectl(*may, check=False).code == 0)


def test_a_kubelet_may_no_more_than_a_node(rig: Rig) -> None:
    def may(*what: str) -> bool:
        return rig.kubectl("auth", "can-i", *what, user="kubelet", check=False).code == 0

    assert may("create", "nodes")
    assert not may("get", "secrets", "--namespace=kube-system")
    assert not may("create", "clusterrolebindings")


def test_the_superuser_needs_no_binding_and_no_disk(rig: Rig, reach: Reach) -> None:
    before = sorted(rig.root.rglob("*.crt"))

    assert reach.api.get("Namespace", "kube-system")
    assert reach.api.get("ClusterRole", "cluster-admin")
    assert sorted(rig.root.rglob("*.crt")) == before


def test_etcd_takes_our_client_and_no_stranger(rig: Rig, reach: Reach) -> None:
    at = reach.layout.pki
    stranger = replace(rig.etcd, certificate=at.admin.certificate, key=at.admin.key)

    assert rig.etcd.problem() is None
    assert stranger.problem()
    other_ca = replace(rig.etcd, ca=at.ca.certificate)
    assert "certificate" in str(other_ca.problem())


def test_etcd_says_its_version_and_when_a_key_changed(rig: Rig, reach: Reach) -> None:
    lease = "/registry/leases/kube-system/kube-controller-manager"

    assert rig.etcd.version().startswith("3.")
    assert rig.etcd.mod_revisions("no such key") == (0,)
    rig.until("the Lease to be written", lambda: rig.etcd.mod_revisions(lease) > (0,))
    first = rig.etcd.mod_revisions(lease)
    rig.until("the Lease to be renewed", lambda: rig.etcd.mod_revisions(lease) > first)


def test_an_etcd_that_is_not_there_is_a_problem_in_words(rig: Rig) -> None:
    nobody = replace(rig.etcd, port=rig.spare_port())

    assert "refused" in str(nobody.problem())
    with pytest.raises(KubeceptionError, match=f"etcd on port {nobody.port}: .*refused"):
        nobody.version()


def test_an_api_server_is_ready_by_our_ca_alone(rig: Rig, reach: Reach) -> None:
    at, port = reach.layout.pki, rig.ports.api

    assert health.not_ready(port, at.ca.certificate) is None
    assert "certificate verify failed" in str(health.not_ready(port, at.etcd_ca.certificate))
    assert "no such file" in str(health.not_ready(port, at.ca.certificate.with_name("none")))


def test_another_answer_than_200_is_not_ready(rig: Rig, reach: Reach) -> None:
    ca = reach.layout.pki.ca.certificate

    found = health.not_ready(rig.ports.api, ca, path="/api")
    assert found == f"port {rig.ports.api}: /api answers 403"
    nobody = rig.spare_port()
    assert "refused" in str(health.not_ready(nobody, ca))
    etcd = health.not_ready(rig.ports.etcd, ca)
    assert etcd and "certificate verify failed" in etcd
