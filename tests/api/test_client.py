"""The API client's verbs, and what it says when the API says no."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from threading import Thread, Timer
from time import monotonic
from typing import Any

import pytest
from tests import slow
from tests.api.rig import Rig

from kubeception.errors import ApiError
from kubeception.kube.client import Api, Credential, Object, TokenFile
from kubeception.render import access
from kubeception.resources.object import Object as Managed
from kubeception.session import Session


@pytest.fixture(autouse=True)
def administrators(session: Session) -> None:
    """What the administrators' credential may do, as bootstrap makes it."""
    for wanted in access.bindings():
        Managed(wanted).apply(session)


def config_map(name: str, **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default", "labels": {"for": "test"}},
        "data": data,
    }


def test_apply_get_merge_and_delete(api: Api) -> None:
    made = api.apply(config_map("verbs", a="1"))
    assert made["data"] == {"a": "1"}
    assert api.get("ConfigMap", "verbs", namespace="default") == made

    changed = api.merge("ConfigMap", "verbs", {"data": {"b": "2"}}, namespace="default")
    assert changed["data"] == {"a": "1", "b": "2"}

    api.delete("ConfigMap", "verbs", namespace="default")
    assert api.get("ConfigMap", "verbs", namespace="default") is None
    api.delete("ConfigMap", "verbs", namespace="default")


def test_what_is_not_there_is_none(api: Api) -> None:
    assert api.get("Node", "nobody") is None
    assert api.get("ConfigMap", "nothing", namespace="no-such-namespace") is None


def test_lists_are_of_one_namespace_or_of_all(api: Api) -> None:
    for name in ("listed-a", "listed-b"):
        api.apply(config_map(name))

    def names(**where: Any) -> set[str]:
        return {found["metadata"]["name"] for found in api.list("ConfigMap", **where)}

    ours = {"listed-a", "listed-b"}
    assert ours <= names(namespace="default")
    assert not ours & names(namespace="kube-system")
    assert ours <= names(labels={"for": "test"}) <= names()
    assert names(fields={"metadata.name": "listed-a"}) == {"listed-a"}
    assert {found["metadata"]["name"] for found in api.list("Namespace")} >= {"default"}


def test_a_dry_run_shows_the_outcome_and_keeps_the_object(api: Api) -> None:
    made = api.apply(config_map("dry", a="1"))

    assert api.apply(config_map("dry", a="2"), dry_run=True)["data"] == {"a": "2"}
    assert api.get("ConfigMap", "dry", namespace="default") == made
    assert api.apply(config_map("dry", a="1")) == made


def test_a_conflict_names_the_other_manager_and_the_field(rig: Rig, api: Api) -> None:
    api.apply(config_map("contested", a="1"))
    rig.kubectl("-n", "default", "patch", "cm", "contested", "-p", '{"data": {"a": "theirs"}}')

    with pytest.raises(ApiError, match=r"kubectl-patch.*\.data\.a") as caught:
        api.apply(config_map("contested", a="1"))
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert api.apply(config_map("contested", a="1"), force=True)["data"] == {"a": "1"}


def test_what_the_api_refuses_is_told_in_its_words(api: Api) -> None:
    bad = {**config_map("x"), "metadata": {"name": "Not_A_Name", "namespace": "default"}}

    with pytest.raises(ApiError, match="Not_A_Name") as caught:
        api.apply(bad)
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")


