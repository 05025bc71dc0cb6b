"""`make timeline`: take a lab from one minor to the next, and draw docs/upgrade.svg.

Then kubeadm does the same with hosts of its own, and a line says how each fared. It needs the
bundle of the minor before: `kubeception bundle build --release 1.36`.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby

from tests.lab import budgeted, cluster, releases, timeline
from tests.lab.cluster import Requests, again_and_again, kubectl, until

from bench import kubeadm, kubeadm_upgrade, machine, svg
from bench.lab import own
from bench.svg import BAR, BOTTOM, LABELS, LANE, TOP, text
from kubeception import report
from kubeception.bundle import contents
from kubeception.bundle.build import default_folder
from kubeception.bundle.components import SOURCES
from kubeception.lab import Host, Lab
from kubeception.versions import BUILT_IN

PICTURE = SOURCES / "docs" / "upgrade.svg"
BEFORE = "1.36"
EVERY_S, BEFORE_S = 0.5, 5.0
API = "API server"


@dataclass
class Seen:
    """What each lane was at, again and again, and the requests meanwhile."""

    looks: list[tuple[float, Mapping[str, str]]] = field(default_factory=list)
    requests: list[timeline.Span] = field(default_factory=list)
    fewest_pods: int = 0
    took_s: float = 0.0

    def __str__(self) -> str:
        answered = sum(span.answered for span in self.requests)
        return (
            f"{self.took_s:.0f} s; {answered} requests answered, {timeline.failed(self.requests)} "
            f"failed, longest without an answer {timeline.gap_s(self.requests):.1f} s; "
            f"never fewer than {self.fewest_pods} of {budgeted.REPLICAS} pods ready"
        )

    def look(self, cp1: Host) -> None:
        """Note what everything is at."""
        said = json.loads(kubectl(cp1, "get", "--raw", "/version"))
        found = json.loads(kubectl(cp1, "get", "clusterupgrades,nodes", "-o", "json"))["items"]
        passes_for = f"{said['emulationMajor']}.{said['emulationMinor']}"
        lanes = {API: f"{said['gitVersion']}, passes for {passes_for}"}
        for one in found:
            if one["kind"] == "Node":
                version = one["status"]["nodeInfo"]["kubeletVersion"]
                lanes[one["metadata"]["name"]] = version
        for one in found:
            if one["kind"] != "Node":
                at_hand = {"Draining", "Upgrading"}
                for node in one.get("status", {}).get("nodes", []):
                    if node["state"] in at_hand:
                        lanes[node["name"]] = node["state"].lower()
        self.looks.append((time.time(), lanes))


def main() -> None:
    """Measure, and draw."""
    report.configure()
    with _of_before() as lab:
        lab.bootstrap()
        lab.join()
        ours, began_s = _upgraded(lab)
        PICTURE.write_text(_picture(ours, began_s))
    with _of_before() as lab:
        theirs = _upgraded_by_kubeadm(lab)
    print(machine.words(), f"kubeception: {ours}", f"kubeadm: {theirs}", sep="\n")


@contextmanager
def _of_before() -> Iterator[Lab]:
    """Yield three hosts that have the bundle of the minor before."""
    with own() as lab:
        lab.up(workers=2, bundle=default_folder(BEFORE))
        yield lab


def _upgraded(lab: Lab) -> tuple[Seen, float]:
    """Return what was seen of an upgrade, and when it began."""
    cp1, *_ = hosts = lab.hosts()
    cluster.settle(cp1)
    budgeted.make(cp1, contents.load(default_folder(BEFORE)).images["pause"])
    releases.stage(cluster.bundle_folder(), cp1, on=hosts)
    seen = Seen()

    def is_for_good() -> bool:
        return bool(seen.looks) and seen.looks[-1][1][API].endswith(BUILT_IN.minor)

    with ExitStack() as stack:
        ready = stack.enter_context(budgeted.watched(cp1))
        asking = stack.enter_context(Requests.on(cp1, cp1.address))
        stack.enter_context(again_and_again(partial(seen.look, cp1), every_s=EVERY_S))
        time.sleep(BEFORE_S)
        began_s = time.time()
        cp1.run("kubeception", "upgrade", "apply", "--yes", timeout_s=900)
        seen.took_s = time.time() - began_s
        until(is_for_good, timeout_s=300)
        cluster.settle(cp1)
    seen.requests = timeline.spans(asking.seen, zero_s=began_s)
    seen.fewest_pods = min(ready)
    return seen, began_s


def _upgraded_by_kubeadm(lab: Lab) -> Seen:
    """Return what was seen of kubeadm's upgrade; the picture is of ours."""
    cp1, *_ = hosts = lab.hosts()
    before, after = default_folder(BEFORE), cluster.bundle_folder()
    kubeadm_upgrade.make(lab, before)
    budgeted.make(cp1, contents.load(before).images["pause"])
    kubeadm_upgrade.stage(hosts, after, kubeadm.build(after))
    seen = Seen()
    with budgeted.watched(cp1) as ready, Requests.on(cp1, cp1.address) as asking:
        time.sleep(BEFORE_S)
        began_s = time.time()
        kubeadm_upgrade.go(hosts, after)
        seen.took_s = time.time() - began_s
    seen.requests = timeline.spans(asking.seen, zero_s=began_s)
    seen.fewest_pods = min(ready)
    return seen


