"""A cluster on a lab host, as its users see it: kubectl, requests at the door, what is there."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeVar

from tests.fixed import on_host
from tests.lab import timeline
from tests.lab.machine import scaled

from kubeception.bundle.build import default_folder
from kubeception.bundle.components import SOURCES
from kubeception.config.load import load
from kubeception.errors import CommandFailed, KubeceptionError
from kubeception.host.process import Completed
from kubeception.lab import Host
from kubeception.phases import control_plane
from kubeception.render import api_service, join_records
from kubeception.versions import BUILT_IN

CONFIG = "/etc/kubeception/config.toml"
UNITS = ("containerd.service", "etcd.service", "kubelet.service")
PKI = "etc/kubernetes/pki"
LOOK_EVERY_S = 0.3
# On a quiet machine. A client that gives up waits longer, so a stall is none of its failures.
One = TypeVar("One")
SLOWEST_S, REQUEST_S = 2.0, 5.0
PROBE = Path(__file__).with_name("door_probe.py")
# What needs the API server and etcd alone, and how often it is asked for.
PLAIN = ("/api/v1/namespaces/kube-system/configmaps/coredns", "0.1")


@dataclass(frozen=True)
class Run:
    """One run of bootstrap."""

    changes: list[str]
    seconds: dict[str, float]
    wall_s: float
    log: str


def bundle_folder() -> Path:
    """Return where this machine's bundle lies."""
    return default_folder(BUILT_IN.minor)


def configure(host: Host, *, more: str = "") -> None:
    """Give a host the lab's configuration, with more of it at the end."""
    host.put(CONFIG, (SOURCES / "distros" / "lab.toml").read_text() + more)


def emptied(host: Host) -> Host:
    """Return a host of which nothing of its cluster is left, with the lab's configuration."""
    host.run("kubeception", "reset", "--yes", "--etcd", "--pki", timeout_s=120)
    configure(host)
    return host


def after_the_keeper(host: Host, *argv: str) -> Completed:
    """Run a command that takes the host's lock; where the keeper has it, after the keeper."""
    while True:
        done = host.run(*argv, check=False, timeout_s=240)
        if not re.search("is held by .* keeper", done.stderr):
            return done


def bootstrap(host: Host, *flags: str) -> Run:
    """Run bootstrap to its end."""
    argv = ("kubeception", "bootstrap", "-o", "json", *flags)
    started = time.monotonic()
    done = after_the_keeper(host, *argv)
    if done.code:
        raise CommandFailed(argv, done.code, done.stderr)
    summary = json.loads(done.stdout)
    wall_s = time.monotonic() - started
    return Run(summary["changes"], summary["seconds"], wall_s, done.stderr)


def kubectl(host: Host, *argv: str, stdin: str | None = None, check: bool = True) -> str:
    """Run kubectl as the administrator and return what it printed."""
    admin = "--kubeconfig=/etc/kubernetes/admin.conf"
    return host.run("kubectl", admin, *argv, stdin=stdin, check=check, timeout_s=scaled(120)).stdout


def get(host: Host, *what: str) -> Any:
    """Return objects as the API has them."""
    return json.loads(kubectl(host, "get", *what, "-o", "json"))


def pods(host: Host) -> list[dict[str, Any]]:
    """Return every pod of the cluster."""
    found: list[dict[str, Any]] = get(host, "pods", "-A")["items"]
    return found


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether a pod says that it is ready; or is on its way out, when it needn't be."""
    if "deletionTimestamp" in pod["metadata"]:
        return True
    conditions = pod["status"].get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def unhealthy(host: Host) -> list[str]:
    """Return what is not as it should be: in the status, among the pods, in the manifests."""
    status = host.run("kubeception", "status", "-o", "json", check=False, timeout_s=60)
    assert status.stdout, status
    said = json.loads(status.stdout)
    found = [f"{c['what']}: {c['problem']}" for c in said["checks"] if c["problem"]]
    found += [f"{p['metadata']['name']} is not ready" for p in pods(host) if not is_ready(p)]
    found += [
        f"{name} is left" for name in host.run("ls", "/etc/kubernetes/manifests").stdout.split()
    ]
    if (status.code == 0) is not said["healthy"]:
        found.append(f"status ends with {status.code} and says healthy: {said['healthy']}")
    return found


