"""What another tool has left of its kubelet is told before ours stumbles over it, with a way on."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fixed import CONFIG
from tests.unit.preflight.host_states import said, scene_of
from tests.unit.sessions import session_of

from kubeception.config import Config
from kubeception.config.model import Kubelet
from kubeception.host import files
from kubeception.preflight import kubelet_leftovers
from kubeception.preflight.finding import Check
from kubeception.preflight.host_state import HostState
from kubeception.render import kubelet

AT = CONFIG.layout.kubelet


def hints(check: Check, seen: HostState) -> list[str]:
    return [found.hint for found in check(seen)]


@pytest.mark.parametrize(
    ("name", "policy", "flags", "is_told"),
    [
        ("cpu_manager_state", "static", {}, True),
        ("cpu_manager_state", "none", {}, False),
        ("cpu_manager_state", "static", {"cpu-manager-policy": "static"}, False),
        ("cpu_manager_state", "none", {"cpu-manager-policy": "static"}, True),
        ("memory_manager_state", "Static", {}, True),
        ("memory_manager_state", "None", {}, False),
        ("cpu_manager_state", None, {}, True),
    ],
)
def test_a_state_that_the_kubelet_would_not_start_with_is_told(
    name: str, policy: str | None, flags: dict[str, str], tmp_path: Path, *, is_told: bool
) -> None:
    session = session_of(tmp_path, config=Config(kubelet=Kubelet(extra_args=flags)))
    seen = scene_of(session)
    path = AT.state / name
    assert hints(kubelet_leftovers.kubelet_state, seen) == []
    files.write(session.host.at(path), json.dumps({"policyName": policy}) if policy else "")

    assert hints(kubelet_leftovers.kubelet_state, seen) == ([f"rm {path}"] if is_told else [])
    of_their_own = replace(seen, foreign=frozenset({kubelet.UNIT}))
    assert hints(kubelet_leftovers.kubelet_state, of_their_own) == []


def test_another_tools_control_plane_is_told_and_not_a_users_pods(tmp_path: Path) -> None:
    session = session_of(tmp_path)
    seen = scene_of(session)
    assert said(kubelet_leftovers.static_pods, seen) == []
    for name in (
        "kube-apiserver.yaml",
        "etcd.yaml",
        "haproxy.yaml",
        "bootstrap-kube-apiserver.yaml",
    ):
        files.write(session.host.at(AT.manifests / name), "kind: Pod\n")

    assert [line.split(": ")[0] for line in said(kubelet_leftovers.static_pods, seen)] == [
        "error FileContent--etc-kubernetes-manifests-etcd.yaml",
        "error FileContent--etc-kubernetes-manifests-kube-apiserver.yaml",
    ]
    assert hints(kubelet_leftovers.static_pods, seen)[0] == (
        "mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/etcd.yaml.off"
    )
    assert said(kubelet_leftovers.static_pods, replace(seen, is_worker=True)) == []
