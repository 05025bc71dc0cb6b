"""A controller that is down while renewals are due loses no node, and nobody has to trust one."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from tests.lab import cluster
from tests.lab.cluster import get, kubectl, until
from tests.lab.conftest import Note

from kubeception.conditions.reading import condition_of, conditions_of
from kubeception.lab import Host, Lab
from kubeception.pki.request import CLIENT_SIGNER, user
from kubeception.render import cluster_controller, join_records
from kubeception.render.join_records import RECORDS, NodeRecord
from kubeception.render.objects import NAMESPACE

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(900)]

# What is signed for kubelets is good for so long, and five minutes of the past; they renew when
# seven to nine tenths of that are over (client-go, util/certificate), so a minute before its end.
LIFETIME = '\n[controller_manager]\nextra_args = { cluster-signing-duration = "6m" }\n'
DUE_S = 6 * 60
CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
CONTROLLER = ("-n", NAMESPACE, f"deployment/{cluster_controller.NAME}")
Object = dict[str, Any]


@pytest.fixture(scope="module")
def made(lab: Lab) -> tuple[Host, Host]:
    cp1, w1 = lab.hosts()
    cluster.configure(cp1, more=LIFETIME)
    cluster.bootstrap(cp1)
    command = cp1.run("kubeception", "token", "create", "--node", "w1").stdout
    w1.run("sh", stdin=command, timeout_s=240)
    return cp1, w1


@pytest.fixture
def down(made: tuple[Host, Host], hosts: list[Host]) -> Iterator[tuple[Host, Host]]:
    """The two hosts, with a worker that is known, and no controller."""
    cp1, _ = made
    assert len(hosts) == 2
    until(lambda: not record(cp1).pending, timeout_s=60)
    kubectl(cp1, "scale", *CONTROLLER, "--replicas=0")
    until(lambda: not controllers(cp1), timeout_s=60)
    yield made
    kubectl(cp1, "scale", *CONTROLLER, "--replicas=1")


def controllers(cp1: Host) -> list[Object]:
    labels = f"k8s-app={cluster_controller.NAME}"
    found: list[Object] = get(cp1, "pods", "-n", NAMESPACE, "-l", labels)["items"]
    return found


def record(cp1: Host) -> NodeRecord:
    return join_records.to_node(get(cp1, "configmap", "-n", RECORDS, join_records.node_name("w1")))


def asking(cp1: Host) -> list[str]:
    """Return the names of w1's requests to renew that wait."""
    return [
        one["metadata"]["name"]
        for one in get(cp1, "csr")["items"]
        if one["spec"]["signerName"] == CLIENT_SIGNER
        and one["spec"]["username"] == user("w1")
        and not any(conditions_of(one))
    ]


def is_ready(cp1: Host, *, since_s: float = 0.0) -> bool:
    """Whether w1 is Ready, and its kubelet has written so since a moment."""
    of_w1 = ("-n", "kube-node-lease", "--field-selector", "metadata.name=w1")
    renewed = [one["spec"]["renewTime"] for one in get(cp1, "leases", *of_w1)["items"]]
    is_heard = any(datetime.fromisoformat(when).timestamp() > since_s for when in renewed)
    return is_heard and condition_of(get(cp1, "node", "w1"), "Ready")


def test_a_controller_that_is_down_while_renewals_are_due_loses_no_node(
    down: tuple[Host, Host], note: Note
) -> None:
    cp1, w1 = down
    before, known = w1.get(CURRENT), record(cp1).credentials
    until(lambda: is_ready(cp1), timeout_s=60)

    # It asks, and what it asked is collected, with all that was signed before, as Kubernetes does
    # after an hour and after a day; then it asks again.
    waited_s = until(lambda: bool(asking(cp1)), timeout_s=DUE_S)
    for _ in range(2):
        until(lambda: bool(asking(cp1)), timeout_s=60)
        kubectl(cp1, "delete", "csr", "--all")
    assert w1.get(CURRENT) == before

    kubectl(cp1, "scale", *CONTROLLER, "--replicas=1")
    took_s = until(lambda: w1.get(CURRENT) != before, timeout_s=120)

    note(f"due after {waited_s:.0f} s, renewed {took_s:.0f} s after the controller was back")
    began_s = time.time()
    until(lambda: is_ready(cp1, since_s=began_s), timeout_s=120)
    until(lambda: set(record(cp1).credentials) > set(known), timeout_s=30)
    events = kubectl(cp1, "get", "events", "--field-selector=reason=UnknownCredential")
    assert events == ""
    said = cluster.status(cp1)
    assert "kubeception node trust" not in said
