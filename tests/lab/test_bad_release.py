"""A release that is no good stops where it is, says why, and what ran before goes on."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Note
from tests.lab import cluster, healing, lot, releases, timeline
from tests.lab.cluster import Requests, bootstrap, get, upgrade_status
from tests.lab.conftest import Names, bundle_folder
from tests.lab.machine import scaled
from tests.lab.releases import Edit

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(1), pytest.mark.timeout(900)]

# Its one member of etcd may start anew.
SLOWEST_S = 3.0
# What fails is put back, or has stopped the rest, by then.
BACK_S = 180.0
# What an image runs instead: a program that knows none of its arguments.
ENDS = "bin/etcdutl"


@dataclass(frozen=True)
class Bad:
    """What is wrong with a release: a component, what its image runs, how its pod is rendered."""

    component: str
    runs: str | None = None
    edits: tuple[Edit, ...] = ()
    gap_s: float = 0
    """For how long no API may answer: there is one, and nobody knew that it would end."""


def rendered(before: str, after: str, *, of: str = "apiserver", gap_s: float = 0) -> Bad:
    """Return a component whose pod is rendered otherwise."""
    edit = Edit(f"kubeception/render/{of}.py", before, after)
    return Bad("kube-apiserver" if of == "apiserver" else of, edits=(edit,), gap_s=gap_s)


BAD = {
    "an API server that ends": Bad("kube-apiserver", ENDS),
    "an API server that does not reach etcd": rendered(
        '"etcd-servers": url(LOOPBACK, ETCD_PORT)', '"etcd-servers": url(LOOPBACK, 9)'
    ),
    "an API server with a flag that is none": rendered(
        '"allow-privileged": "true",', '"allow-privileged": "true", "no-such-flag": "1",'
    ),
    "an API server with admission that is none": rendered(
        'ENABLED: "NodeRestriction"', 'ENABLED: "NodeRestriction,NoSuchPlugin"'
    ),
    "an API server without its image": rendered(
        '"image": settings.release.images[NAME]', '"image": settings.release.images[NAME] + "-gone"'
    ),
    "an API server without its keys": rendered(
        '"volumeMounts": seen["volumeMounts"],',
        """"volumeMounts": [m for m in seen["volumeMounts"] if m["name"] != "pki"],""",
    ),
    "an API server with too little memory": rendered(
        '"resources": {"requests": {"cpu": "250m"}}',
        '"resources": {"requests": {"cpu": "250m"}, "limits": {"memory": "40Mi"}}',
    ),
    "an API server that is ready, and ends behind the door": rendered(
        '"livenessProbe": ("/livez", {"periodSeconds": 10, "failureThreshold": 8})',
        '"livenessProbe": ("/none", {"periodSeconds": 1, "failureThreshold": 20})',
        gap_s=15,
    ),
    "a controller-manager that ends": Bad("kube-controller-manager", ENDS),
    "a scheduler that ends": Bad("kube-scheduler", ENDS),
    "a DNS that ends": Bad("coredns", ENDS),
    "a DNS that is never ready": rendered(
        '"readinessProbe": _probe("/ready", 8181,',
        '"readinessProbe": _probe("/never", 8181,',
        of="coredns",
    ),
}


@pytest.fixture(scope="module")
def cp1(new_name: Names) -> Iterator[Host]:
    """A control plane by itself, with a revision that can be gone back to."""
    lab = Lab(new_name())
    try:
        lab.up(bundle=bundle_folder())
        yield healing.proven(lab)
    finally:
        lab.down()


@pytest.mark.parametrize("what", lot.drawn(list(BAD), 3))
def test_it_stops_says_why_and_goes_back(cp1: Host, tmp_path: Path, note: Note, what: str) -> None:
    bad, number = BAD[what], 1 + list(BAD).index(what)
    component = bad.component
    bundle = releases.another(
        tmp_path,
        more=b"\0" * number,
        spoiled={component: bad.runs} if bad.runs else {},
        edits=bad.edits,
    )
    release, good = (contents.load(one).version for one in (bundle, bundle_folder()))
    releases.stage(bundle, cp1, on=[cp1])
    before = pods(cp1, component)

    with ExitStack() as stack:
        asking = [Requests.on(cp1), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        began_s = time.monotonic()
        failed = cp1.run(
            "kubeception", "upgrade", "apply", release, "--yes", check=False, timeout_s=600
        )
        took_s = time.monotonic() - began_s
        back = cp1.run("kubeception", "upgrade", "apply", good, "--yes", timeout_s=600)
        cluster.settle(cp1)

    note(f"{what}: stopped after {took_s:.0f} s; {watched[0]}; {failed.stderr.splitlines()[0]}")
    for requests in watched:
        gap_s = timeline.gap_s(timeline.spans(requests.seen))
        assert gap_s <= scaled(bad.gap_s) if bad.gap_s else not requests.failed
        assert requests.slowest_s <= scaled(SLOWEST_S)
    assert failed.code == 1
    assert component in failed.stderr
    assert took_s <= scaled(BACK_S)
    assert f"all nodes run {good}" in back.stdout
    assert pods(cp1, component) == before
    assert bootstrap(cp1).changes == []
    cluster.settle(cp1)
    assert upgrade_status(cp1)["phase"] == "Succeeded"


def pods(cp1: Host, component: str) -> set[str]:
    """Return what the pods of a component run."""
    found = get(cp1, "pods", "-n", "kube-system")["items"]
    return {
        container["image"]
        for pod in found
        for container in pod["spec"]["containers"]
        if container["name"] == component and "deletionTimestamp" not in pod["metadata"]
    }