def _picture(seen: Seen, began_s: float) -> str:
    end_s = seen.looks[-1][0] - began_s
    names = [API, *sorted({*seen.looks[-1][1]} - {API})]
    bottom = TOP + LANE * (1 + len(names))
    parts = [*_legend(), *svg.axis(bottom, end_s, zero="upgrade apply", before_s=BEFORE_S)]
    parts += _requests(seen, end_s)
    for number, name in enumerate(names, 1):
        parts += _lane(seen, name, TOP + LANE * number, began_s, end_s)
    spoken = (
        f"From {BEFORE} to {BUILT_IN.minor}: {machine.words()}; of four pods with a budget of three"
        f" never fewer than {seen.fewest_pods} were ready"
    )
    return svg.document(spoken, bottom + BOTTOM, parts)


def _requests(seen: Seen, end_s: float) -> Iterator[str]:
    top = TOP + (LANE - BAR) / 2
    yield text("requests to the API", LABELS - 10, top + BAR / 2 + 4, anchor="end")
    for span in seen.requests:
        left, right = (svg.x(at, end_s, before_s=BEFORE_S) for at in (span.start_s, span.end_s))
        told = f"{span.failed} failed: {span.why}" if span.is_gap else f"{span.answered} answered"
        yield svg.bar("gap" if span.is_gap else "ok", left, right, top, told, least=1.5)


def _lane(seen: Seen, name: str, row: float, began_s: float, end_s: float) -> Iterator[str]:
    top = row + (LANE - BAR) / 2
    yield text(name, LABELS - 10, top + BAR / 2 + 4, anchor="end")
    looks = [(at_s - began_s, lanes.get(name, "")) for at_s, lanes in seen.looks]
    runs = [(words, next(group)[0]) for words, group in groupby(looks, key=lambda one: one[1])]
    ends = [start for _, start in runs[1:]] + [end_s]
    for (words, start_s), until_s in zip(runs, ends, strict=True):
        left, right = (svg.x(at, end_s, before_s=BEFORE_S) for at in (start_s, until_s))
        told = f"{start_s:.0f} to {until_s:.0f} s: {words}"
        yield svg.bar(_style(words), left, right, top, told, least=1.5)


def _style(words: str) -> str:
    """Return how a state is drawn: on the way, of the minor before, or there."""
    if words == "upgrading" or (f"v{BUILT_IN.kubernetes}" in words and BEFORE in words):
        return "act"
    if words == "draining":
        return "well"
    return "before" if words.startswith(f"v{BEFORE}") else "ok"


def _legend() -> Iterator[str]:
    y, at = 24.0, 20.0
    for style, words in (
        ("before", f"of {BEFORE}"),
        ("well", "is emptied"),
        ("act", f"goes to {BUILT_IN.minor}; the API server passes for {BEFORE}"),
        ("ok", f"of {BUILT_IN.minor}; requests answered"),
        ("gap", "requests failed"),
    ):
        yield svg.bar(style, at, at + 18, y - 9, words)
        yield text(words, at + 24, y)
        at += 40 + 6.4 * len(words)


if __name__ == "__main__":
    main()
