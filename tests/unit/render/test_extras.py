"""What a pod sees of its host by the user's flags and mounts, and what its template says of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.fixed import CLUSTER, SETTINGS, on_host

from kubeception.config import Config
from kubeception.config.cluster import ClusterSettings
from kubeception.config.model import (
    ApiServer,
    ControllerManager,
    Etcd,
    Kubelet,
    Mount,
    Proxy,
    Scheduler,
)
from kubeception.render import apiserver, controllers, etcd, extras, kubelet, proxy, revision
from kubeception.render.objects import Object

POLICY = "/etc/kubernetes/audit-policy.yaml"
OURS = {"pki": (Path("/etc/kubernetes/pki"), "Directory")}


def seen(*mounts: Mount, **args: str) -> dict[str, tuple[str, bool]]:
    """Return what an API server sees: path → kind, and whether it may write there."""
    flags = {name.replace("_", "-"): value for name, value in args.items()}
    asked = ApiServer(extra_args=flags, extra_mounts=mounts)
    made = extras.volumes("apiserver", asked, OURS)
    kinds = {one["name"]: one["hostPath"]["type"] for one in made["volumes"]}
    names = [one["name"] for one in made["volumeMounts"]]
    assert sorted(names) == sorted(kinds)
    paths = [one["mountPath"] for one in made["volumeMounts"]]
    assert len({*paths}) == len(paths), "the API refuses two mounts at one path"
    return {
        one["mountPath"]: (kinds[one["name"]], not one["readOnly"]) for one in made["volumeMounts"]
    }


PKI = {"/etc/kubernetes/pki": ("Directory", False)}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (seen, {}),
        (partial(seen, v="4", audit_log_path="-", oidc_ca_file=""), {}),
        (partial(seen, audit_policy_file=POLICY), {POLICY: ("File", False)}),
        (
            partial(seen, audit_policy_file=POLICY, tracing_config_file=POLICY),
            {POLICY: ("File", False)},
        ),
        (partial(seen, audit_policy_file="/etc/kubernetes/pki/policy.yaml"), {}),
        (
            partial(seen, audit_log_path="/var/log/a/b.log"),
            {"/var/log/a": ("DirectoryOrCreate", True)},
        ),
        (
            partial(seen, tls_sni_cert_key="/a.crt,/a.key:*.example.org"),
            {"/a.crt": ("File", False), "/a.key": ("File", False)},
        ),
        (
            partial(seen, Mount("/srv/a"), audit_policy_file="/srv/a/b.yaml"),
            {"/srv/a": ("", False)},
        ),
        (partial(seen, Mount("/srv/a/"), Mount("/srv/a")), {"/srv/a": ("", False)}),
        # A writable one is writable, wherever it lies.
        (partial(seen, Mount("/srv/a"), audit_log_path="/srv/a/b.log"), {"/srv/a": ("", True)}),
        (
            partial(seen, Mount("/srv"), audit_log_path="/srv/a/b.log"),
            {"/srv": ("", False), "/srv/a": ("DirectoryOrCreate", True)},
        ),
        (partial(seen, Mount("/srv", True), audit_log_path="/srv/a/b.log"), {"/srv": ("", True)}),
        (
            partial(seen, Mount("/etc/kubernetes/pki/a", True)),
            {"/etc/kubernetes/pki/a": ("", True)},
        ),
    ],
)
def test_it_sees_what_its_flags_and_mounts_name_and_nothing_twice(
    found: Callable[[], dict[str, Any]], wanted: dict[str, Any]
) -> None:
    assert found() == {**PKI, **wanted}


def _template_of_apiserver(settings: ClusterSettings) -> Object:
    made = apiserver.daemonset(replace(CLUSTER, settings=settings))
    template: Object = made["spec"]["template"]
    return template


def _template_of(controller: controllers.Controller) -> Callable[[ClusterSettings], Object]:
    return lambda settings: controllers.deployment(controller, replace(CLUSTER, settings=settings))[
        "spec"
    ]["template"]


CASES = {
    "apiserver": (
        structs.replace(SETTINGS, apiserver=ApiServer(extra_args={"audit-policy-file": POLICY})),
        _template_of_apiserver,
    ),
    "controller-manager": (
        structs.replace(
            SETTINGS,
            controller_manager=ControllerManager(extra_args={"leader-migration-config": POLICY}),
        ),
        _template_of(controllers.CONTROLLER_MANAGER),
    ),
    "scheduler": (
        structs.replace(SETTINGS, scheduler=Scheduler(extra_args={"config": POLICY})),
        _template_of(controllers.SCHEDULER),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_edited_file_is_another_template_and_another_file_is_not(name: str) -> None:
    settings, template = CASES[name]
    one = template(structs.replace(settings, files={POLICY: "a"}))
    edited = template(structs.replace(settings, files={POLICY: "b"}))
    beside = template(structs.replace(settings, files={POLICY: "a", "/etc/other": "c"}))

    assert one == beside
    notes = [made["metadata"]["annotations"][extras.FILES_NOTE] for made in (one, edited)]
    assert notes[0] != notes[1]
    assert one["spec"] == edited["spec"]
    assert POLICY in [m["mountPath"] for m in one["spec"]["containers"][0]["volumeMounts"]]
    assert extras.FILES_NOTE not in template(SETTINGS)["metadata"].get("annotations", {})


def test_an_edited_file_of_the_api_server_takes_the_other_port() -> None:
    settings, _ = CASES["apiserver"]
    digests = {
        apiserver.template_digest(structs.replace(settings, files=files))
        for files in ({}, {POLICY: "a"}, {POLICY: "b"})
    }

    assert len(digests) == 3


def test_the_bootstrap_form_sees_the_same() -> None:
    config = Config(
        apiserver=ApiServer(extra_args={"audit-policy-file": POLICY}),
        scheduler=Scheduler(extra_args={"config": POLICY}),
    )
    facts = on_host(config)
    for pod in (
        revision.bootstrap_pod(facts),
        controllers.bootstrap_pod(controllers.SCHEDULER, facts.cluster.settings),
    ):
        [container] = pod["spec"]["containers"]
        assert any(word.endswith(f"={POLICY}") for word in container["command"])
        assert POLICY in [one["mountPath"] for one in container["volumeMounts"]]


def test_the_users_flags_win_over_ours_and_the_bootstrap_ones_over_both() -> None:
    settings = structs.replace(
        SETTINGS,
        controller_manager=ControllerManager(
            extra_args={"kube-api-qps": "7", "controllers": "*,tokencleaner"}
        ),
    )
    hosted = controllers.deployment(
        controllers.CONTROLLER_MANAGER, replace(CLUSTER, settings=settings)
    )
    [container] = hosted["spec"]["template"]["spec"]["containers"]
    [bootstrap] = controllers.bootstrap_pod(controllers.CONTROLLER_MANAGER, settings)["spec"][
        "containers"
    ]

    assert "--kube-api-qps=7" in container["command"]
    assert "--controllers=*,tokencleaner" in container["command"]
    assert "--kube-api-qps=7" in bootstrap["command"]
    assert "--controllers=*,tokencleaner" not in bootstrap["command"]


def _proxy(of: str = "containers", **changes: Any) -> Object:
    cluster = on_host(Config(proxy=Proxy(**changes)), has_sys_resource=False).cluster
    [container] = [*proxy.everything(cluster)][-1]["spec"]["template"]["spec"][of]
    made: Object = container
    return made


def test_kube_proxy_has_either_a_settings_file_or_flags() -> None:
    """Beside the file it would ignore the flags, and what the file said has to be said by them."""
    assert _proxy()["command"][1:] == [
        "--config=/var/lib/kube-proxy/config.conf",
        "--hostname-override=$(NODE_NAME)",
    ]
    assert _proxy(extra_args={"metrics-bind-address": "127.0.0.1:1"})["command"][1:] == [
        "--cluster-cidr=10.244.0.0/16",
        *AS_IT_IS,
        "--hostname-override=$(NODE_NAME)",
        "--metrics-bind-address=127.0.0.1:1",
        "--proxy-mode=nftables",
    ]
    mounts = _proxy(extra_mounts=(Mount("/srv"),))["volumeMounts"]
    assert {"name": "extra-1", "mountPath": "/srv", "readOnly": True} in mounts


# Of the kernel's table of connections the container that goes on changes nothing.
AS_IT_IS = [
    "--conntrack-max-per-core=0",
    "--conntrack-tcp-timeout-close-wait=0s",
    "--conntrack-tcp-timeout-established=0s",
]


def test_kube_proxy_changes_the_kernel_in_a_container_that_ends() -> None:
    """Its own capability would not do, and a restart of it must not need more."""
    asked = {"conntrack-udp-timeout": "7s", "v": "2"}

    assert _proxy("initContainers")["command"][1:] == [
        "--config=/var/lib/kube-proxy/init.conf",
        "--hostname-override=$(NODE_NAME)",
        "--init-only=true",
    ]
    assert _proxy("initContainers", extra_args=asked)["command"][1:] == [
        "--cluster-cidr=10.244.0.0/16",
        "--conntrack-max-per-core=0",
        "--conntrack-udp-timeout=7s",
        "--hostname-override=$(NODE_NAME)",
        "--init-only=true",
        "--proxy-mode=nftables",
        "--v=2",
    ]
    assert _proxy(extra_args=asked)["command"][1:] == [
        "--cluster-cidr=10.244.0.0/16",
        *AS_IT_IS,
        "--hostname-override=$(NODE_NAME)",
        "--proxy-mode=nftables",
        "--v=2",
    ]
    first, then = proxy.settings(SETTINGS, is_first=True), proxy.settings(SETTINGS)
    assert "conntrack" not in first
    assert then == {**first, "conntrack": then["conntrack"]}
    assert {*then["conntrack"].values()} == {0, "0s"}
    security = _proxy()["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert "privileged" not in security


def test_programs_of_the_host_get_theirs_by_their_environment() -> None:
    config = Config(
        kubelet=Kubelet(extra_args={"max-pods": "77"}),
        etcd=Etcd(extra_args={"snapshot-count": "7", "feature-gates": "A=true"}),
    )
    host = on_host(config).host

    assert " --max-pods=77 " in kubelet.environment(config, host)
    settings = etcd.environment(config, host).splitlines()
    assert 'ETCD_SNAPSHOT_COUNT="7"' in settings
    assert [line for line in settings if "FEATURE_GATES" in line] == ['ETCD_FEATURE_GATES="A=true"']


def test_without_any_of_it_the_template_is_as_it_was() -> None:
    """A cluster of the version before is taken over without a roll."""
    template = apiserver.daemonset(CLUSTER)["spec"]["template"]

    assert {*template["metadata"]["annotations"]} == {apiserver.PORT_NOTE, apiserver.TEMPLATE_NOTE}