def is_well(host: Host) -> bool:
    """Whether a host's status says that all holds."""
    return host.run("kubeception", "status", check=False).code == 0


def status(host: Host) -> str:
    """Return what a host's status says, in words."""
    return host.run("kubeception", "status", check=False).stdout


def complaints(host: Host) -> list[str]:
    """Return the lines by which a host's status says that something does not hold."""
    said = host.run("kubeception", "status", check=False)
    lines = [line for line in said.stdout.splitlines() if line.startswith("✗")]
    assert bool(lines) is (said.code == 1)
    return lines


def until(holds: Callable[[], bool], *, timeout_s: float, since_s: float | None = None) -> float:
    """Wait until something holds, and return for how long, or how long it is since a moment.

    The limit is a quiet machine's.
    """
    started, limit_s = time.time(), scaled(timeout_s)
    while not holds():
        assert time.time() - started < limit_s, f"not within {limit_s} s"
        time.sleep(LOOK_EVERY_S)
    return time.time() - (started if since_s is None else since_s)


def until_seen(
    look: Callable[[], One], holds: Callable[[One], bool], *, timeout_s: float
) -> tuple[One, float]:
    """Look until what is seen is so; return that very look, and after how many seconds it was.

    Who looks again may see something else: the keeper is at what is broken, too.
    """
    seen: list[One] = []

    def is_so() -> bool:
        seen[:] = [look()]
        return holds(seen[0])

    after_s = until(is_so, timeout_s=timeout_s)
    return seen[0], after_s


def quietly(holds: Callable[[], bool]) -> Callable[[], bool]:
    """Return a question that is answered with no while its host is down."""

    def answer() -> bool:
        try:
            return holds()
        except (KubeceptionError, ValueError):
            return False

    return answer


