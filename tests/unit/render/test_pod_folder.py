"""Which files of its host each control-plane pod sees, and who it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixed import CLUSTER, FACTS, SETTINGS, on_host

from kubeception.config import Config
from kubeception.config.model import ApiServer, ControllerManager, Etcd, Mount, Scheduler, Secrets
from kubeception.facts import Facts, Proven
from kubeception.phases import control_plane, pki
from kubeception.render import apiserver, controllers, objects, revision
from kubeception.render.objects import Object
from kubeception.render.pod_folder import PodFolder

PKI = "/etc/kubernetes/pki"
TABLE = {
    "kube-apiserver": {
        "pki/apiserver-etcd-client.crt",
        "pki/apiserver-etcd-client.key",
        "pki/apiserver-kubelet-client.crt",
        "pki/apiserver-kubelet-client.key",
        "pki/apiserver.crt",
        "pki/apiserver.key",
        "pki/ca.crt",
        "pki/etcd/ca.crt",
        "pki/front-proxy-ca.crt",
        "pki/front-proxy-client.crt",
        "pki/front-proxy-client.key",
        "pki/kubelet-serving-ca-bundle.crt",
        "pki/sa.key",
        "pki/sa.pub",
    },
    "kube-controller-manager": {
        "controller-manager.conf",
        "pki/ca.crt",
        "pki/ca.key",
        "pki/controller-manager.crt",
        "pki/controller-manager.key",
        "pki/front-proxy-ca.crt",
        "pki/kubelet-serving-ca.crt",
        "pki/kubelet-serving-ca.key",
        "pki/sa.key",
    },
    "kube-scheduler": {
        "pki/ca.crt",
        "pki/front-proxy-ca.crt",
        "pki/scheduler.crt",
        "pki/scheduler.key",
        "scheduler.conf",
    },
    "kubeception": {"pki/ca.crt", "pki/join-ca.crt", "pki/join.crt", "pki/join.key"},
    "kubeception-controller": {"pki/ca.crt"},
}
# Another folder of keys than kubeadm's, and etcd's apart from it, as the original has them.
ELSEWHERE = Config(secrets=Secrets(path="/srv/keys"), etcd=Etcd(config_path="/etc/etcd"))


def folders(facts: Facts = FACTS) -> dict[str, PodFolder]:
    return {one.wanted.path.name: one.wanted for one in pki.copies(facts)}


def pods(facts: Facts = FACTS) -> Iterator[tuple[str, Object]]:
    """Yield the specs of all pods that have a folder, hosted and bootstrap ones, by its name."""
    for made in control_plane.everything(facts):
        if made["metadata"]["name"] in TABLE and "template" in made.get("spec", {}):
            yield made["metadata"]["name"], made["spec"]["template"]["spec"]
    yield apiserver.NAME, revision.bootstrap_pod(facts)["spec"]
    for one in controllers.BOTH:
        yield one.name, controllers.bootstrap_pod(one, facts.cluster.settings)["spec"]


def shown(spec: Object) -> dict[Path, Path]:
    """Return where on the host each thing comes from that a pod sees, by its path in the pod."""
    sources = {one["name"]: one["hostPath"]["path"] for one in spec["volumes"] if "hostPath" in one}
    [container] = spec["containers"]
    return {
        Path(one["mountPath"]): Path(sources[one["name"]])
        for one in container["volumeMounts"]
        if one["name"] in sources
    }


def test_each_has_the_files_of_the_table_and_no_others() -> None:
    top = Path("/etc/kubernetes")
    assert {
        name: {str(path.relative_to(top)) for path in one.files} for name, one in folders().items()
    } == TABLE


def test_only_who_signs_has_the_key_of_a_ca_and_nobody_an_administrators() -> None:
    keys = {
        name: {path.name for path in one.files if path.suffix == ".key"}
        for name, one in folders().items()
    }

    assert keys["kube-scheduler"] == {"scheduler.key"}
    for key in ("ca.key", "kubelet-serving-ca.key"):
        assert [name for name, has in keys.items() if key in has] == ["kube-controller-manager"]
    assert not any("admin" in path.name for one in folders().values() for path in one.files)


@pytest.mark.parametrize("config", [Config(), ELSEWHERE], ids=["kubeadm's paths", "others"])
def test_pods_see_their_copies_alone_and_what_their_command_names_is_among_them(
    config: Config,
) -> None:
    facts = on_host(config)
    at, own = config.layout, folders(facts)
    seen = [name for name, _ in pods(facts)]
    assert {*seen} == {*TABLE}

    for name, spec in pods(facts):
        sources = shown(spec)
        sources.pop(at.public_cas, None)
        assert all(path == own[name].copy(place) for place, path in sources.items()), name
        [container] = spec["containers"]
        words = [*container.get("command", ()), *container.get("args", ())]
        named = {Path(word.partition("=")[2]) for word in words if "=/" in word}
        keys = {
            p for p in named if p.is_relative_to(at.pki.folder) or p.parent == Path("/etc/etcd")
        }
        assert keys
        assert keys <= {*own[name].files}
        assert all(any(path.is_relative_to(place) for place in sources) for path in own[name].files)


def test_of_etcds_keys_the_api_server_has_the_certificate_of_the_ca() -> None:
    found = folders(on_host(ELSEWHERE))

    assert [str(p) for p in found[apiserver.NAME].files if p.parent.name == "etcd"] == [
        "/etc/etcd/ca.crt"
    ]
    assert [name for name, one in found.items() if Path("/etc/etcd") in one.shown] == [
        apiserver.NAME
    ]


def test_what_the_users_flags_name_among_the_keys_is_copied() -> None:
    args = {
        "oidc-ca-file": f"{PKI}/oidc.crt",
        "tls-sni-cert-key": f"{PKI}/a.crt,{PKI}/a.key:a.example",
        "audit-policy-file": "/etc/kubernetes/audit.yaml",
    }
    facts = on_host(Config(apiserver=ApiServer(extra_args=args)))
    own = folders(facts)[apiserver.NAME]

    more = {*own.files} - {*folders()[apiserver.NAME].files}
    assert {path.name for path in more} == {"oidc.crt", "a.crt", "a.key"}
    for name, spec in pods(facts):
        if name == apiserver.NAME:
            # Root reads what is no key where it lies.
            assert shown(spec)[Path("/etc/kubernetes/audit.yaml")] == Path(
                "/etc/kubernetes/audit.yaml"
            )
            assert not [path for path in shown(spec) if str(path).startswith(f"{PKI}/")]


def test_who_is_not_root_gets_a_copy_of_whatever_its_flags_name() -> None:
    settings = Path("/etc/kubernetes/scheduler.yaml")
    facts = on_host(
        Config(
            scheduler=Scheduler(extra_args={"config": str(settings)}),
            controller_manager=ControllerManager(extra_args={"cloud-config": str(settings)}),
        )
    )
    own = folders(facts)

    assert settings in own["kube-scheduler"].files
    assert settings not in own["kube-controller-manager"].files
    found = {name: shown(spec)[settings] for name, spec in pods(facts) if settings in shown(spec)}
    assert found == {
        "kube-scheduler": own["kube-scheduler"].copy(settings),
        "kube-controller-manager": settings,
    }


def test_what_the_user_mounts_among_the_keys_is_copied_and_not_mounted_once_more() -> None:
    asked = Path(f"{PKI}/oidc")
    facts = on_host(Config(apiserver=ApiServer(extra_mounts=(Mount(str(asked)),))))

    assert asked in folders(facts)[apiserver.NAME].files
    assert all(asked not in shown(spec) for _, spec in pods(facts))


def test_what_an_edit_of_the_api_server_names_among_the_keys_is_copied() -> None:
    template: dict[str, Any] = apiserver.daemonset(CLUSTER)["spec"]["template"]
    [container] = template["spec"]["containers"]
    container["args"] = [f"--oidc-ca-file={PKI}/oidc.crt", "--audit-policy-file=/srv/audit.yaml"]
    facts = on_host(proven=Proven("1", template, "kubectl-edit"))

    more = {*folders(facts)[apiserver.NAME].files} - {*folders()[apiserver.NAME].files}

    assert more == {Path(f"{PKI}/oidc.crt")}


def test_they_may_nothing_on_their_host_and_none_is_another_ones_user() -> None:
    users: dict[str, int] = {}
    for name, spec in pods():
        [container] = spec["containers"]
        security = container["securityContext"]
        assert objects.CONFINED.items() <= security.items(), name
        assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}, name
        users[name] = security.get("runAsUser", 0)
        assert security.get("runAsNonRoot", False) is (users[name] > 0)
        assert folders()[name].user == users[name]

    root = {name for name, user in users.items() if user == 0}
    assert root == {"kube-apiserver", "kube-controller-manager"}
    assert len({*users.values()}) == len(TABLE) - 1


def test_the_scheduler_of_the_version_before_keeps_its_port_to_itself() -> None:
    """A port is shared among processes of one user alone, and that one was root's."""
    flags = controllers.deployment(controllers.SCHEDULER, CLUSTER)["spec"]["template"]["spec"]

    assert "--secure-port=10259" not in str(flags)
    assert "--secure-port=10261" in flags["containers"][0]["command"]
    assert SETTINGS.layout.pki.folder == Path(PKI)
