"""What whoever runs on a worker may write, against a real API with the policies of a hosted one."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.api.rights import call, error_of
from tests.fixed import CONFIG, FACTS, SETTINGS

from kubeception.config.model import KeyAlgorithm
from kubeception.errors import ApiError
from kubeception.kube.client import Api, Credential, TokenFile
from kubeception.kube.kinds import RBAC
from kubeception.phases import control_plane
from kubeception.pki import catalog, issue
from kubeception.pki import request as requests
from kubeception.pki.issue import Signer
from kubeception.pki.token import Role
from kubeception.render import (
    cluster_controller,
    cluster_upgrade,
    flannel,
    join_records,
    join_service,
    policies,
)
from kubeception.render.join_records import NodeRecord
from kubeception.render.objects import CONTROL_PLANE, NAMESPACE
from kubeception.session import Session

NODES = ("cp1", "w1", "w2")
GUARDED = "a.node-restriction.kubernetes.io/team"
OWN_NOTE = f"{flannel.ANNOTATIONS}public-ip"
LINK = '{{"VNI":1,"VtepMAC":"{}"}}'
INVALID = 422
# Kubelets write addresses whole: a list of them would be merged by type.
REPLACE = {"$patch": "replace"}
ADDRESS = "192.0.2.2"
OWN = [{"type": "InternalIP", "address": ADDRESS}]
HOSTNAME = [{"type": "Hostname", "address": "w1"}]
Change = dict[str, Any]


def node(name: str, **labels: str) -> Change:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def pod(name: str, on: str, namespace: str = NAMESPACE, **more: Any) -> Change:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **more.pop("metadata", {})},
        "spec": {
            "nodeName": on,
            "containers": [{"name": "it", "image": "localhost/none"}],
            **more,
        },
    }


@pytest.fixture(scope="module", autouse=True)
def cluster(rig: Rig) -> Iterator[None]:
    """Everything that bootstrap applies, three nodes, and a pod of flannel's on one."""
    with rig.session(force_conflicts=True) as session:
        api = session.api
        for wanted in control_plane.plan(CONFIG, FACTS):
            if wanted.drift(session):
                wanted.apply(session)
        for name in NODES:
            api.create(node(name, **({CONTROL_PLANE: "", GUARDED: "a"} if name == "cp1" else {})))
            says = {
                "addresses": OWN,
                "allocatable": {"pods": "110"},
                "capacity": {"pods": "110"},
                "conditions": [{"type": "Ready", "status": "True"}],
            }
            api.merge("Node", name, {"status": says}, status=True)
        api.create(pod("flannel-w1", "w1", serviceAccountName=flannel.ACCOUNT))
        own = (ip_address(ADDRESS),)
        joined = [NodeRecord(name, "", Role.WORKER, own) for name in ("w1", "w2")]
        api.apply(join_records.index(joined), force=True)
        links = {"w1": LINK.format("02:00:00:00:00:01"), "w2": LINK.format("02:00:00:00:00:02")}
        api.apply(join_records.links(links), force=True)
        yield
        for name in (join_records.INDEX, join_records.LINKS):
            api.delete("ConfigMap", name, namespace=join_records.RECORDS)
        api.delete("Pod", "flannel-w1", namespace=NAMESPACE, grace_s=0)
        for name in NODES:
            api.delete("Node", name)


def connected(rig: Rig, who: Credential | TokenFile) -> Api:
    ca = rig.session().layout.pki.ca.certificate
    return Api(f"https://127.0.0.1:{rig.ports.api}", ca, who)


def with_token(rig: Rig, folder: Path, account: str, *words: str) -> Iterator[Api]:
    made = rig.kubectl("-n", NAMESPACE, "create", "token", account, *words)
    file = folder / "token"
    file.write_text(made.stdout)
    with closing(connected(rig, TokenFile(file))) as api:
        yield api