@contextmanager
def again_and_again(look: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Look all the time, for a block; who can't be asked meanwhile is asked again."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(every_s):
            with suppress(KubeceptionError):
                look()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def upgrade_status(host: Host) -> Any:
    """Return how far the ClusterUpgrade is that is under way, or was last; None for none yet."""
    return json.loads(host.run("kubeception", "upgrade", "status", "-o", "json").stdout)


def answers(host: Host) -> bool:
    """Whether an API server behind the door is ready."""
    ca = ("--cacert", "/etc/kubernetes/pki/ca.crt")
    ask = ("curl", "--silent", "--max-time", "2", *ca, "https://127.0.0.1:6443/readyz")
    return host.run(*ask, check=False).stdout == "ok"


def settle(host: Host, *, timeout_s: float = 90.0, why: str = "") -> None:
    """Wait until nothing is unhealthy: a Lease, say, outlives a holder that was cut off a while."""
    deadline = time.monotonic() + scaled(timeout_s)
    while (problems := unhealthy(host)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert problems == [], why


def door(host: Host) -> str:
    """Return the door and where it points, as nft has it, without who has come to it."""
    found = host.run("nft", "list", "table", "ip", "kubeception-door").stdout
    return re.sub(r"\telements = \{[^}]* \. [^}]*\}\n", "", found)


def our_objects(host: Host) -> list[dict[str, Any]]:
    """Return every object that bootstrap applies, by its plan, and whatever else bears our label.

    What controllers make of a Service copies its labels; flannel's link addresses, which ours
    lists, are another node's own each.
    """
    planned = {name_of(one): one["kind"] for one in _planned(host)}
    kinds = ",".join(sorted({*planned.values()}))
    listed = get(host, kinds, "-A", "-l", "app.kubernetes.io/managed-by=kubeception")["items"]
    found = {name_of(one): one for one in listed}
    assert planned.keys() <= found.keys(), sorted(planned.keys() - found.keys())
    assert planned
    return [
        one
        for name, one in found.items()
        if name in planned
        or (
            one["kind"] not in {"Endpoints", "EndpointSlice"}
            and one["metadata"]["name"] != join_records.LINKS
        )
    ]


def _planned(host: Host) -> Iterator[dict[str, Any]]:
    """Yield what bootstrap wants there to be on a host with its configuration."""
    config = load(root=host.root())
    facts = on_host(config, node=host.name)
    yield from control_plane.everything(facts)
    yield from api_service.everything(facts.cluster)


def name_of(found: dict[str, Any]) -> str:
    """Return an object's kind, namespace and name as one word."""
    about = found["metadata"]
    return "/".join((found["kind"], about.get("namespace", ""), about["name"]))


def standing(host: Host) -> dict[str, Any]:
    """Return everything that a run without changes has to leave as it is."""
    server = ("daemonset/kube-apiserver", "--namespace=kube-system")
    kubectl(host, "rollout", "status", *server, "--timeout=100s")
    return {
        "door": door(host),
        "objects": {name_of(one): _written(one) for one in our_objects(host)},
        "pods": {
            p["metadata"]["name"]: (
                p["metadata"]["uid"],
                [c["restartCount"] for c in p["status"].get("containerStatuses", [])],
            )
            for p in pods(host)
            if "deletionTimestamp" not in p["metadata"]
        },
        "units": units(host),
    }


def _written(one: dict[str, Any]) -> Any:
    """Return what is another one once somebody but a controller has written an object.

    Controllers write a status whenever they like: once more when a pod has been ready for a while,
    say, or when another of them leads. Whoever holds a Lease renews it all the time.
    """
    about = one["metadata"]
    if one["kind"] == "Lease":
        return about["uid"]
    if "status" not in one:
        return about["resourceVersion"]
    own = {key: value for key, value in about.items() if key != "resourceVersion"}
    return {**one, "metadata": own, "status": None}


def units(host: Host) -> dict[str, str]:
    """Return which start of each unit runs."""
    return {
        unit: host.run("systemctl", "show", "--value", "-p", "InvocationID", unit).stdout.strip()
        for unit in UNITS
    }


class Requests:
    """A request to the API again and again, each on a new TLS connection, while something happens.

    They are an RBAC user's (the administrator's), not a system:masters one, who would skip RBAC.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    @classmethod
    def on(cls, host: Host, address: str = "127.0.0.1", what: Sequence[str] = PLAIN) -> "Requests":
        """Ask on the host itself."""
        # Not as a file of the host: another probe of it would write that anew meanwhile.
        program = ("python3", "-c", PROBE.read_text())
        return cls(host.command(*program, address, f"/{PKI}", *what, str(scaled(REQUEST_S))))

    @classmethod
    def of_kubelet(cls, host: Host, node: str) -> "Requests":
        """Ask on a host for what a node's kubelet says, which the API server asks for."""
        return cls.on(host, what=(f"/api/v1/nodes/{node}/proxy/healthz", "0.5"))

    @classmethod
    def from_outside(cls, host: Host, *, patience_s: float = REQUEST_S) -> "Requests":
        """Ask in the lab's network, as other hosts do: the door has a map of its own for them."""
        there = ("nsenter", f"--net={host.place.lab.network}")
        pki = str(host.root() / PKI)
        how = (host.address, pki, *PLAIN, str(scaled(patience_s)))
        return cls([*there, sys.executable, str(PROBE), *how])

    def __enter__(self) -> "Requests":
        assert self._process.stdout is not None
        self.first = self._process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        # Its input ends, and so does it.
        answer = self._process.communicate("", timeout=scaled(30))[0]
        self.seen = [timeline.Request(*request) for request in json.loads(answer)]

    @property
    def failed(self) -> list[str]:
        """Which requests failed: which of all, when, and why."""
        return [
            f"{request.at_s:.1f} (request {number} of {len(self.seen)}): {request.why}"
            for number, request in enumerate(self.seen, start=1)
            if request.why
        ]

    @property
    def slowest_s(self) -> float:
        """How long the slowest answer took."""
        return timeline.slowest_s(self.seen)

    @property
    def answered(self) -> int:
        """How many were answered."""
        return len(self.seen) - len(self.failed)

    def __str__(self) -> str:
        told = f"{self.answered} answered, {len(self.failed)} failed"
        return f"{told}, slowest {self.slowest_s:.2f} s"


def have_its_range(host: Host, node: str) -> bool:
    """Whether a node has a range, and every pod on it that has a network of its own is of that."""
    pods = get(host, "pods", "--all-namespaces", f"--field-selector=spec.nodeName={node}")["items"]
    own = get(host, "node", node)["spec"].get("podCIDR")
    if own is None:
        return False
    addresses = [
        pod["status"].get("podIP") for pod in pods if not pod["spec"].get("hostNetwork", False)
    ]
    return all(address and ip_address(address) in ip_network(own) for address in addresses)
