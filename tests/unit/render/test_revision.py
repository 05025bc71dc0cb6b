"""A revision is the same on either port, and a kubelet alone can start it."""

import copy
from typing import Any

import pytest
from tests.fixed import CLUSTER, on_host

from kubeception.config import Config
from kubeception.config.model import ApiServer
from kubeception.facts import Proven
from kubeception.render import apiserver, revision

TEMPLATE = apiserver.daemonset(CLUSTER)["spec"]["template"]


def edited(*, flag: str = "", **of_the_pod: Any) -> dict[str, Any]:
    template: dict[str, Any] = copy.deepcopy(TEMPLATE)
    template["spec"] |= of_the_pod
    if flag:
        template["spec"]["containers"][0]["command"].append(flag)
    return template


def flags(pod: dict[str, Any]) -> dict[str, str]:
    words = pod["spec"]["containers"][0]["command"][1:]
    assert len({word.partition("=")[0] for word in words}) == len(words)
    return dict(word.removeprefix("--").split("=", 1) for word in words)


def bootstrap(template: dict[str, Any]) -> dict[str, Any]:
    facts = on_host(proven=Proven("1", template, "kubectl-edit"))
    pod: dict[str, Any] = revision.bootstrap_pod(facts)
    return pod


def test_the_port_is_in_all_its_places() -> None:
    moved = revision.at_port(TEMPLATE, 6446)

    assert revision.port_of(TEMPLATE) == 6445
    assert revision.port_of(moved) == 6446
    assert "6445" not in str(moved)
    assert moved["metadata"]["annotations"][apiserver.PORT_NOTE] == "6446"


def test_a_revision_is_the_same_on_either_port() -> None:
    assert revision.identity(revision.at_port(TEMPLATE, 6446)) == revision.identity(TEMPLATE)


def test_an_edit_is_another_one() -> None:
    assert revision.identity(edited(flag="--v=4")) != revision.identity(TEMPLATE)


def test_what_the_api_adds_to_an_empty_template_is_none() -> None:
    from_api = copy.deepcopy(TEMPLATE)
    from_api["metadata"]["creationTimestamp"] = None

    assert revision.identity(from_api) == revision.identity(TEMPLATE)


def test_a_bootstrap_server_carries_an_edit_over() -> None:
    pod = bootstrap(edited(flag="--audit-log-path=/var/log/audit.log", hostPID=True))

    assert flags(pod)["audit-log-path"] == "/var/log/audit.log"
    assert flags(pod)["secure-port"] == "6444"
    assert flags(pod)["bind-address"] == "127.0.0.1"
    assert pod["spec"]["hostPID"] is True
    assert "nodeSelector" not in pod["spec"]
    assert "readinessGates" not in pod["spec"]


def test_a_host_that_has_moved_says_its_new_address() -> None:
    facts = on_host(address="192.0.2.99", proven=Proven("1", TEMPLATE, "x"))

    assert flags(revision.bootstrap_pod(facts))["advertise-address"] == "192.0.2.99"


def test_admission_that_asks_others_is_off_whatever_was_asked_for() -> None:
    template = edited()
    words = template["spec"]["containers"][0]["command"]
    words[:] = [word for word in words if "enable-admission" not in word]
    words += [
        "--enable-admission-plugins=NodeRestriction,ValidatingAdmissionWebhook",
        "--disable-admission-plugins=DefaultStorageClass",
    ]

    found = flags(bootstrap(template))

    assert found["enable-admission-plugins"] == "NodeRestriction"
    assert "ValidatingAdmissionWebhook" in found["disable-admission-plugins"].split(",")
    assert "DefaultStorageClass" in found["disable-admission-plugins"].split(",")


def test_flags_may_stand_among_the_arguments() -> None:
    template = edited()
    server = template["spec"]["containers"][0]
    name, *words = server["command"]
    server |= {"command": [name], "args": words}

    assert revision.port_of(template) == 6445
    assert revision.port_of(revision.at_port(template, 6446)) == 6446


def test_ours_needs_no_api() -> None:
    assert revision.needs_an_api(TEMPLATE) is None


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (
            edited(volumes=[{"name": "policy", "configMap": {"name": "policy"}}]),
            "its volume policy is a configMap",
        ),
        (
            edited(initContainers=[{"name": "first", "envFrom": [{"secretRef": {"name": "x"}}]}]),
            "a variable of first comes from the API",
        ),
    ],
)
def test_a_template_that_only_an_api_can_start_is_told(template: dict[str, Any], why: str) -> None:
    assert revision.needs_an_api(template) == why


@pytest.mark.parametrize(
    "said", [{"anonymous-auth": "false"}, {"authentication-config": "/etc/kubernetes/auth.yaml"}]
)
def test_a_server_that_may_answer_no_strangers_is_asked_for_connections_alone(
    said: dict[str, str],
) -> None:
    of_cluster = on_host(Config(apiserver=ApiServer(extra_args=said))).cluster
    moved = revision.at_port(apiserver.daemonset(of_cluster)["spec"]["template"], 6446)

    server = moved["spec"]["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert server[probe]["tcpSocket"] == {"host": "127.0.0.1", "port": 6446}
        assert "httpGet" not in server[probe]