@pytest.fixture
def stolen(rig: Rig, tmp_path: Path) -> Iterator[Api]:
    """The API with the token that a kubelet gets for flannel's pod on its node."""
    of = ("--bound-object-kind=Pod", "--bound-object-name=flannel-w1")
    yield from with_token(rig, tmp_path, flannel.ACCOUNT, *of)


@pytest.fixture
def unbound(rig: Rig, tmp_path: Path) -> Iterator[Api]:
    """The API with a token of flannel's that no pod has."""
    yield from with_token(rig, tmp_path, flannel.ACCOUNT)


def kubelet(rig: Rig, folder: Path, name: str) -> Api:
    """Return the API as a node's kubelet has it."""
    at = Credential(folder / f"{name}.crt", folder / f"{name}.key")
    ca = rig.session().layout.pki.ca
    signer = Signer(ca.certificate.read_bytes(), ca.key.read_bytes())
    key = issue.new_key(KeyAlgorithm.ECDSA_P256)
    spec = catalog.kubelet_client(name)
    at.key.write_bytes(key)
    at.certificate.write_bytes(issue.certificate(spec, key, signer=signer, now=datetime.now(UTC)))
    return connected(rig, at)


def refused(api: Api, name: str, change: Change, *, status: bool = True) -> str:
    """Return why a change of a node is refused by a policy; RBAC would say 403."""
    with pytest.raises(ApiError) as caught:
        api.merge("Node", name, change, status=status)
    assert caught.value.status == INVALID, caught.value.message
    return caught.value.message


def test_the_policies_are_of_the_types_that_they_ask_for(rig: Rig, session: Session) -> None:
    """By the controller-manager's word, which comes some moments later."""

    def checked() -> list[dict[str, Any]]:
        found = (
            session.api.get("ValidatingAdmissionPolicy", name) or {}
            for name in policies.names(SETTINGS)
        )
        return [one["status"]["typeChecking"] for one in found if one.get("status")]

    rig.until("the policies to be checked", lambda: len(checked()) == len(policies.names(SETTINGS)))
    assert [one for one in checked() if one] == []


def test_flannel_says_of_its_node_what_it_has_to(session: Session, stolen: Api) -> None:
    is_up = {"type": "NetworkUnavailable", "status": "False", "reason": "FlannelIsUp"}

    stolen.merge("Node", "w1", {"metadata": {"annotations": {OWN_NOTE: "192.0.2.2"}}}, status=True)
    stolen.merge("Node", "w1", {"status": {"conditions": [is_up]}}, status=True)

    found = session.api.get("Node", "w1")
    assert found
    assert found["metadata"]["annotations"][OWN_NOTE] == "192.0.2.2"
    assert "NetworkUnavailable" in str(found["status"]["conditions"])


