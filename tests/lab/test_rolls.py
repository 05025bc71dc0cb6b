"""API servers that are rolled under load: what every kind of client sees of it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Note
from tests.lab import cluster
from tests.lab.cluster import bootstrap, kubectl, until
from tests.lab.conftest import Names, bundle_folder
from tests.lab.lot import IS_SOAK
from tests.lab.machine import scaled

from kubeception.bundle import contents
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(1800 if IS_SOAK else 300)]

LOAD = Path(__file__).with_name("load.py")
ROLLS, REQUESTS = (5, 100_000) if IS_SOAK else (1, 20_000)
SLOWEST_S = 2.0
CA = "/etc/kubernetes/pki/ca.crt"
WRITERS = 3


@dataclass
class Load:
    """Clients at one place, and what they have seen once they have ended."""

    process: subprocess.Popen[str]
    seen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def at(cls, host: Host, name: str, address: str, port: int, *within: str) -> Iterator["Load"]:
        """Have them ask for a block; the token lies on the host."""
        program = ("python3", "-c", LOAD.read_text(), address, str(port), "/tmp/ca.crt")
        argv = host.command(*within, *program, "/tmp/token", name)
        piped = subprocess.PIPE
        with subprocess.Popen(argv, stdin=piped, stdout=piped, text=True) as process:
            load = cls(process)
            assert process.stdout is not None
            assert process.stdout.readline() == "answered\n"
            try:
                yield load
            finally:
                load.seen = json.loads(process.communicate("", timeout=scaled(60))[0])

    def answered(self) -> int:
        """Return how many requests have been answered by now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def made(new_name: Names) -> Iterator[Lab]:
    """A cluster with a worker, where an ordinary user may read and write ConfigMaps."""
    lab = Lab(new_name())
    try:
        lab.up(workers=1, bundle=bundle_folder())
        lab.bootstrap()
        lab.join()
        prepare(lab.host("cp1"), lab.hosts())
        yield lab
    finally:
        lab.down()


def prepare(cp1: Host, hosts: list[Host]) -> None:
    for wanted in (
        "namespace load",
        "-n load serviceaccount load",
        "-n load role load --verb=get,list,patch --resource=configmaps",
        "-n load rolebinding load --role=load --serviceaccount=load:load",
        "-n default role load --verb=get --resource=endpointslices.discovery.k8s.io",
        "-n default rolebinding load --role=load --serviceaccount=load:load",
        *(
            f"-n load configmap {place}-{number} --from-literal=n=0"
            for place in ("loopback", "worker", "pod")
            for number in range(WRITERS)
        ),
    ):
        kubectl(cp1, "create", *wanted.split())
    token = kubectl(cp1, "-n", "load", "create", "token", "load", "--duration=2h")
    for host in hosts:
        host.put("/tmp/token", token)
        host.put("/tmp/ca.crt", cp1.get(CA))
    image = contents.load(bundle_folder()).images["pause"]
    on_w1 = '{"spec": {"nodeName": "w1"}}'
    kubectl(cp1, "-n", "load", "run", "pod", f"--image={image}", f"--overrides={on_w1}")
    kubectl(cp1, "-n", "load", "wait", "--for=condition=Ready", "pod/pod", "--timeout=60s")


def network_of_the_pod(w1: Host) -> tuple[str, ...]:
    """Return what has a program of a host run in the pod's network."""
    [pod] = w1.run("crictl", "pods", "--quiet", "--name", "^pod$").stdout.split()
    pid = json.loads(w1.run("crictl", "inspectp", pod).stdout)["info"]["pid"]
    return ("nsenter", f"--target={pid}", "--net")


def test_no_client_sees_a_roll(made: Lab, note: Note) -> None:
    cp1, w1 = made.hosts()
    service = kubectl(cp1, "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    rolled_s = []
    with ExitStack() as stack:
        loads = [
            stack.enter_context(Load.at(cp1, "loopback", "127.0.0.1", 6443)),
            stack.enter_context(Load.at(w1, "worker", cp1.address, 6443)),
            stack.enter_context(Load.at(w1, "pod", service, 443, *network_of_the_pod(w1))),
        ]
        for number in range(1, ROLLS + 1):
            cluster.configure(cp1, more=f'\n[apiserver.extra_args]\nv = "{1 + number % 2}"\n')
            run = bootstrap(cp1)
            assert any("kube-apiserver" in line for line in run.changes), run.changes
            rolled_s.append(round(run.wall_s, 1))
            enough = partial(has_answered, loads, REQUESTS * number / ROLLS)
            until(enough, timeout_s=200)
        cluster.settle(cp1)

    seen = [one.seen for one in loads]
    told, closed, connections = (
        sum(one.get(key, 0) for one in seen)
        for key in ("told to ask again", "closed while idle", "connections")
    )
    answered, slowest_s = sum(one["answered"] for one in seen), max(o["slowest_s"] for o in seen)
    note(
        f"rolls of {rolled_s} s under load: {answered} requests answered, slowest"
        f" {slowest_s:.2f} s, {told} told to ask again; {closed} of {connections} connections were"
        " closed while idle"
    )
    assert [one["failed"] for one in seen] == [[], [], []]
    assert [one["lost"] for one in seen] == [[], [], []]
    # In the moment in which a server that ends closes what it has open.
    assert told <= ROLLS * len(loads) * WRITERS
    assert slowest_s <= scaled(SLOWEST_S)


def has_answered(loads: list[Load], wanted: float) -> bool:
    return sum(map(Load.answered, loads)) >= wanted
