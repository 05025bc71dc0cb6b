"""What is said of a host's kube-proxy that does not say that it is well, and what helps."""

from pathlib import Path

import pytest
from msgspec import structs
from tests.fixed import SETTINGS
from tests.unit.sessions import session_of

from kubeception.conditions.node_program import FLANNEL, PROXY, STARTS_WITHIN_S, is_asked
from kubeception.config import cluster
from kubeception.config.model import Proxy
from kubeception.host import files
from kubeception.host.containers import Running

NOW_S, SAID = 1000.0, "127.0.0.1:10256: timed out"
OLD, YOUNG = Running("1", NOW_S - STARTS_WITHIN_S), Running("2", NOW_S - STARTS_WITHIN_S + 1)


def test_one_that_hangs_is_started_anew() -> None:
    assert PROXY.silence(SAID, [OLD], NOW_S) == (
        "kube-proxy is not well: 127.0.0.1:10256: timed out",
        "crictl ps -q --name kube-proxy | xargs -r crictl stop",
    )


@pytest.mark.parametrize("found", [[YOUNG], [YOUNG, OLD]])
def test_one_that_may_just_be_starting_is_no_fault(found: list[Running]) -> None:
    assert PROXY.silence(SAID, found, NOW_S) is None


def test_one_that_has_ended_has_said_something() -> None:
    said = PROXY.silence(SAID, [], NOW_S)

    assert said and said[0] == "kube-proxy has ended, and has not been started again"
    assert "--name kube-proxy | xargs -r crictl logs" in said[1]


def test_where_it_has_no_pod_its_daemonset_is_made_anew() -> None:
    said = PROXY.silence(SAID, None, NOW_S)

    assert said == PROXY.without_a_pod
    assert said[0] == "no kube-proxy runs on this host"
    assert "delete daemonset kube-proxy --cascade=orphan; kubeception bootstrap" in said[1]
    assert "delete daemonset kube-flannel " in FLANNEL.without_a_pod[1]


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ({}, True),
        ({"v": "4"}, True),
        ({"healthz-bind-address": ""}, False),
        ({"healthz-port": "0"}, False),
    ],
)
def test_one_that_answers_elsewhere_is_not_asked(
    tmp_path: Path, flags: dict[str, str], *, asked: bool
) -> None:
    session = session_of(tmp_path)
    assert not is_asked(session)  # it is in no cluster yet

    told = structs.replace(SETTINGS, proxy=Proxy(extra_args=flags))
    files.write(session.layout.cluster, cluster.text(cluster.Copy(told, told)))

    assert is_asked(session) is asked
