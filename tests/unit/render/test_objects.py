"""What holds of every object that kubeception writes, whatever its component."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from tests.fixed import CLUSTER, CONFIG, FACTS, HOST, SETTINGS, on_host

from kubeception.config import Config
from kubeception.config.model import ApiServer, Cni, ControllerManager, Net, ProxyMode
from kubeception.facts import Facts, Hosted
from kubeception.kube.kinds import KINDS, identity
from kubeception.phases import control_plane
from kubeception.render import (
    api_service,
    apiserver,
    controllers,
    coredns,
    flannel,
    kubelet,
    proxy,
    revision,
)
from kubeception.render.objects import MANAGED_BY, Object
from kubeception.versions import BUILT_IN

# Every way for a pod to need something that only an API server can give.
API_OBJECTS = {
    "configMap",
    "configMapKeyRef",
    "configMapRef",
    "imagePullSecrets",
    "persistentVolumeClaim",
    "projected",
    "resourceClaims",
    "runtimeClassName",
    "secret",
    "secretKeyRef",
    "secretRef",
    "serviceAccountName",
    "ephemeral",
    "csi",
}


def hosted(facts: Facts) -> list[Object]:
    return [*control_plane.everything(facts), *api_service.everything(facts.cluster)]


def static_pods(facts: Facts) -> list[Object]:
    return [
        revision.bootstrap_pod(facts),
        *(controllers.bootstrap_pod(one, facts.cluster.settings) for one in controllers.BOTH),
    ]


EVERYTHING = [*hosted(FACTS), *static_pods(FACTS)]


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every plain value of a tree with its path, and every empty list or table."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from leaves(part, f"{at}.{key}")
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, f"{at}[{index}]")
    else:
        yield at, value


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def flags(spec: Any) -> dict[str, str]:
    """Return the flags of a pod's only container."""
    [container] = spec["containers"]
    return dict(word.removeprefix("--").split("=", 1) for word in container["command"][1:])


@pytest.mark.parametrize("wanted", EVERYTHING, ids=identity)
def test_kubernetes_knows_every_field(wanted: Object) -> None:
    kubernetes_validate.validate(wanted, BUILT_IN.kubernetes, strict=True)


@pytest.mark.parametrize("wanted", EVERYTHING, ids=identity)
def test_every_object_and_pod_says_whose_it_is(wanted: Object) -> None:
    assert MANAGED_BY.items() <= wanted["metadata"]["labels"].items()
    template = wanted.get("spec", {}).get("template")
    if template:
        assert MANAGED_BY.items() <= template["metadata"]["labels"].items()
        assert (
            wanted["spec"]["selector"]["matchLabels"].items()
            <= template["metadata"]["labels"].items()
        )


def test_names_are_unique_and_their_kinds_known() -> None:
    names = [identity(wanted) for wanted in EVERYTHING]

    assert len(names) == len(set(names))
    for wanted in EVERYTHING:
        kind = KINDS[wanted["kind"]]
        assert kind.api_version == wanted["apiVersion"]
        assert kind.namespaced == ("namespace" in wanted["metadata"])


def test_no_private_key_is_in_any_object() -> None:
    assert not {"Secret"} & {wanted["kind"] for wanted in EVERYTHING}
    assert "PRIVATE KEY" not in json.dumps(EVERYTHING)


def test_ranges_and_domain_arrive_everywhere() -> None:
    """The pod range, the Service range and the domain have one source."""
    net = Net(
        cluster_cidr="172.20.0.0/16",
        service_cluster_ip_range="172.30.0.0/20",
        cluster_domain="example.internal",
    )
    config = Config(net=net)
    rendered = [
        *map(json.dumps, [*hosted(on_host(config)), *static_pods(on_host(config))]),
        kubelet.settings(config, HOST),
    ]
    text = "\n".join(rendered)

    for default in ("10.244.", "10.96.", "cluster.local"):
        assert default not in text
    command = flags(apiserver.daemonset(on_host(config).cluster)["spec"]["template"]["spec"])
    assert command["service-cluster-ip-range"] == "172.30.0.0/20"
    assert command["service-account-issuer"].endswith(".svc.example.internal")
    command = flags(
        controllers.deployment(controllers.CONTROLLER_MANAGER, on_host(config).cluster)["spec"][
            "template"
        ]["spec"]
    )
    assert command["cluster-cidr"] == "172.20.0.0/16"
    assert command["service-cluster-ip-range"] == "172.30.0.0/20"
    assert {
        wanted["metadata"]["name"]: wanted["spec"]["clusterIP"]
        for wanted in hosted(on_host(config))
        if _is_fixed(wanted)
    } == {"kubernetes": "172.30.0.1", "kube-dns": "172.30.0.10"}
    settings = kubelet.configuration(config, HOST)
    assert (settings["clusterDNS"], settings["clusterDomain"]) == (
        ["172.30.0.10"],
        "example.internal",
    )
    for name, part in ((flannel.NAME, "net-conf.json"), (proxy.NAME, "config.conf")):
        assert "172.20.0.0/16" in _settings(config, name)[part]
    assert "kubernetes example.internal " in _settings(config, coredns.NAME)["Corefile"]


