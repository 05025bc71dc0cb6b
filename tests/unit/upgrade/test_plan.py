"""What forbids an upgrade, one line each, and the order of what it would change."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kubeception.admin import upgrades
from kubeception.conditions.webhooks import Unanswered
from kubeception.preflight import Finding, Severity
from kubeception.render.cluster_upgrade import Order
from kubeception.upgrade import plan
from kubeception.upgrade.cluster_state import (
    PROGRAMS,
    Budget,
    ClusterState,
    DeprecatedApi,
    Listed,
    NodeState,
    deprecated,
)
from kubeception.versions import BUILT_IN, Release

OLD = Release("1.36.4", {}, {**BUILT_IN.components, "kubernetes": "1.36.4", "coredns": "1.14.7"})
NEW = Release(
    "1.37.1", {}, BUILT_IN.components, datetime(2026, 9, 23, tzinfo=UTC), "1.37.1-0123abcd"
)
WELL = ClusterState(
    target=NEW,
    serving="1.36.4",
    present=OLD,
    nodes=(
        NodeState("w1", "1.36.4", is_ready=True, is_control_plane=False),
        NodeState("cp1", "1.36.4", is_ready=True, is_control_plane=True),
    ),
    budgets=(Budget("default/web", pods=3, healthy=3, allowed=1),),
    args={name: {} for name in PROGRAMS},
    listed={name: Listed(frozenset({"v", "feature-gates"}), frozenset({"A"})) for name in PROGRAMS},
    etcd_version="3.7.3",
    images_size=1_000,
    images_free=2_000,
    images_folder="/var/lib/containerd",
)


def said(seen: ClusterState) -> list[str]:
    return [f"{one.severity}: {one}" for one in plan.of(seen).findings]


def test_a_cluster_that_is_well_may_be_upgraded() -> None:
    found = plan.of(WELL)

    assert found.is_allowed and found.findings == ()
    assert (found.before, found.after, found.bundle) == ("1.36.4", "1.37.1", "1.37.1-0123abcd")


def test_the_api_server_goes_first_and_the_kubelets_last() -> None:
    steps = [(one.what, one.before, one.after) for one in plan.of(WELL).steps]

    assert steps == [
        ("kube-apiserver", "1.36.4", "1.37.1"),
        ("kube-controller-manager", "1.36.4", "1.37.1"),
        ("kube-scheduler", "1.36.4", "1.37.1"),
        ("kube-proxy", "1.36.4", "1.37.1"),
        ("coredns", "1.14.7", BUILT_IN.components["coredns"]),
        ("cp1: kubelet", "1.36.4", "1.37.1"),
        ("w1: kubelet", "1.36.4", "1.37.1"),
    ]


def test_what_is_there_already_is_no_step() -> None:
    there = replace(WELL, serving="1.37.1", present=NEW)
    nodes = tuple(replace(one, kubelet="1.37.1") for one in WELL.nodes)

    assert [step.what for step in plan.of(there).steps] == ["cp1: kubelet", "w1: kubelet"]
    assert plan.of(replace(there, nodes=nodes)).steps == ()
    assert plan.of(replace(WELL, present=None)).steps[4].before is None


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"serving": "1.38.0", "nodes": WELL.nodes[:1]},
            "VersionSkew: the API server is of 1.38.0, and 1.37.1 is a minor older,"
            " which nothing goes back to",
        ),
        (
            {"serving": "1.35.6"},
            "VersionSkew: the API server is of 1.35.6, and 1.37.1 is more than one minor later",
        ),
        (
            {"nodes": (NodeState("w1", "1.33.1", is_ready=True, is_control_plane=False),)},
            "KubeletSkew: w1: its kubelet is of 1.33.1, wanted is 1.34 or later, below 1.38",
        ),
        (
            {"nodes": (NodeState("w1", "1.38.0", is_ready=True, is_control_plane=False),)},
            "KubeletSkew: w1: its kubelet is of 1.38.0, wanted is 1.34 or later, below 1.38",
        ),
        (
            {"nodes": (NodeState("w1", "1.36.4", is_ready=False, is_control_plane=False),)},
            "NodeReady: w1: is not Ready",
        ),
        ({"etcd_problem": "etcd on port 2379: refused"}, "EtcdHealth: etcd on port 2379: refused"),
        (
            {"etcd_version": "3.5.12"},
            "EtcdVersion: etcd is 3.5.12, wanted is 3.5.13 or later",
        ),
        ({"upgrades": ("reboot-x",)}, "UpgradeRunning: ClusterUpgrade reboot-x has not ended"),
        (
            {"images_size": 300 * 2**20, "images_free": 599 * 2**20},
            "Disk: /var/lib/containerd: 599 MiB are free, its images need 600",
        ),
        (
            {"budgets": (Budget("default/db", pods=1, healthy=1, allowed=0),)},
            "PodDisruptionBudget: default/db: never lets one of its 1 pods go",
        ),
        (
            {
                "webhooks": (
                    Unanswered(
                        "ValidatingWebhookConfiguration",
                        "policy",
                        {"name": "check.example.com"},
                        "there is no Service x/y",
                    ),
                )
            },
            "Webhook: ValidatingWebhookConfiguration policy: check.example.com:"
            " there is no Service x/y",
        ),
        (
            {"conversions": (("things.example.com", "there is no Service x/y"),)},
            "Conversion: CustomResourceDefinition things.example.com: nobody converts its versions:"
            " there is no Service x/y",
        ),
        (
            {"deprecated": (DeprecatedApi("example/v1beta1 things", "1.37"),)},
            "RemovedApi: example/v1beta1 things: was asked for since the API server started,"
            " and is gone in 1.37",
        ),
        (
            {"args": {**WELL.args, "apiserver": {"gone": "1", "v": "2"}}},
            "Flag: apiserver.extra_args.gone: no flag of 1.37.1",
        ),
        (
            {"args": {**WELL.args, "kubelet": {"feature-gates": "A=true,kube:B=false"}}},
            "FeatureGate: kubelet.extra_args.feature-gates: B is no feature gate of 1.37.1",
        ),
        (
            # A webhook is told by the check of the upgrade's own.
            {"host": (Finding("Disk-var", "/var: full", "df"), Finding("Webhook-a", "a", "b"))},
            "Disk-var: /var: full",
        ),
    ],
)
def test_each_thing_that_forbids_it_is_one_line(changes: dict[str, object], line: str) -> None:
    seen = replace(WELL, **changes)  # type: ignore[arg-type]

    assert said(seen) == [f"error: {line}"]
    assert not plan.of(seen).is_allowed


@pytest.mark.parametrize(
    ("serving", "oldest"), [("1.38.0", "1.37"), ("1.37.2", "1.37"), ("1.37.2", "1.36")]
)
def test_what_can_be_gone_back_to_forbids_nothing(serving: str, oldest: str) -> None:
    """Kubelets of the later release go back first."""
    nodes = tuple(replace(one, kubelet=serving) for one in WELL.nodes)

    back = replace(WELL, serving=serving, oldest=oldest, nodes=nodes)

    assert said(back) == [
        f"warning: VersionSkew: the API server is of {serving}, and 1.37.1 is older"
    ]


def test_what_serves_again_after_it_was_put_back_to_forbids_nothing() -> None:
    """The cluster goes by the later release, whose API server failed."""
    target = Release("1.36.4", {}, OLD.components, version="1.36.4-0123")

    assert said(replace(WELL, target=target, serving="1.36.4", oldest="1.37")) == []


def test_all_of_them_are_said_at_once_and_warnings_last() -> None:
    seen = replace(
        WELL,
        serving="1.38.0",
        etcd_problem="none",
        deprecated=(DeprecatedApi("v1 endpoints", "1.40"),),
        host=(Finding("Mem", "little", "more", Severity.WARNING),),
    )

    assert [line.partition(":")[0] for line in said(seen)] == ["error"] * 2 + ["warning"] * 2


@pytest.mark.parametrize(
    "budget",
    [
        Budget("default/none", pods=0, healthy=0, allowed=0),
        # One that waits for a pod may let one go later.
        Budget("default/waiting", pods=3, healthy=2, allowed=0),
    ],
)
def test_a_budget_that_will_give_way_forbids_nothing(budget: Budget) -> None:
    assert said(replace(WELL, budgets=(budget,))) == []


def test_deprecated_apis_are_those_that_the_api_server_has_counted() -> None:
    def row(group: str, removed: str, resource: str, version: str) -> str:
        labels = {
            "group": group,
            "removed_release": removed,
            "resource": resource,
            "subresource": "",
            "version": version,
        }
        said = ",".join(f'{name}="{value}"' for name, value in labels.items())
        return f"apiserver_requested_deprecated_apis{{{said}}}"

    metrics = "\n".join(
        [
            "# TYPE apiserver_requested_deprecated_apis gauge",
            f"{row('', '', 'endpoints', 'v1')} 1",
            f"{row('example', '1.40', 'things', 'v1beta1')} 1",
            f"{row('example', '1.40', 'others', 'v1beta1')} 0",
            'apiserver_request_total{group="example",resource="others",version="v1beta1"} 7',
        ]
    )

    assert list(deprecated(metrics)) == [DeprecatedApi("example/v1beta1 things", "1.40")]


def test_to_an_earlier_one_workers_go_first() -> None:
    back = replace(WELL, target=OLD, serving="1.37.1", oldest="1.36", present=NEW)
    nodes = tuple(replace(one, kubelet="1.37.1") for one in WELL.nodes)

    hosts = [one.what for one in plan.of(replace(back, nodes=nodes)).steps]

    assert hosts[0] == "w1: kubelet"
    assert hosts.index("w1: kubelet") < hosts.index("kube-apiserver") < hosts.index("cp1: kubelet")


def test_what_an_order_passes_over_is_a_warning() -> None:
    budget = Budget("default/web", pods=1, healthy=1, allowed=0)
    off = (replace(WELL.nodes[0], is_ready=False), WELL.nodes[1])
    found = plan.of(replace(WELL, nodes=off, budgets=(budget,))).findings
    assert {one.severity for one in found} == {Severity.ERROR}

    told = upgrades.passed_over(Order((), skips_offline=True, is_forced=True), found)

    assert [(one.severity, str(one)) for one in told] == [
        (Severity.WARNING, f"{one}; is passed over") for one in found
    ]
    assert upgrades.passed_over(Order(()), found) == found
