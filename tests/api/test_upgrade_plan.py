"""What the plan of an upgrade sees of a cluster, by a real API server, etcd and programs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.api.rig import Rig

from kubeception.bundle.build import default_folder
from kubeception.errors import ApiError, KubeceptionError
from kubeception.kube.client import Api
from kubeception.render.cluster_upgrade import Order, of_order
from kubeception.session import Session
from kubeception.upgrade import checks
from kubeception.upgrade.cluster_state import PROGRAMS, ClusterState, inspect
from kubeception.upgrade.image_program import unpacked
from kubeception.upgrade.target import Target
from kubeception.versions import BUILT_IN, Release

NAME = f"{BUILT_IN.kubernetes}-target"


@pytest.fixture(scope="module")
def target(rig: Rig) -> Target:
    """The bundle that is built, where a host would have it."""
    folder = rig.root / "opt/kubeception" / NAME
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(default_folder(BUILT_IN.minor))
    return Target(Path("/opt/kubeception") / NAME, Release.read(folder))


@pytest.fixture(autouse=True)
def runtime(rig: Rig) -> None:
    """A host that has a container runtime has its folder."""
    (rig.root / "var/lib/containerd").mkdir(parents=True, exist_ok=True)


@pytest.fixture
def made(api: Api) -> Iterator[list[dict[str, Any]]]:
    """Objects that are gone after the test."""
    objects: list[dict[str, Any]] = []
    yield objects
    for one in objects:
        metadata = one["metadata"]
        api.delete(one["kind"], metadata["name"], namespace=metadata.get("namespace"))


def lines(seen: ClusterState, *names: str) -> list[str]:
    """Return what these checks find; preflight would not be content with the rig."""
    return [str(one) for one in checks.findings(seen) if one.check in names]


def test_what_the_programs_of_the_target_list_is_known(rig: Rig, target: Target) -> None:
    """Also of those that are in images alone."""
    asked = {**{program: {"v": "2"} for program in PROGRAMS}, "etcd": {"log-level": "info"}}
    with with_args(rig, **asked) as session:
        seen = inspect(session, target)

    assert seen.serving == BUILT_IN.kubernetes
    assert seen.etcd_version == BUILT_IN.components["etcd"] and seen.etcd_problem is None
    assert {"etcd-servers", "audit-log-path"} <= seen.listed["apiserver"].flags
    assert {"AllAlpha", "APIServerIdentity"} <= seen.listed["apiserver"].gates
    assert "cluster-signing-cert-file" in seen.listed["controller_manager"].flags
    assert {"v", "node-ip"} <= seen.listed["kubelet"].flags
    assert "AllBeta" in seen.listed["kubelet"].gates
    assert "quota-backend-bytes" in seen.listed["etcd"].flags
    assert "leader-elect-lease-duration" in seen.listed["scheduler"].flags
    assert "conntrack-max-per-core" in seen.listed["proxy"].flags
    assert seen.images_size > 100 * 2**20 and seen.images_free > 0
    # The rig's own are flags of this release.
    assert lines(seen, "Flag", "FeatureGate", "VersionSkew", "EtcdHealth", "EtcdVersion") == []


def test_a_flag_that_the_target_does_not_know_is_named(rig: Rig, target: Target) -> None:
    asked = with_args(
        rig,
        apiserver={"feature-gates": "Gone=true", "profiling-of-old": "1"},
        kubelet={"v": "2"},
        scheduler={"of-old": "1"},
        proxy={"feature-gates": "Gone=true", "conntrack-min": "1"},
    )
    gate, version = "Gone is no feature gate", BUILT_IN.kubernetes
    with asked as session:
        assert lines(inspect(session, target), "Flag", "FeatureGate") == [
            f"FeatureGate: apiserver.extra_args.feature-gates: {gate} of {version}",
            f"Flag: apiserver.extra_args.profiling-of-old: no flag of {version}",
            f"Flag: scheduler.extra_args.of-old: no flag of {version}",
            f"FeatureGate: proxy.extra_args.feature-gates: {gate} of {version}",
        ]


def with_args(rig: Rig, **args: dict[str, str]) -> Session:
    """Return a run of somebody who has set these flags, by program."""
    session = rig.session()
    changed = {
        program: structs.replace(getattr(session.asked, program), extra_args=extra)
        for program, extra in args.items()
    }
    session.asked = structs.replace(session.asked, **changed)
    return session


def test_a_program_that_is_in_no_image_is_told(target: Target, rig: Rig) -> None:
    archive = rig.root / "opt/kubeception" / NAME / "images/pause.tar"
    with pytest.raises(KubeceptionError, match="there is no kube-proxy in it"):
        unpacked(archive, "kube-proxy").__enter__()


def test_nodes_are_as_their_kubelets_say(
    session: Session, target: Target, made: list[dict[str, Any]]
) -> None:
    for name, version, ready in (("old", "v1.33.9", "True"), ("off", "v1.37.1", "Unknown")):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        session.api.create(node)
        made.append(node)
        status = {
            "nodeInfo": {"kubeletVersion": version},
            "conditions": [{"type": "Ready", "status": ready}],
        }
        session.api.merge("Node", name, {"status": status}, status=True)

    assert lines(inspect(session, target), "KubeletSkew", "NodeReady") == [
        "KubeletSkew: old: its kubelet is of 1.33.9, wanted is 1.34 or later, below 1.38",
        "NodeReady: off: is not Ready",
    ]


def test_a_budget_that_never_gives_way_is_named(
    rig: Rig, session: Session, target: Target, made: list[dict[str, Any]]
) -> None:
    """By what the disruption controller says of one pod that is ready and must stay."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "only", "namespace": "default", "labels": {"app": "only"}},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "only", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "only"}}},
    }
    for wanted in (pod, budget):
        session.api.create(wanted)
        made.append(wanted)
    assert lines(inspect(session, target), "PodDisruptionBudget") == []

    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    session.api.merge("Pod", "only", {"status": ready}, namespace="default", status=True)
    said = ["PodDisruptionBudget: default/only: never lets one of its 1 pods go"]
    rig.until(
        "the budget to be counted",
        lambda: lines(inspect(session, target), "PodDisruptionBudget") == said,
    )