def _is_fixed(wanted: Object) -> bool:
    return wanted["kind"] == "Service" and "clusterIP" in wanted["spec"]


def _settings(config: Config, name: str) -> dict[str, str]:
    [found] = [
        wanted
        for wanted in hosted(on_host(config))
        if (wanted["kind"], wanted["metadata"]["name"]) == ("ConfigMap", name)
    ]
    settings: dict[str, str] = found["data"]
    return settings


def test_what_the_api_server_needs_is_on_the_host() -> None:
    """Its pods can be started by a kubelet alone: they name no API object."""
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]["spec"]

    for spec in (template, *(pod["spec"] for pod in static_pods(FACTS))):
        assert not keys(spec) & API_OBJECTS
        assert spec["automountServiceAccountToken"] is False
        assert {kind for volume in spec["volumes"] for kind in volume} == {"name", "hostPath"}


def test_the_bootstrap_api_server_is_the_hosted_one_in_few_words_different() -> None:
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]["spec"]
    pod = revision.bootstrap_pod(FACTS)["spec"]

    ours, theirs = flags(template), flags(pod)
    changed = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    assert changed == {
        "advertise-address",
        "bind-address",
        "disable-admission-plugins",
        "secure-port",
        "shutdown-delay-duration",
        "shutdown-watch-termination-grace-period",
    }
    assert theirs["bind-address"] == "127.0.0.1"
    assert "ValidatingAdmissionWebhook" in theirs["disable-admission-plugins"]

    for spec in (template, pod):
        del spec["containers"][0]["command"]
    left, right = dict(leaves(template)), dict(leaves(pod))
    differing = {at for at in {*left, *right} if left.get(at) != right.get(at)}
    assert {at.split("[")[0].split(".")[1] for at in differing} == {
        "containers",
        "nodeSelector",
        "readinessGates",
        "terminationGracePeriodSeconds",
    }
    assert {at for at in differing if at.startswith(".containers")} == {
        f".containers[0].{kind}Probe.httpGet.port" for kind in ("startup", "liveness", "readiness")
    }


def test_only_the_port_is_not_the_users() -> None:
    extra = {"secure-port": "7443", "v": "4", "authorization-mode": "Node,RBAC,Webhook"}
    config = Config(apiserver=ApiServer(extra_args=extra))
    template = apiserver.daemonset(on_host(config).cluster)["spec"]["template"]["spec"]

    command = flags(template)
    assert command["secure-port"] == "6445"
    assert (command["v"], command["authorization-mode"]) == ("4", "Node,RBAC,Webhook")
    assert flags(revision.bootstrap_pod(on_host(config))["spec"])["v"] == "4"


def test_a_changed_template_takes_the_other_port() -> None:
    """The new API server comes up beside the old one; the same template stays where it is."""
    first = apiserver.daemonset(CLUSTER)
    notes = first["spec"]["template"]["metadata"]["annotations"]
    at_first = Hosted(int(notes[apiserver.PORT_NOTE]), notes[apiserver.TEMPLATE_NOTE])
    edited = on_host(Config(apiserver=ApiServer(extra_args={"v": "4"}))).cluster

    assert apiserver.daemonset(replace(CLUSTER, hosted=at_first)) == first
    assert apiserver.hosted_port(replace(edited, hosted=at_first)) == 6446
    back = Hosted(6446, notes[apiserver.TEMPLATE_NOTE])
    assert apiserver.hosted_port(replace(CLUSTER, hosted=back)) == 6446
    assert apiserver.hosted_port(replace(edited, hosted=back)) == 6447
    taken = replace(back, taken=frozenset({6447, 6448}))
    assert apiserver.hosted_port(replace(edited, hosted=taken)) == 6449
    last = replace(back, port=6450, taken=frozenset({6450}))
    assert apiserver.hosted_port(replace(edited, hosted=last)) == 6445


def test_no_api_server_writes_the_endpoints() -> None:
    for spec in (
        apiserver.daemonset(CLUSTER)["spec"]["template"]["spec"],
        revision.bootstrap_pod(FACTS)["spec"],
    ):
        assert flags(spec)["endpoint-reconciler-type"] == "none"
    addresses = [
        json.dumps(wanted)
        for wanted in api_service.everything(CLUSTER)
        if wanted["kind"] != "Service"
    ]
    assert len(addresses) == 2 and all(str(HOST.address) in text for text in addresses)


