"""Watch a host until it is well again, and say how long that took."""

import itertools
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cluster, timeline
from tests.lab.breaking import Mended
from tests.lab.faults import Fault
from tests.lab.machine import scaled

from kubeception.errors import KubeceptionError
from kubeception.keeper import record
from kubeception.keeper.verdict import Action
from kubeception.lab import Host, Lab
from kubeception.layout import Layout

WRITER = Path(__file__).with_name("writer.py")
# Acknowledged writes before a host is cut off, and at most so many after it.
BEFORE, AFTER = 50, 200
# Until a host that was off answers, and until all is well on it.
BACK_S = 75.0
# What was just made or mended becomes well.
SETTLED_S = 90.0
# An API server is proven a minute after it has the door; three times the room for that.
PROOF_S = 3 * 70


@dataclass(frozen=True)
class Healing:
    """What became of a fault.

    Times are in seconds since `began_s`, when its injection began; that took `injected_s`.
    `well_s` counts from the end of it, and is None where `problems` were left when patience ended.
    `outside` are the requests from the lab's network. `replaced` are the pods that are other ones
    then, or were started anew.
    """

    began_s: float
    injected_s: float
    well_s: float | None
    requests: int
    slowest_s: float
    spans: list[timeline.Span]
    outside: cluster.Requests
    replaced: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Return:
    """How a host came back from darkness: seconds from its cut until its API answered, and all was
    well; and the writes that were acknowledged before, with those that are lost.
    """

    began_s: float
    api_s: float
    well_s: float
    acknowledged: int
    lost: list[str]


def problems(host: Host, *, until_proven: bool = False) -> list[str]:
    """Return why all is not well: the keeper has something to do, or something is unhealthy.

    Whether a new revision of the API server has been proven yet is none of its users' concern.
    """
    try:
        last = record.read(host.root() / Layout.keeper.relative_to("/"))
        if last is None:
            return ["the keeper is silent"]
        is_on_trial = last.action == Action.WAIT and last.why.endswith(" is on trial")
        if last.action != Action.NOTHING and (until_proven or not is_on_trial):
            return [f"keeper: {last.action}: {last.why}"]
        return cluster.unhealthy(host)
    except (KubeceptionError, json.JSONDecodeError) as error:  # there is no API to ask, say
        return [str(error)]


def wait(
    host: Host,
    *,
    patience_s: float,
    mended: Mended = lambda: True,
    until_proven: bool = False,
) -> list[str]:
    """Wait until a fault is mended and all is well; return what is not when patience ends.

    Where the machine is too slow for it, the keeper waits longer itself: that time does not count.
    """
    left_s, seen_s = patience_s, time.monotonic()
    while True:
        left = _not_mended(mended) or problems(host, until_proven=until_proven)
        now_s = time.monotonic()
        left_s -= 0 if _is_slow(host) else now_s - seen_s
        seen_s = now_s
        if not left or left_s < 0:
            return left
        time.sleep(cluster.LOOK_EVERY_S)


def _is_slow(host: Host) -> bool:
    try:
        last = record.read(host.root() / Layout.keeper.relative_to("/"))
    except (KubeceptionError, json.JSONDecodeError):
        return False
    return last is not None and "times too slow" in last.why


def heal(fault: Fault, host: Host, *, patience_s: float) -> Healing:
    """Break something, ask the API all the while, and wait until all is well again."""
    before = _started(host)
    with cluster.Requests.on(host) as requests, cluster.Requests.from_outside(host) as outside:
        began_s = time.time()
        mended = fault.inject(host)
        injected_s = time.time() - began_s
        left = wait(host, patience_s=patience_s, mended=mended, until_proven=True)
        well_s = time.time() - began_s - injected_s
    after = before if left else _started(host)
    return Healing(
        began_s,
        injected_s,
        None if left else well_s,
        len(requests.seen),
        timeline.slowest_s(requests.seen),
        timeline.spans(requests.seen, zero_s=began_s),
        outside,
        [name for name, started in before.items() if after.get(name) != started],
        left,
    )


def come_back(cut: Callable[[], object], host: Host, *, batch: str, patience_s: float) -> Return:
    """Cut a host off under writes, and wait until it is back by itself."""
    began_s, acknowledged = write_and(cut, host, batch=batch)
    api_s = cluster.until(lambda: cluster.answers(host), timeout_s=patience_s, since_s=began_s)
    well_s = cluster.until(
        lambda: not problems(host, until_proven=True), timeout_s=patience_s, since_s=began_s
    )
    return Return(began_s, api_s, well_s, len(acknowledged), sorted(lost(host, acknowledged)))


def cut_power(host: Host) -> None:
    """Take a host's power away, and give it back."""
    host.power_cut()
    host.boot()


# What makes a host go dark, and light again.
DARKNESSES: dict[str, Callable[[Host], object]] = {"power cut": cut_power, "reboot": Host.reboot}


def write_and(cut: Callable[[], object], host: Host, *, batch: str) -> tuple[float, set[str]]:
    """Write to the API until something cuts it off; return when, and what was acknowledged."""
    host.put("/tmp/writer.py", WRITER.read_text())
    argv = host.command("python3", "/tmp/writer.py", batch)
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as writing:
        assert writing.stdout is not None
        acknowledged = {writing.stdout.readline().strip() for _ in range(BEFORE)}
        began_s = time.time()
        cut()
        acknowledged |= {line.strip() for line in itertools.islice(writing.stdout, AFTER)}
        writing.kill()  # where the cut was not of the whole host
    return began_s, acknowledged


def lost(host: Host, acknowledged: set[str]) -> set[str]:
    """Return the acknowledged writes that are not there."""
    found = cluster.get(host, "configmaps", "-n", "default")["items"]
    return acknowledged - {item["metadata"]["name"] for item in found}


def made(lab: Lab) -> Host:
    """Make a cluster on a lab's control-plane host."""
    host = lab.host("cp1")
    cluster.configure(host)
    cluster.bootstrap(host)
    return host


def well(lab: Lab, *, until_proven: bool = False) -> Host:
    """Return the host of a lab's cluster, well: one that can't be mended is made anew."""
    patience_s = scaled(PROOF_S if until_proven else SETTLED_S)
    if lab.hosts():
        host = lab.host("cp1")
        if not wait(host, patience_s=patience_s, until_proven=until_proven):
            return host
        lab.down()
    lab.up(bundle=cluster.bundle_folder())
    host = made(lab)
    if left := wait(host, patience_s=patience_s, until_proven=until_proven):
        raise AssertionError(f"a new cluster is not well: {'; '.join(left)}")
    return host


def proven(lab: Lab) -> Host:
    """Make a cluster on a lab's control-plane host, and wait until its API server is proven."""
    host = made(lab)
    cluster.until(lambda: len(kept(host)) == 1, timeout_s=PROOF_S)
    return host


def kept(host: Host) -> list[str]:
    """Return the files of the API server's revisions that were proven on a host."""
    listing = "ls /var/lib/kubeception/revisions/proven-*.json"
    return host.run("sh", "-c", listing, check=False).stdout.split()


def _not_mended(mended: Mended) -> list[str]:
    try:
        return [] if mended() else ["what was broken is not mended"]
    except KubeceptionError as error:
        return [str(error)]


def _started(host: Host) -> dict[str, tuple[str, list[int]]]:
    """Return which start of each pod runs that is to stay."""
    return {
        pod["metadata"]["name"]: (
            pod["metadata"]["uid"],
            [one["restartCount"] for one in pod["status"].get("containerStatuses", [])],
        )
        for pod in cluster.pods(host)
        if "deletionTimestamp" not in pod["metadata"]
    }
