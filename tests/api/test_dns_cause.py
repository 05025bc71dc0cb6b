"""Why the cluster's DNS is silent is told with what puts it back, and nothing else is told."""

import json
import os
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.api.rig import Rig
from tests.fixed import CONFIG, FACTS

from kubeception.diagnosis import dns_cause
from kubeception.phases import control_plane
from kubeception.render import coredns
from kubeception.session import Session

SERVICE = "Service kube-system/kube-dns"
SYSTEM = ("-n", "kube-system")
LOGS = "kubectl -n kube-system logs -l k8s-app=kube-dns"
NO_ENDPOINT = (
    f"{SERVICE} has no ready endpoint",
    "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide",
)


@pytest.fixture(autouse=True)
def whole(
    rig: Rig, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A cluster as it has to be, and on its host the runtime of one pod of CoreDNS."""
    pod = {
        "id": "it",
        "metadata": {"name": "coredns", "namespace": "kube-system", "uid": "1"},
        "createdAt": "1000000000",
        "labels": coredns.LABELS,
        "annotations": {},
    }
    runtime = tmp_path / "crictl"
    runtime.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps({'items': [pod]}))}\n")
    runtime.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    rig.apply_everything()
    said(session)
    endpoint(rig, ready=True)
    yield
    rig.kubectl(*SYSTEM, "delete", "endpointslice", "kube-dns-1")
    rig.kubectl(*SYSTEM, "delete", "service", "kube-dns", "--ignore-not-found")


def endpoint(rig: Rig, *, ready: bool) -> None:
    """Have a pod of CoreDNS be ready, or not."""
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns-1", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.2"], "conditions": {"ready": ready}}],
        "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}],
    }
    rig.kubectl(*SYSTEM, "apply", "-f", "-", stdin=json.dumps(slice_))


def said(session: Session, *lines: tuple[float, str]) -> None:
    """Have CoreDNS say lines, each so many seconds ago."""
    folder = session.layout.kubelet.pod_logs / "kube-system_coredns_1/coredns"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    times = [(now - timedelta(seconds=ago_s)).isoformat() for ago_s, _ in lines]
    text = [f"{at} stdout F {line}\n" for at, (_, line) in zip(times, lines, strict=True)]
    (folder / "0.log").write_text("".join(text))


def test_there_is_none_where_all_is_as_it_has_to_be(session: Session) -> None:
    assert list(dns_cause.look(session)) == []


def test_a_selector_of_somebodys_is_told_with_what_puts_it_back(rig: Rig, session: Session) -> None:
    change = '{"spec":{"selector":{"k8s-app":"dns","tier":"one"}}}'
    rig.kubectl(*SYSTEM, "patch", "service", "kube-dns", "--type=merge", "-p", change)

    [(what, mend)] = dns_cause.look(session)

    assert what == f"{SERVICE} selects k8s-app=dns,tier=one, and not k8s-app=kube-dns"
    put_back(rig, mend)
    assert list(dns_cause.look(session)) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (
            '[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 5353}]',
            "leads to 5353, and not to 53",
        ),
        ('[{"op": "remove", "path": "/spec/ports/0"}]', "is gone"),
    ],
)
def test_a_port_of_somebodys_is_told_with_what_puts_it_back(
    rig: Rig, session: Session, change: str, where: str
) -> None:
    rig.kubectl(*SYSTEM, "patch", "service", "kube-dns", "--type=json", "-p", change)

    [(what, mend)] = dns_cause.look(session)

    assert what == f"{SERVICE}: its port 53/UDP {where}"
    put_back(rig, mend)
    assert list(dns_cause.look(session)) == []


def put_back(rig: Rig, mend: str) -> None:
    """Do what is said; a bootstrap then leaves it so, and finds nobody in its way."""
    rig.carry_out(mend)
    with rig.session() as bootstrap:
        for wanted in control_plane.plan(CONFIG, FACTS):
            assert "kube-dns" not in str(wanted) or not wanted.drift(bootstrap)


def test_another_address_is_told_with_what_helps(rig: Rig, session: Session) -> None:
    rig.kubectl(*SYSTEM, "delete", "service", "kube-dns")
    [(what, mend)] = dns_cause.look(session)
    assert (what, mend) == (f"{SERVICE} is not there", "kubeception bootstrap")
    words = ("create", "service", "clusterip", "kube-dns", "--clusterip=10.96.0.77")
    rig.kubectl(*SYSTEM, *words, "--tcp=53:53")

    what, mend = next(dns_cause.look(session))

    assert what == f"{SERVICE} has the address 10.96.0.77, and not 10.96.0.10"
    first, then = mend.split("; ")
    assert then == "kubeception bootstrap"
    rig.carry_out(first)
    rig.apply_everything()
    assert list(dns_cause.look(session)) == []


def test_a_service_that_leads_to_no_pod_is_told(rig: Rig, session: Session) -> None:
    endpoint(rig, ready=False)

    assert list(dns_cause.look(session)) == [NO_ENDPOINT]


LATELY, FATAL = 60.0, "[FATAL] plugin/loop: Loop (127.0.0.1:55953 -> :53) detected for zone ."
START = (
    "[INFO] plugin/kubernetes: waiting for Kubernetes API before starting server",
    "[WARNING] plugin/kubernetes: starting server with unsynced Kubernetes API",
)


def test_what_coredns_complained_of_lately_is_told(session: Session) -> None:
    said(session, (LATELY, FATAL), *((LATELY, line) for line in START))

    assert list(dns_cause.look(session)) == [(f"CoreDNS said last: {FATAL}", LOGS)]


@pytest.mark.parametrize(
    "lines",
    [[(LATELY, line) for line in START], [(3600.0, FATAL)]],
    ids=["of its start", "of an hour ago"],
)
def test_what_it_said_of_its_start_or_long_ago_is_no_cause(
    session: Session, lines: list[tuple[float, str]]
) -> None:
    said(session, *lines)

    assert list(dns_cause.look(session)) == []