def test_a_policy_whose_parameters_are_not_read_yet_is_waited_for(api: Api) -> None:
    """A binding that can't be resolved is refused in the same words; soon it is another one."""
    named, selected = {"name": "unsettled"}, {"matchLabels": {"unsettled": "yes"}}
    group = "rbac.authorization.k8s.io"
    rule = {
        "apiGroups": [group],
        "apiVersions": ["*"],
        "operations": ["CREATE"],
        "resources": ["clusterroles"],
    }
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": named,
        "spec": {
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {"resourceRules": [rule], "objectSelector": selected},
            "validations": [{"expression": "true"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": named,
        "spec": {
            "policyName": "unsettled",
            "paramRef": {"name": "none", "parameterNotFoundAction": "Allow"},
            "validationActions": ["Deny"],
        },
    }

    def role(name: str) -> Object:
        metadata = {"name": name, "labels": {"unsettled": "yes"}}
        kind = {"apiVersion": f"{group}/v1", "kind": "ClusterRole"}
        return {**kind, "metadata": metadata, "rules": []}

    def refused() -> bool:
        try:
            api.create(role("unsettled-first"))
        except ApiError as error:
            return "failed to configure binding" in error.message
        api.delete("ClusterRole", "unsettled-first")
        return False

    try:
        api.apply(policy)
        api.apply(binding)
        while not refused():  # the policy counts once the API server has seen it
            pass
        settled = Timer(1, lambda: api.delete("ValidatingAdmissionPolicyBinding", "unsettled"))
        settled.start()
        assert api.apply(role("unsettled"))["metadata"]["name"] == "unsettled"
        settled.join()
    finally:
        api.delete("ValidatingAdmissionPolicyBinding", "unsettled")
        api.delete("ValidatingAdmissionPolicy", "unsettled")
        api.delete("ClusterRole", "unsettled")


@pytest.mark.parametrize("content", [b"", b"secret\nand more", b"secret\xff"])
def test_what_is_no_token_is_told_and_not_shown(
    rig: Rig, session: Session, tmp_path: Path, content: bytes
) -> None:
    token = tmp_path / "token"
    token.write_bytes(content)
    url, ca = f"https://127.0.0.1:{rig.ports.api}", session.layout.pki.ca.certificate
    asking = Api(url, ca, TokenFile(token), retry_s=0)

    with contextlib.closing(asking), pytest.raises(ApiError, match="there is no token") as caught:
        asking.get("Namespace", "default")

    assert str(token) in caught.value.message
    assert "secret" not in caught.value.message


def test_a_new_token_is_shown_once_it_is_there(
    rig: Rig, session: Session, credential: Path, tmp_path: Path
) -> None:
    """Who is known and may not do it is told so; who is not known is told that."""
    token = tmp_path / "token"
    token.write_text("old")
    url, ca = f"https://127.0.0.1:{rig.ports.api}", session.layout.pki.ca.certificate
    asking = Api(url, ca, TokenFile(token), retry_s=0)

    def refusal() -> int:
        with pytest.raises(ApiError) as caught:
            asking.list("Pod")
        return caught.value.status

    with contextlib.closing(asking):
        assert refusal() == 401
        token.write_text(credential.read_text())
        assert refusal() == 403


def test_after_a_turn_of_the_door_the_api_is_asked_on_a_new_connection(session: Session) -> None:
    before = session.api
    assert before.get("Namespace", "default")

    session.hang_up()

    assert session.api is not before
    assert session.api.get("Namespace", "default")
    with pytest.raises(RuntimeError, match="closed"):
        before.get("Namespace", "default")


def test_a_watch_outlives_the_servers_time_limit_but_not_the_server(
    rig: Rig, session: Session
) -> None:
    pair = session.layout.pki.admin
    client = Credential(pair.certificate, pair.key)
    ca = session.layout.pki.ca.certificate
    watching = Api(f"https://127.0.0.1:{rig.ports.api}", ca, client, timeout_s=5.0)
    try:
        seen = watching.watch("Namespace", timeout_s=1)
        assert any(name == "default" for name in seen)
        began = monotonic()
        rig.until("the server to have ended it", lambda: monotonic() - began > 2)
        session.api.apply(namespace("watched"))
        assert any(name == "watched" for name in seen)

        with (
            rig.programs["kube-apiserver"].standing_still(),
            pytest.raises(ApiError) as caught,
        ):
            list(seen)
        assert caught.value.status == 0
    finally:
        watching.close()
        session.api.delete("Namespace", "watched")


def test_a_server_that_says_no_word_gets_more_time_where_all_is_slow(
    rig: Rig, session: Session
) -> None:
    pair = session.layout.pki.admin
    client = Credential(pair.certificate, pair.key)
    ca = session.layout.pki.ca.certificate
    url, server = f"https://127.0.0.1:{rig.ports.api}", rig.programs["kube-apiserver"]
    with contextlib.closing(Api(url, ca, client, timeout_s=1.0, retry_s=0)) as asking:
        assert asking.get("Namespace", "default")
        with server.standing_still(), pytest.raises(ApiError, match="timed out"):
            asking.get("Namespace", "default")
        with slow.machine(), contextlib.ExitStack() as still:
            still.enter_context(server.standing_still())
            waking = Timer(1.5, still.close)
            waking.start()
            assert asking.get("Namespace", "default")
            waking.join()


def namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(name: str, address: str, node_port: int) -> Object:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP", "nodePort": node_port}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "NodePort", "clusterIP": address, "ports": ports},
    }


def test_a_service_whose_client_died_is_created_by_the_next_one(
    rig: Rig, session: Session, api: Api
) -> None:
    """Its address and its node port are fixed, and must not stay taken by nobody."""
    pair = session.layout.pki.admin
    client = Credential(pair.certificate, pair.key)
    ca = session.layout.pki.ca.certificate
    network = ip_network(session.config.net.service_cluster_ip_range)
    whole_s = 10.0
    for _ in range(5):
        started = monotonic()
        api.apply(service("whole", str(network[99]), 30_999))
        whole_s = min(whole_s, monotonic() - started)
        api.delete("Service", "whole", namespace="default")
    cut = 0
    for one in range(25):
        wanted = service(f"cut-{one}", str(network[100 + one]), 31_000 + one)
        with relay(rig.ports.api) as (port, hang_up):
            dying = Api(f"https://127.0.0.1:{port}", ca, client, retry_s=0)
            assert dying.get("Namespace", "default")
            timer = Timer(whole_s * one / 25, hang_up)
            timer.start()
            try:
                dying.apply(wanted)
            except ApiError:
                cut += 1
            finally:
                timer.join()
                dying.close()

        def is_applied(wanted: Object = wanted) -> bool:
            with contextlib.suppress(ApiError):
                return bool(api.apply(wanted))
            return False

        rig.until(f"{wanted['metadata']['name']} to be applied", is_applied)
        api.delete("Service", wanted["metadata"]["name"], namespace="default")

    assert cut > 2


def test_what_is_no_longer_wanted_of_a_service_goes(api: Api) -> None:
    made = service("less", "10.96.0.99", 31_999)
    more = {"name": "more", "port": 54, "protocol": "UDP"}
    made["spec"]["ports"].append(more)
    assert len(api.apply(made)["spec"]["ports"]) == 2

    made["spec"]["ports"].remove(more)
    assert len(api.apply(made)["spec"]["ports"]) == 1
    api.delete("Service", "less", namespace="default")


@contextlib.contextmanager
def relay(port: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Stand between one client and the server; yields where, and what ends both connections."""
    ends = list[socket.socket]()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def hang_up() -> None:
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def stand_between() -> None:
        with listener:  # there is no second connection
            near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        ends.extend((near, far))
        back = Thread(target=pump, args=(far, near))
        back.start()
        pump(near, far)
        hang_up()
        back.join()
        near.close()
        far.close()

    listener = socket.create_server(("127.0.0.1", 0))
    where = listener.getsockname()[1]
    standing = Thread(target=stand_between)
    standing.start()
    yield where, hang_up
    standing.join()
