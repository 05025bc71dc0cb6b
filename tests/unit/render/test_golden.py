"""What each component's files and objects say, to the letter."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.conftest import Golden
from tests.fixed import CLUSTER, CONFIG, FACTS, HOST, SETTINGS, on_host

from kubeception.facts import Stored
from kubeception.layout import Pair
from kubeception.render import (
    access,
    api_service,
    apiserver,
    cluster_controller,
    cluster_upgrade,
    containerd,
    controllers,
    coredns,
    etcd,
    flannel,
    join_service,
    keeper,
    kubeconfig,
    kubelet,
    kubelet_serving,
    limits,
    policies,
    proxy,
    revision,
)
from kubeception.render.objects import Object

FILES = Path(__file__).parent / "golden"
WITH_DATA = on_host(stored=Stored("2691d9d456ecb1c7", "a43fbdb85108d0a4")).host
IN_AN_IMAGE = on_host(image="0123456789ab").host

OBJECTS: dict[str, Iterable[Object]] = {
    "access": access.bindings(),
    "keeper": keeper.everything(),
    "kubelet-serving": kubelet_serving.readers(),
    "api-service": api_service.everything(CLUSTER),
    "apiserver-hosted": [apiserver.daemonset(CLUSTER)],
    "apiserver-bootstrap": [revision.bootstrap_pod(FACTS)],
    "controller": cluster_controller.everything(CLUSTER),
    "cluster-upgrade": cluster_upgrade.everything(),
    "coredns": coredns.everything(SETTINGS),
    "flannel": flannel.everything(CLUSTER),
    "join-service": join_service.everything(CLUSTER),
    "limits": limits.everything(SETTINGS),
    "policies": policies.everything(CLUSTER),
    "proxy": proxy.everything(CLUSTER),
    **{
        one.name.removeprefix("kube-"): [
            controllers.deployment(one, CLUSTER),
            controllers.disruption_budget(one),
            controllers.bootstrap_pod(one, SETTINGS),
        ]
        for one in controllers.BOTH
    },
}

TEXTS = {
    "containerd.toml": containerd.settings(CONFIG, HOST),
    "containerd.service": containerd.unit(CONFIG),
    "etcd.env": etcd.environment(CONFIG, HOST),
    "etcd-of-a-member.env": etcd.environment(CONFIG, WITH_DATA),
    "etcd.service": etcd.unit(CONFIG, HOST),
    "etcd-from-an-image.service": etcd.unit(CONFIG, IN_AN_IMAGE),
    "keeper.service": keeper.unit(CONFIG, HOST),
    "keeper-from-an-image.service": keeper.unit(CONFIG, IN_AN_IMAGE),
    "kubeconfig.json": kubeconfig.document(
        user="kubernetes-admin",
        server="https://127.0.0.1:6443",
        ca=Pair.named(Path("/pki/ca")),
        client=Pair.named(Path("/pki/admin")),
    ),
    "kubelet.json": kubelet.settings(CONFIG, HOST),
    "kubelet-of-a-worker.json": kubelet.worker_settings(CONFIG, HOST),
    "kubelet.env": kubelet.environment(CONFIG, HOST),
    "kubelet.service": kubelet.unit(CONFIG),
}


@pytest.mark.parametrize("component", OBJECTS)
def test_objects(component: str, golden: Golden) -> None:
    text = json.dumps(list(OBJECTS[component]), indent=2, sort_keys=True) + "\n"

    golden(FILES / f"{component}.json", text)


@pytest.mark.parametrize("name", TEXTS)
def test_files(name: str, golden: Golden) -> None:
    golden(FILES / name, TEXTS[name])
