"""Clients of every kind on a cluster's hosts, as an ordinary user, and what they see of its API."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.cluster import kubectl
from tests.lab.machine import scaled

from kubeception.lab import Host

PROGRAM = Path(__file__).with_name("load.py")
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
        program = ("python3", "-c", PROGRAM.read_text(), address, str(port), "/tmp/ca.crt")
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


@dataclass(frozen=True)
class Total:
    """What all of several have seen together; a pause is a time without any answer at one place."""

    answered: int
    failed: list[str]
    lost: list[str]
    slowest_s: float
    pause_s: float
    told_to_ask_again: int
    closed_while_idle: int
    connections: int

    def __str__(self) -> str:
        return (
            f"{self.answered} requests answered, {len(self.failed)} failed, {len(self.lost)} lost,"
            f" slowest {self.slowest_s:.2f} s, longest without any {self.pause_s:.2f} s,"
            f" {self.told_to_ask_again} told to ask again;"
            f" {self.closed_while_idle} of {self.connections} connections were closed while idle"
        )


def total(loads: Sequence[Load]) -> Total:
    """Return what clients that have ended have seen."""
    seen = [one.seen for one in loads]

    def counted(key: str) -> int:
        return sum(one.get(key, 0) for one in seen)

    return Total(
        counted("answered"),
        [why for one in seen for why in one["failed"]],
        [what for one in seen for what in one["lost"]],
        max(one["slowest_s"] for one in seen),
        max(one["pause_s"] for one in seen),
        counted("told to ask again"),
        counted("closed while idle"),
        counted("connections"),
    )


def prepare(cp1: Host, hosts: list[Host], *, image: str) -> None:
    """Give them an account that may read and write ConfigMaps, and a pod on w1 to ask from."""
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
    on_w1 = '{"spec": {"nodeName": "w1"}}'
    kubectl(cp1, "-n", "load", "run", "pod", f"--image={image}", f"--overrides={on_w1}")
    kubectl(cp1, "-n", "load", "wait", "--for=condition=Ready", "pod/pod", "--timeout=60s")


@contextmanager
def everywhere(cp1: Host, w1: Host) -> Iterator[list[Load]]:
    """Have clients ask on loopback, from a worker, and from a pod by the API's Service."""
    service = kubectl(cp1, "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
    with ExitStack() as stack:
        yield [
            stack.enter_context(Load.at(cp1, "loopback", "127.0.0.1", 6443)),
            stack.enter_context(Load.at(w1, "worker", cp1.address, 6443)),
            stack.enter_context(Load.at(w1, "pod", service, 443, *_network_of_the_pod(w1))),
        ]


def have_answers(loads: Sequence[Load], wanted: float) -> bool:
    """Return whether clients have had so many answers."""
    return sum(map(Load.answered, loads)) >= wanted


def _network_of_the_pod(w1: Host) -> tuple[str, ...]:
    """Return what has a program of a host run in the pod's network."""
    [pod] = w1.run("crictl", "pods", "--quiet", "--name", "^pod$").stdout.split()
    pid = json.loads(w1.run("crictl", "inspectp", pod).stdout)["info"]["pid"]
    return ("nsenter", f"--target={pid}", "--net")