def test_webhooks_and_conversions_that_nobody_answers_for_are_named(
    session: Session, target: Target, made: list[dict[str, Any]]
) -> None:
    service = {"name": "gone", "namespace": "default", "path": "/"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
            "conversion": {
                "strategy": "Webhook",
                "webhook": {
                    "clientConfig": {"service": service},
                    "conversionReviewVersions": ["v1"],
                },
            },
        },
    }
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "policy"},
        "webhooks": [
            {
                "name": "check.example.com",
                "clientConfig": {"service": service},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "rules": [
                    {
                        "apiGroups": ["example.com"],
                        "apiVersions": ["*"],
                        "resources": ["things"],
                        "operations": ["CREATE"],
                    }
                ],
            }
        ],
    }
    for wanted in (crd, hook):
        session.api.create(wanted)
        made.append(wanted)

    assert lines(inspect(session, target), "Webhook", "Conversion") == [
        "Webhook: ValidatingWebhookConfiguration policy: check.example.com:"
        " there is no Service default/gone",
        "Conversion: CustomResourceDefinition things.example.com: nobody converts its versions:"
        " there is no Service default/gone",
    ]


def test_the_api_server_counts_what_is_on_its_way_out_in_the_way_that_is_read(
    session: Session, target: Target
) -> None:
    """Endpoints have been deprecated for long, and will never be gone."""
    session.api.list("Endpoints")

    counted = 'apiserver_requested_deprecated_apis{group="",removed_release="",resource="endpoints"'
    assert counted in session.api.metrics()
    assert inspect(session, target).deprecated == ()


def test_an_api_that_does_not_answer_forbids_it(rig: Rig, target: Target) -> None:
    with rig.session() as session:
        session.api_port = rig.spare_port()
        with pytest.raises(KubeceptionError, match="the API server can't be asked"):
            inspect(session, target)


def test_reboots_in_batches_that_have_not_ended_forbid_it(
    rig: Rig, session: Session, target: Target, made: list[dict[str, Any]]
) -> None:
    rig.apply_everything()

    def is_made() -> bool:
        with contextlib.suppress(ApiError):  # the kind is served some moments later
            made.append(session.api.create(of_order(Order(("w1",)))))
        return bool(made)

    rig.until("it to be made", is_made)
    name = made[0]["metadata"]["name"]
    said = [f"UpgradeRunning: ClusterUpgrade {name} has not ended"]
    assert lines(inspect(session, target), "UpgradeRunning") == said
