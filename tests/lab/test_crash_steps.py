"""Killed at any step of what they change, bootstrap and reset are finished by the next run.

Some steps here, drawn by lot, and every one with KUBECEPTION_SOAK=1. Those that change files alone
are all killed in tests/api/test_every_step.py.
"""

import random
import re
from dataclasses import dataclass
from typing import Any

import pytest
from tests.lab import cluster
from tests.lab.conftest import Names, Note
from tests.lab.lot import IS_SOAK, SEED
from tests.shape import Shape, difference, shape

from kubeception import crash
from kubeception.lab import Host, Lab
from kubeception.render import join_records, kubelet_serving

BOOTSTRAP = ("bootstrap",)
RESET = ("reset", "--yes", "--etcd", "--pki")
LOG = "/var/tmp/steps"
KILLED = 128 + 9
UID = re.compile("[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}")
FOLDERS = (
    "etc/cni",
    "etc/containerd",
    "etc/kubernetes",
    "etc/sysctl.d",
    "etc/systemd/system",
    "etc/tmpfiles.d",
)
# What is another one in each cluster, or counts how often something was rolled.
COUNTERS = {"clusterIP", "clusterIPs", "deployment.kubernetes.io/revision"}
COUNTERS |= {"deprecated.daemonset.template.generation"}


# What lasts no longer than its run need not be come across by one that follows a kill: where the
# hosted API server has the door by then, nobody waits for one.
MAY_BE_MISSED = re.compile(r"handover: held connections at \S+")


@dataclass(frozen=True)
class End:
    """What a host with a cluster is like in the end."""

    files: Shape
    units: dict[str, str]
    objects: dict[str, Any]
    door: str


def end(host: Host) -> End:
    # The controller makes its list of nodes some moments after its pod counts as ready.
    index = ("configmap", join_records.INDEX, "-n", join_records.RECORDS, "--ignore-not-found")
    cluster.until(lambda: bool(cluster.kubectl(host, "get", *index)), timeout_s=60)
    found = cluster.get(host, "nodes")["items"] + cluster.our_objects(host)
    return End(
        shape(host.root(), *FOLDERS),
        {
            unit: host.run("systemctl", "show", "-p", "ActiveState,UnitFileState", unit).stdout
            for unit in cluster.UNITS
        },
        {cluster.name_of(one): wanted(one) for one in found},
        cluster.door(host),
    )


def wanted(found: dict[str, Any]) -> Any:
    """Return what an object is wanted to be, without what its server and controllers say of it."""
    kept = {key: found["metadata"].get(key) for key in ("labels", "annotations")}
    if found["kind"] == "Node":  # the kubelet and flannel tell there what they find
        return {"labels": kept["labels"], "taints": found["spec"].get("taints")}
    if found["kind"] == "Lease":  # its spec says who holds it
        return kept
    if found["metadata"]["name"] == kubelet_serving.NAME:  # the CA is each cluster's own
        return kept
    rest = {key: value for key, value in found.items() if key not in {"metadata", "status"}}
    return _without(COUNTERS, {**kept, **rest})


