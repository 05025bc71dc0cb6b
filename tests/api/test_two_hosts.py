"""Two hosts whose files, kernels and bundles differ never overwrite each other's cluster."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.api.rig import Rig
from tests.fixed import HOST, RELEASE

from kubeception.config import Config, cluster
from kubeception.config.model import ApiServer, Kubeception, Net, ProxyMode
from kubeception.engine import Summary, carry_out
from kubeception.errors import KubeceptionError
from kubeception.facts import Facts
from kubeception.gather import changes, cluster_of, shared
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.phases.control_plane import CONTROL_PLANE
from kubeception.phases.settings import COPY, SETTINGS
from kubeception.render import apiserver, cluster_settings, extras, join_records
from kubeception.render.objects import CONTROL_PLANE as ROLE
from kubeception.report import Steps
from kubeception.resources.shared_settings import SharedSettings
from kubeception.session import Session
from kubeception.versions import Release

LOG = logging.getLogger(__name__)
NAMESPACE = "kube-system"
LESSER: dict[str, Any] = {
    "node": "cp2",
    "address": ip_address("192.0.2.12"),
    "release": Release("1.0.0", {name: f"{image}-other" for name, image in RELEASE.images.items()}),
    "has_sys_resource": False,
    "has_nftables_proxy": False,
    "has_resolver": False,
}


class AHost:
    """One of them: files of its own, and the same CA."""

    def __init__(self, rig: Rig, root: Path, config: Config, **facts: Any) -> None:
        shutil.copytree(rig.root / "etc/kubernetes/pki", root / "etc/kubernetes/pki")
        self.rig, self.root, self.config = rig, root, config
        self.facts = replace(HOST, **facts)

    def session(self, *, by_a_person: bool = True) -> Session:
        return Session(
            self.config,
            Host(self.root),
            api_port=self.rig.ports.api,
            is_attended=by_a_person,
        )

    def bootstrap(self, *, by_a_person: bool = True) -> Summary:
        with self.session(by_a_person=by_a_person) as session, Steps(LOG) as steps:

            def gather() -> Facts:
                return Facts(self.facts, cluster_of(session, self.facts, shared(session)))

            return carry_out([SETTINGS, CONTROL_PLANE, COPY], session, gather=gather, steps=steps)


@pytest.fixture
def hosts(rig: Rig, tmp_path: Path) -> Iterator[tuple[AHost, AHost]]:
    """Both; of their cluster no settings are there before."""
    first = Config(apiserver=rig.config.apiserver)
    second = Config(kubeception=Kubeception(nodeport=31000), net=Net(proxy_mode=ProxyMode.IPTABLES))
    with rig.session() as session:
        session.api.delete("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
        for name in ("cp1", "cp2"):
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
            session.api.apply({**node, "metadata": {"name": name, "labels": {ROLE: ""}}})
    yield (
        AHost(rig, tmp_path / "cp1", first),
        AHost(rig, tmp_path / "cp2", second, **LESSER),
    )
    with rig.session() as session:
        for name in ("cp1", "cp2"):
            session.api.delete("Node", name)
            record = join_records.node_name(name)
            session.api.delete("ConfigMap", record, namespace=join_records.RECORDS)
        session.api.delete("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)


def endpoints(rig: Rig) -> list[str]:
    with rig.session() as session:
        found = session.api.get("EndpointSlice", "kubernetes", namespace="default")
    assert found
    return sorted(address for one in found["endpoints"] for address in one["addresses"])


@pytest.mark.timeout(180)
def test_in_turn_they_change_nothing_of_each_other(rig: Rig, hosts: tuple[AHost, AHost]) -> None:
    one, other = hosts
    one.bootstrap()
    first = other.bootstrap()
    # What is the other's own: its record, that hosts find the API there, too, and that it is of
    # those that the control plane's pods run on, and that show static pods.
    own = (
        "ConfigMap kubeception-join/node-cp2",
        " default/kubernetes",
        "/cluster.json",
        ".spec.affinity.nodeAffinity.",
        "ValidatingAdmissionPolicy kubeception-",
    )
    assert [line for line in first.changes if not any(name in line for name in own)] == []
    one.bootstrap()
    with other.session() as session:
        told = [what for what, _ in changes(session)]
    asks = "this host asks for kubeception.nodeport 31000, and its cluster goes by 30000"
    assert asks in told
    assert endpoints(rig) == [str(HOST.address), str(LESSER["address"])]

    for host in (other, one, other, one):
        assert host.bootstrap().changes == []
        assert host.bootstrap(by_a_person=False).changes == []


@pytest.mark.timeout(180)
def test_what_a_person_changes_on_one_the_other_goes_by(
    rig: Rig, hosts: tuple[AHost, AHost]
) -> None:
    one, other = hosts
    one.bootstrap()
    other.bootstrap()
    one.bootstrap()

    other.config = Config(kubeception=Kubeception(nodeport=31555), net=other.config.net)
    assert other.bootstrap(by_a_person=False).changes == []  # the keeper changes nothing
    changes = other.bootstrap().changes
    assert any("kubeception.nodeport: 30000 becomes 31555" in line for line in changes)

    [copied] = one.bootstrap(by_a_person=False).changes
    assert "cluster.json" in copied
    assert one.bootstrap().changes == []
    with rig.session() as session:
        found = session.api.get("Service", "kubeception", namespace=NAMESPACE)
    assert found and found["spec"]["ports"][0]["nodePort"] == 31555


def files_note(rig: Rig) -> str:
    with rig.session() as session:
        found = session.api.get("DaemonSet", apiserver.NAME, namespace=NAMESPACE)
    assert found
    note: str = found["spec"]["template"]["metadata"]["annotations"][extras.FILES_NOTE]
    return note


ANOTHER = "/etc/policy.yaml is not what the cluster goes by: it was rolled out from another host"


def about_files(session: Session) -> list[str]:
    return [what for what, _ in changes(session) if what.startswith("/")]


@pytest.mark.timeout(180)
def test_a_policy_is_rolled_out_by_whoever_edits_it_and_by_nobody_else(
    rig: Rig, hosts: tuple[AHost, AHost]
) -> None:
    one, other = hosts
    flags = {**rig.config.apiserver.extra_args, "audit-policy-file": "/etc/policy.yaml"}
    one.config = Config(apiserver=ApiServer(extra_args=flags))
    for host, text in ((one, "one"), (other, "another")):
        files.write(host.root / "etc/policy.yaml", text)
        host.bootstrap()
    one.bootstrap()
    first = files_note(rig)

    for host in (other, one, other, one):
        assert host.bootstrap().changes == []
        assert host.bootstrap(by_a_person=False).changes == []
    with one.session() as here, other.session() as there:
        assert about_files(here) == []
        assert about_files(there) == [ANOTHER]

    files.write(other.root / "etc/policy.yaml", "edited")
    assert other.bootstrap(by_a_person=False).changes == []
    assert "DaemonSet kube-system/kube-apiserver" in "\n".join(other.bootstrap().changes)
    assert files_note(rig) != first
    assert other.bootstrap().changes == []
    one.bootstrap()
    assert one.bootstrap().changes == []
    with one.session() as here:
        assert about_files(here) == [ANOTHER]


def test_of_two_who_change_them_at_once_one_is_refused(
    rig: Rig, hosts: tuple[AHost, AHost]
) -> None:
    one, _ = hosts
    one.bootstrap()
    with one.session() as session:
        before = shared(session).settings
        assert before
        wanted = before.asked_by(Config(kubeception=Kubeception(nodeport=31001)))
        SharedSettings(wanted, before).apply(session)
        other = before.asked_by(Config(kubeception=Kubeception(nodeport=31002)))
        with pytest.raises(KubeceptionError, match="somebody else has just changed it"):
            SharedSettings(other, before).apply(session)


def test_settings_of_another_version_are_written_over_by_nobody(
    rig: Rig, hosts: tuple[AHost, AHost]
) -> None:
    """A keeper goes by its host's copy, and a person is told."""
    one, _ = hosts
    one.bootstrap()
    with rig.session() as session:
        found = session.api.get("ConfigMap", cluster_settings.NAME, namespace=NAMESPACE)
        assert found
        later = found["data"]["settings.json"].replace('"net": {', '"net": {"later": 1,')
        session.api.set_fields(found, {"/data": {"settings.json": later}})

    assert one.bootstrap(by_a_person=False).changes == []
    with pytest.raises(KubeceptionError, match="later") as caught:
        one.bootstrap()
    assert caught.value.hint and "delete configmap" in caught.value.hint
    copy = cluster.read(one.root / "var/lib/kubeception/cluster.json")
    assert copy and copy.settings.kubeception.join_port == 30000