NOT_FLANNELS: dict[str, tuple[str, Change]] = {
    "a label": ("w1", {"metadata": {"labels": {"a": "b"}}}),
    "the role label": ("w1", {"metadata": {"labels": {CONTROL_PLANE: ""}}}),
    "the role label of another, taken": ("cp1", {"metadata": {"labels": {CONTROL_PLANE: None}}}),
    "another annotation": ("w1", {"metadata": {"annotations": {"a": "b"}}}),
    "a finalizer": ("w1", {"metadata": {"finalizers": ["example.org/kept"]}}),
    "its annotation of another": ("w2", {"metadata": {"annotations": {OWN_NOTE: "192.0.2.9"}}}),
    "no room": ("w1", {"status": {"allocatable": {"pods": "0"}}}),
    "no room on another": ("cp1", {"status": {"allocatable": {"pods": "0"}}}),
    "more than there is": ("w1", {"status": {"capacity": {"example.org/gpu": "8"}}}),
    "an address": (
        "w1",
        {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}},
    ),
    "another's address": (
        "w2",
        {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.9"}]}},
    ),
    "another condition": (
        "w1",
        {"status": {"conditions": [{"type": "Ready", "status": "False"}]}},
    ),
    "its condition of another": (
        "cp1",
        {"status": {"conditions": [{"type": "NetworkUnavailable", "status": "True"}]}},
    ),
    "a kubelet's port": (
        "w1",
        {"status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}}}},
    ),
}


@pytest.mark.parametrize(("name", "change"), NOT_FLANNELS.values(), ids=NOT_FLANNELS.keys())
def test_nothing_else_goes_through(stolen: Api, name: str, change: Change) -> None:
    # Of a role label, the policy about these may speak first.
    assert "ValidatingAdmissionPolicy 'kubeception-" in refused(stolen, name, change)


def test_a_token_that_no_pod_has_is_good_for_no_node(unbound: Api) -> None:
    change = {"metadata": {"annotations": {OWN_NOTE: "192.0.2.9"}}}

    for name in NODES:
        assert "kubeception-flannel" in refused(unbound, name, change)


def test_every_part_of_a_nodes_status_is_held(rig: Rig) -> None:
    pair = rig.session().layout.pki.admin
    admin = Credential(pair.certificate, pair.key)
    schemas = call(rig, "GET", "/openapi/v3/api/v1", who=admin)["components"]["schemas"]

    served = set(schemas["io.k8s.api.core.v1.NodeStatus"]["properties"])
    assert served == {*policies.NODE_STATUS, "conditions"}
    served = set(schemas["io.k8s.api.core.v1.NodeSpec"]["properties"])
    assert served == {*policies.NODE_SPEC, "unschedulable"}


@pytest.fixture
def network(rig: Rig, session: Session, tmp_path: Path) -> Iterator[Api]:
    """The API as a network that somebody has brought, which may write all Nodes."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount"}
    about = {"name": "brought", "namespace": NAMESPACE}
    session.api.apply({**account, "metadata": about})
    rules = [
        {
            "apiGroups": [""],
            "resources": ["nodes", "nodes/status"],
            "verbs": ["create", "get", "patch", "update"],
        }
    ]
    of = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": "brought"}}
    session.api.apply({**of, "kind": "ClusterRole", "rules": rules})
    binding = {
        **of,
        "kind": "ClusterRoleBinding",
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "brought"},
        "subjects": [{"kind": "ServiceAccount", **about}],
    }
    session.api.apply(binding)
    for made in with_token(rig, tmp_path, "brought"):
        rig.until("its rights to count", partial(_reads_nodes, made))
        yield made
    for kind in ("ClusterRoleBinding", "ClusterRole"):
        session.api.delete(kind, "brought")
    session.api.delete("ServiceAccount", "brought", namespace=NAMESPACE)


def _reads_nodes(api: Api) -> bool:
    return error_of(partial(api.get, "Node", "w1")) is None


@pytest.mark.parametrize("status", [False, True])
def test_what_people_bring_keeps_its_rights_but_gives_no_role(network: Api, status: bool) -> None:
    network.merge("Node", "w1", {"metadata": {"labels": {"zone": "a"}}}, status=status)

    for label in (CONTROL_PLANE, GUARDED, "node-restriction.kubernetes.io/a"):
        for name, value in (("w1", ""), ("cp1", "changed"), ("cp1", None)):
            if name == "cp1" and label not in {CONTROL_PLANE, GUARDED}:
                continue
            change = {"metadata": {"labels": {label: value}}}
            assert "only administrators" in refused(network, name, change, status=status)


@pytest.mark.parametrize("status", [False, True])
@pytest.mark.parametrize("note", cluster_upgrade.NOTES)
def test_nobody_has_a_host_do_something_by_whatever_may_write_nodes(
    rig: Rig, session: Session, network: Api, tmp_path: Path, note: str, *, status: bool
) -> None:
    """Not even a kubelet its own; an administrator may, and others leave it as it is then."""
    wanted, gone = ({"metadata": {"annotations": {note: value}}} for value in ("boot", None))
    said = "only administrators and the controller have hosts do something"
    with closing(kubelet(rig, tmp_path, "w1")) as own:
        assert said in refused(network, "w2", wanted, status=status)
        assert said in refused(own, "w1", wanted, status=status)
        session.api.merge("Node", "w1", wanted)
        for api in (network, own):
            api.merge("Node", "w1", {"status": {"phase": "Running"}}, status=True)
            assert said in refused(api, "w1", gone, status=status)
    session.api.merge("Node", "w1", gone)


def test_a_kubelet_asks_for_no_clusterupgrade(rig: Rig, tmp_path: Path) -> None:
    """By one it would have other hosts run what they have, too."""
    wanted = cluster_upgrade.of_order(cluster_upgrade.Order(command="patch"))
    with closing(kubelet(rig, tmp_path, "w1")) as own, pytest.raises(ApiError) as caught:
        own.create(wanted)

    assert caught.value.status == 403


NOT_THE_CONTROLLERS: dict[str, Change] = {
    "a label": {"metadata": {"labels": {"a": "b"}}},
    "an annotation": {"metadata": {"annotations": {OWN_NOTE: "192.0.2.9"}}},
    "a finalizer": {"metadata": {"finalizers": ["example.org/kept"]}},
    "a taint": {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}},
    "a provider": {"spec": {"providerID": "a"}},
}


@pytest.mark.parametrize("change", NOT_THE_CONTROLLERS.values(), ids=NOT_THE_CONTROLLERS.keys())
def test_the_controller_cordons_nodes_and_has_them_reboot_and_no_more(
    rig: Rig, tmp_path: Path, change: Change
) -> None:
    notes: Change = {"metadata": {"annotations": dict.fromkeys(cluster_upgrade.NOTES, "boot")}}
    for api in with_token(rig, tmp_path, cluster_controller.NAME):
        api.merge("Node", "w1", {**notes, "spec": {"unschedulable": True}})
        assert "kubeception-controller-nodes" in refused(api, "w1", change, status=False)
        gone: Change = {"metadata": {"annotations": dict.fromkeys(cluster_upgrade.NOTES)}}
        api.merge("Node", "w1", {**gone, "spec": {"unschedulable": None}})


def test_nor_to_a_node_that_it_makes(network: Api, session: Session) -> None:
    network.create(node("w3", zone="a"))
    session.api.delete("Node", "w3")

    with pytest.raises(ApiError, match="only administrators") as caught:
        network.create(node("w3", **{CONTROL_PLANE: ""}))
    assert caught.value.status == INVALID


def test_administrators_give_roles(rig: Rig) -> None:
    rig.kubectl("label", "node", "w2", f"{CONTROL_PLANE}=", f"{GUARDED}=b")
    rig.kubectl("label", "node", "w2", f"{CONTROL_PLANE}-", f"{GUARDED}-")


@pytest.mark.parametrize("namespace", [NAMESPACE, "default"])
def test_a_workers_kubelet_makes_no_pods(
    rig: Rig, session: Session, tmp_path: Path, namespace: str
) -> None:
    """As for a static pod, with the labels of kube-dns, say."""
    with closing(kubelet(rig, tmp_path, "w1")) as api, pytest.raises(ApiError) as caught:
        api.create(mirror(session, "w1", namespace))

    assert caught.value.status == INVALID
    assert "kubeception.dev/mirror-pods=allowed" in caught.value.message


def test_a_kubelet_gets_tokens_of_its_own_nodes_pods_alone(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    found = session.api.get("Pod", "flannel-w1", namespace=NAMESPACE)
    assert found
    pod = {"apiVersion": "v1", "kind": "Pod", "name": "flannel-w1", "uid": found["metadata"]["uid"]}

    def refusal(name: str, account: str, **bound: Change) -> str:
        """Ask for a token as a kubelet does; return why there is none."""
        at = Credential(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        asked = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [], **bound},
        }
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        try:
            call(rig, "POST", path, asked, who=at)
        except AssertionError as error:
            return str(error)
        return ""

    for name in ("w1", "w2"):
        kubelet(rig, tmp_path, name).close()
    assert refusal("w1", flannel.ACCOUNT, boundObjectRef=pod) == ""
    for name, account, bound in (
        ("w2", flannel.ACCOUNT, {"boundObjectRef": pod}),
        ("w1", flannel.ACCOUNT, {}),
        ("w1", cluster_controller.NAME, {}),
        ("w1", cluster_controller.NAME, {"boundObjectRef": pod}),
        ("w1", join_service.NAME, {}),
    ):
        assert "orbidden" in refusal(name, account, **bound), (name, account, bound)


@pytest.mark.parametrize("taken", ["10.96.0.0/16", "192.0.2.0/28", "10.244.0.0/24"])
def test_a_workers_kubelet_says_not_which_addresses_its_pods_have(
    rig: Rig, session: Session, tmp_path: Path, taken: str
) -> None:
    """Flannel would lead every node's traffic for these to it: Services, hosts, others' pods."""
    session.api.delete("Node", "w2")
    for spec in (
        {"podCIDR": taken},
        {"podCIDRs": [taken]},
        {"podCIDR": taken, "podCIDRs": [taken]},
    ):
        with closing(kubelet(rig, tmp_path, "w2")) as api, pytest.raises(ApiError) as caught:
            api.create({**node("w2"), "spec": spec})
        assert caught.value.status == INVALID
        assert "given to it by the controller-manager" in caught.value.message

    with closing(kubelet(rig, tmp_path, "w2")) as api:
        api.create(node("w2"))

        def is_given_one() -> bool:
            found = api.get("Node", "w2")
            return bool(found and found["spec"].get("podCIDR"))

        rig.until("the controller-manager to give it a range", is_given_one)
        api.merge("Node", "w2", {"spec": {"unschedulable": None}})  # what it writes goes on


def test_a_workers_node_is_its_own_host_and_can_be_removed(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    """Pods of people's that are to run on a host, and local volumes, go by its name."""
    name = "kubernetes.io/hostname"
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        for status in (False, True):
            said = refused(api, "w1", {"metadata": {"labels": {name: "cp1"}}}, status=status)
            assert "the name of its node, and no other" in said
            held = {"metadata": {"finalizers": ["example.org/never"]}}
            assert "keeps no node" in refused(api, "w1", held, status=status)
        api.merge("Node", "w1", {"metadata": {"labels": {name: "w1"}}})
    # What an administrator says stays, and does not lock the kubelet out.
    session.api.merge("Node", "w1", {"metadata": {"labels": {name: "another"}}})
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        api.merge("Node", "w1", {"status": {"phase": "Running"}}, status=True)
    session.api.merge("Node", "w1", {"metadata": {"labels": {name: None}}})


OTHERS = {
    "a control-plane host's": [("InternalIP", "192.0.2.11")],
    "its own, then that": [("InternalIP", ADDRESS), ("InternalIP", "192.0.2.11")],
    "that one written otherwise": [("InternalIP", "::ffff:192.0.2.11")],
    "one from outside": [("InternalIP", ADDRESS), ("ExternalIP", "198.51.100.7")],
    "a name": [("Hostname", "cp1")],
    "an address as its name": [("Hostname", "192.0.2.11")],
    "a name in its own network": [("InternalDNS", "w1")],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_workers_kubelet_has_the_addresses_with_which_it_joined(
    rig: Rig, session: Session, tmp_path: Path, kind: str
) -> None:
    """The API server asks there for the logs of its pods."""
    taken = [{"type": type_, "address": address} for type_, address in OTHERS[kind]]
    words = "the addresses with which its host has joined"
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        assert words in refused(api, "w1", {"status": {"addresses": [REPLACE, *taken]}})
        session.api.delete("Node", "w1")
        with pytest.raises(ApiError, match=words):
            api.create({**node("w1"), "status": {"addresses": taken}})
        api.create({**node("w1"), "status": {"addresses": [*OWN, *HOSTNAME]}})


LINKS = {
    "another node's": LINK.format("02:00:00:00:00:02"),
    "in capitals": '{"VNI":1,"VtepMAC":"02:00:00:00:00:0B"}',
    "with a space": '{"VNI":1, "VtepMAC":"02:00:00:00:00:02"}',
    "twice": '{"VNI":1,"VtepMAC":"02:00:00:00:00:05","VtepMAC":"02:00:00:00:00:02"}',
    "of another network": '{"VNI":2,"VtepMAC":"02:00:00:00:00:02"}',
    "everybody's": LINK.format("ff:ff:ff:ff:ff:ff"),
    "nobody's": LINK.format("00:00:00:00:00:00"),
    "on two lines": LINK.format("02:00:00:00:00:05") + "\n" + LINK.format("02:00:00:00:00:02"),
}


@pytest.mark.parametrize("key", flannel.LINK_ADDRESSES)
@pytest.mark.parametrize("kind", LINKS)
def test_no_two_nodes_say_the_same_link_address(
    rig: Rig, stolen: Api, tmp_path: Path, kind: str, key: str
) -> None:
    """Every other node would send what is for the pods of one to the other."""
    change = {"metadata": {"annotations": {key: LINKS[kind]}}}
    said = refused(stolen, "w1", change)
    assert "link address" in said
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        for status in (True, False):
            assert "link address" in refused(api, "w1", change, status=status)


def test_a_node_says_its_own_link_address_and_another_one_that_is_free(stolen: Api) -> None:
    for address in ("02:00:00:00:00:01", "0e:00:00:00:00:03", "02:00:00:00:00:01"):
        for key in flannel.LINK_ADDRESSES:
            change = {"metadata": {"annotations": {key: LINK.format(address)}}}
            stolen.merge("Node", "w1", change, status=True)
    for key in flannel.LINK_ADDRESSES:
        stolen.merge("Node", "w1", {"metadata": {"annotations": {key: None}}}, status=True)


def test_other_addresses_that_a_cloud_has_told_stay(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    clouds = [*OWN, {"type": "ExternalIP", "address": "198.51.100.7"}]
    session.api.merge("Node", "w1", {"status": {"addresses": clouds}}, status=True)
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        api.merge("Node", "w1", {"status": {"phase": "Running"}}, status=True)
        own = {"addresses": [REPLACE, *HOSTNAME, *OWN]}
        api.merge("Node", "w1", {"status": own}, status=True)


def test_a_list_of_nodes_by_an_earlier_version_keeps_no_address_out(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    name, place = join_records.INDEX, join_records.RECORDS
    found = session.api.get("ConfigMap", name, namespace=place)
    assert found
    session.api.set_fields(found, {"/data": {"w1": "X509SHA256=00", "w2": ""}})
    says = {"addresses": [{"type": "InternalIP", "address": "192.0.2.12"}]}
    with closing(kubelet(rig, tmp_path, "w1")) as api:
        rig.until("it to be read", lambda: not is_refused(api, {"status": says}))
        api.merge("Node", "w1", {"status": {"addresses": [REPLACE, *OWN]}}, status=True)
    session.api.merge("ConfigMap", name, {"data": found["data"]}, namespace=place)


def is_refused(api: Api, change: Change) -> bool:
    try:
        api.merge("Node", "w1", change, status=True)
    except ApiError:
        return True
    return False


def test_unless_an_administrator_lets_it(rig: Rig, session: Session, tmp_path: Path) -> None:
    about = {"name": "static", "labels": policies.MIRROR_PODS}
    session.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": about})

    with closing(kubelet(rig, tmp_path, "w1")) as api:
        api.create(mirror(session, "w1", "static"))
    session.api.delete("Pod", "static-w1", namespace="static", grace_s=0)
    session.api.delete("Namespace", "static")


def test_the_control_planes_kubelet_shows_its_static_pods(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    with closing(kubelet(rig, tmp_path, "cp1")) as api:
        api.create(mirror(session, "cp1", NAMESPACE))
    session.api.delete("Pod", "static-cp1", namespace=NAMESPACE, grace_s=0)


def test_the_join_service_makes_small_things_alone(rig: Rig, tmp_path: Path) -> None:
    """Strangers say what is in them, and whoever has broken into it says the rest."""
    name = join_records.claim_name("small00000")
    claim: Change = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": join_records.CLAIMS, "labels": {"a": "", "b": ""}},
        "data": {"a": "x" * 4000, "b": "x" * 4000},
    }
    about = {**claim["metadata"], "name": join_records.claim_name("large00000")}
    owner = {"apiVersion": "v1", "kind": "Node", "name": "w1", "uid": "0"}
    for api in with_token(rig, tmp_path, join_service.NAME):
        api.create(claim)
        for larger in (
            {"data": {"a": "x" * 13_000}},
            {"data": {str(n): "x" * 1000 for n in range(13)}},
            {"binaryData": {"a": "eHh4"}},
            {"metadata": {**about, "annotations": {"a": "x" * 200_000}}},
            {"metadata": {**about, "labels": {str(n): "x" for n in range(3)}}},
            # What would keep it from being swept.
            {"metadata": {**about, "finalizers": ["example.org/never"]}},
            {"metadata": {**about, "ownerReferences": [owner]}},
            {"metadata": {**about, "name": "kept"}},
            {"metadata": {**about, "name": f"{about['name']}0"}},
        ):
            with pytest.raises(ApiError) as caught:
                api.create({**claim, "metadata": about, **larger})
            assert caught.value.status == INVALID, larger
        for name, signer in (
            ("kept", requests.CLIENT_SIGNER),
            (join_records.request_name("signer0000"), requests.SERVING_SIGNER),
            (join_records.request_name("signer0000"), "example.org/signer"),
        ):
            with pytest.raises(ApiError, match="for kubelets' certificates") as caught:
                api.create(signing(name, signer))
            assert caught.value.status == INVALID
        api.create(signing(join_records.request_name("signer0000"), requests.CLIENT_SIGNER))
    rig.kubectl("-n", join_records.CLAIMS, "delete", "configmap", claim["metadata"]["name"])
    rig.kubectl("delete", "csr", join_records.request_name("signer0000"))


def test_the_controller_deletes_the_join_services_requests_alone(
    rig: Rig, session: Session, tmp_path: Path
) -> None:
    name = join_records.request_name("another000")
    session.api.create(signing(name, requests.CLIENT_SIGNER))
    for api in with_token(rig, tmp_path, cluster_controller.NAME):
        with pytest.raises(ApiError, match="of the join service alone") as caught:
            api.delete("CertificateSigningRequest", name)
        assert caught.value.status == INVALID
    session.api.delete("CertificateSigningRequest", name)


def signing(name: str, signer: str) -> Change:
    """Return a request for a node's certificate, by a signer."""
    made = requests.new(issue.new_key(KeyAlgorithm.ECDSA_P256), "w9")
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "signerName": signer,
            "usages": ["digital signature", "client auth"],
            "request": b64encode(made).decode(),
        },
    }


def mirror(session: Session, on: str, namespace: str) -> Change:
    """Return the mirror of a static pod, as a kubelet makes it."""
    of_kubelet = {
        "kubernetes.io/config.mirror": "0123456789abcdef",
        "kubernetes.io/config.source": "file",
    }
    found = session.api.get("Node", on)
    assert found
    uid = found["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": on, "uid": uid, "controller": True}
    about = {
        "annotations": of_kubelet,
        "labels": {"k8s-app": "kube-dns"},
        "ownerReferences": [owner],
    }
    return pod(f"static-{on}", on, namespace, metadata=about, enableServiceLinks=False)