def _without(names: set[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(names, one) for key, one in value.items() if key not in names}
    if isinstance(value, list):
        return [_without(names, one) for one in value]
    return value


def run(host: Host, command: tuple[str, ...], *, at: str | None = None) -> int:
    """Run a command that notes its steps, or dies at one; return its exit code."""
    variables = [] if at is None else [f"{crash.AT}={at}"]
    if at in {None, crash.NEXT}:
        variables.append(f"{crash.LOG}={LOG}")
    argv = ("env", *variables, "kubeception", *command)
    done = cluster.after_the_keeper(host, *argv)
    assert done.code in {0, KILLED}, done.stderr
    return done.code


def steps(host: Host) -> list[str]:
    """Return the steps that were noted, and forget them."""
    found = host.get(LOG).splitlines()
    host.run("rm", LOG)
    return found


def ratchet(host: Host, command: tuple[str, ...]) -> list[str]:
    """Run a command until it ends by itself, killed once at each of its steps; return them."""
    kills = 0
    while (code := run(host, command, at=crash.NEXT)) == KILLED:
        kills += 1
    assert code == 0
    found = steps(host)
    assert kills == len(found)
    return found


def is_of_one_run(step: str) -> bool:
    """Tell whether a step may be missing, or be another one, in another run."""
    return bool(UID.search(step) or MAY_BE_MISSED.fullmatch(step))


def drawn(found: list[str], count: int, chance: random.Random) -> list[str]:
    """Draw some steps, in their order, from the first one that needs more than files on."""
    first = next(n for n, step in enumerate(found) if step.startswith("StartUnit "))
    return sorted(chance.sample(found[first:], count), key=found.index)


@pytest.mark.timeout(7200 if IS_SOAK else 600)
def test_what_is_killed_at_a_step_is_finished_by_the_next_run(new_name: Names, note: Note) -> None:
    chance = random.Random(SEED)

    whole = Lab(new_name())
    try:
        cp1 = prepared(whole)
        assert run(cp1, BOOTSTRAP) == 0
        found = steps(cp1)
        cluster.settle(cp1)
        made = end(cp1)
        assert run(cp1, RESET) == 0
        undone = steps(cp1)
        left = shape(cp1.root(), *FOLDERS)
    finally:
        whole.down()

    killed = Lab(new_name())
    try:
        cp1 = prepared(killed)
        if IS_SOAK:
            dead = ratchet(cp1, BOOTSTRAP)
        else:
            dead = drawn([step for step in found if not is_of_one_run(step)], 4, chance)
            for step in dead:
                assert run(cp1, BOOTSTRAP, at=step) == KILLED, f"seed {SEED}: {step}"
            assert run(cp1, BOOTSTRAP) == 0, f"seed {SEED}: {dead}"
        note(f"bootstrap killed at {counted(dead, found)}")
        same(end(cp1), made, why=f"seed {SEED}: {dead}")
        cluster.settle(cp1, why=f"seed {SEED}: {dead}")

        if IS_SOAK:
            dead = ratchet(cp1, RESET)
        else:
            # What bears the uid of a pod is another step on another host.
            dead = [chance.choice([step for step in undone if not UID.search(step)])]
            assert run(cp1, RESET, at=dead[0]) == KILLED, f"seed {SEED}: {dead}"
            assert run(cp1, RESET) == 0, f"seed {SEED}: {dead}"
        note(f"reset killed at {counted(dead, undone)}")
        assert difference(shape(cp1.root(), *FOLDERS), left) == [], f"seed {SEED}: {dead}"
        if IS_SOAK:
            cluster.bootstrap(cp1)
            cluster.settle(cp1)
    finally:
        killed.down()


def counted(dead: list[str], found: list[str]) -> str:
    """Return the steps at which a command died; of all of them, those that are not among.

    A run that follows a kill finds some things done, and others that one left alone does not find.
    """
    if not IS_SOAK:
        return f"{len(dead)} of {len(found)} steps: {'; '.join(dead)}"
    others = [step for step in found if step not in dead and not UID.search(step)]
    assert [step for step in others if not MAY_BE_MISSED.fullmatch(step)] == []
    of = f"of an undisturbed run's {len(found)} not at: {'; '.join(others) or 'none'}"
    return f"{len(dead)} steps, each once; {of}"


def prepared(lab: Lab) -> Host:
    lab.up(bundle=cluster.bundle_folder())
    cp1 = lab.host("cp1")
    cluster.configure(cp1)
    return cp1


def same(one: End, other: End, *, why: str) -> None:
    assert difference(one.files, other.files) == [], why
    assert one.units == other.units, why
    assert one.objects == other.objects, why
    assert one.door == other.door, why