def test_bootstrap_controllers_have_ports_of_their_own() -> None:
    ports = [
        flags(spec)["secure-port"]
        for one in controllers.BOTH
        for spec in (
            controllers.deployment(one, CLUSTER)["spec"]["template"]["spec"],
            controllers.bootstrap_pod(one, SETTINGS)["spec"],
        )
    ]

    assert len(ports) == len(set(ports))


def test_a_pair_of_the_users_signs_all_but_what_kubelets_serve_with() -> None:
    """The controller-manager takes one for all signers or one for each, and never both."""
    asked = {
        "cluster-signing-cert-file": "/a.crt",
        "cluster-signing-key-file": "/a.key",
        "cluster-signing-legacy-unknown-cert-file": "/b.crt",
    }
    config = Config(controller_manager=ControllerManager(extra_args=asked))
    for pod in (
        controllers.bootstrap_pod(controllers.CONTROLLER_MANAGER, on_host(config).cluster.settings),
        controllers.deployment(controllers.CONTROLLER_MANAGER, on_host(config).cluster)["spec"][
            "template"
        ],
    ):
        words = pod["spec"]["containers"][0]["command"][1:]
        flags = dict(word.removeprefix("--cluster-signing-").split("=", 1) for word in words)

        assert not {"cert-file", "key-file"} & {*flags}
        own = CONFIG.layout.pki.kubelet_serving_ca
        assert flags["kubelet-serving-cert-file"] == str(own.certificate)
        assert flags["kubelet-serving-key-file"] == str(own.key)
        assert flags["legacy-unknown-cert-file"] == "/b.crt"
        for signer in ("kubelet-client", "kube-apiserver-client"):
            assert flags[f"{signer}-cert-file"] == "/a.crt"
            assert flags[f"{signer}-key-file"] == "/a.key"


def test_a_pod_is_replaced_when_the_settings_that_it_mounts_change() -> None:
    other = Config(net=Net(cluster_cidr="172.20.0.0/16", cluster_domain="example.internal"))
    for name in (flannel.NAME, proxy.NAME, coredns.NAME):
        digests = [
            wanted["spec"]["template"]["metadata"]["annotations"]
            for config in (CONFIG, other)
            for wanted in hosted(on_host(config))
            if wanted["metadata"]["name"] == name and "template" in wanted.get("spec", {})
        ]
        assert len(digests) == 2 and digests[0] != digests[1]


def test_no_pod_of_ours_has_a_hook() -> None:
    """A kubelet can't end or replace a pod while a hook of its start runs."""
    for wanted in hosted(FACTS):
        for container in (
            wanted.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
        ):
            assert "lifecycle" not in container, wanted["metadata"]["name"]


def test_a_flannel_that_does_not_serve_is_started_anew() -> None:
    [pod] = [
        wanted["spec"]["template"]["spec"]
        for wanted in flannel.everything(CLUSTER)
        if wanted["kind"] == "DaemonSet"
    ]

    probe = pod["containers"][0]["startupProbe"]
    assert probe["exec"]["command"][-1] == str(CONFIG.layout.cni.settings / flannel.PLUGIN)
    assert probe["periodSeconds"] * probe["failureThreshold"] == 120


def test_facts_of_the_host_reach_its_programs() -> None:
    """What an old kernel or a lesser machine lacks is not asked of it."""
    lacks: dict[str, Any] = {
        "cgroup_version": 1,
        "has_sys_resource": False,
        "has_nftables_proxy": False,
        "has_resolver": False,
    }
    poor = on_host(**lacks)

    settings = kubelet.configuration(CONFIG, poor.host)
    assert settings["cgroupDriver"] == "cgroupfs" and settings["failCgroupV1"] is False
    assert settings["oomScoreAdj"] == 0
    assert kubelet.configuration(CONFIG, HOST)["cgroupDriver"] == "systemd"
    assert poor.cluster.settings.net.proxy_mode is ProxyMode.IPTABLES
    assert SETTINGS.net.proxy_mode is ProxyMode.NFTABLES
    told = on_host(Config(net=Net(proxy_mode=ProxyMode.NFTABLES)), **lacks).cluster.settings
    assert told.net.proxy_mode is ProxyMode.NFTABLES
    corefiles = [
        wanted["data"]["Corefile"]
        for facts in (FACTS, poor)
        for wanted in hosted(facts)
        if wanted["kind"] == "ConfigMap" and wanted["metadata"]["name"] == coredns.NAME
    ]
    assert ["forward" in text for text in corefiles] == [True, False]


def test_whoever_brings_a_network_gets_no_flannel() -> None:
    config = Config(net=Net(cni=Cni.NONE))

    assert not [wanted for wanted in hosted(on_host(config)) if "flannel" in json.dumps(wanted)]
