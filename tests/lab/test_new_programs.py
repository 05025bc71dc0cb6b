"""A bundle with other programs: hosts run them at the end of their next run, and pods go on."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.conftest import Note
from tests.lab import cluster, timeline
from tests.lab.cluster import Requests, bootstrap
from tests.lab.conftest import Names, bundle_folder
from tests.lab.machine import scaled

from kubeception.bundle import contents, output
from kubeception.bundle.contents import Bundle
from kubeception.host import files
from kubeception.lab import Host, Lab

pytestmark = [pytest.mark.hosts(2), pytest.mark.timeout(600)]

GAP_S = 3.0
PROGRAMS = ("containerd", "etcd", "kubelet")
KEEPER = "keeper: kubeception-keeper.service: /opt/kubeception/current is newer than its start"


@pytest.fixture(scope="module")
def lab(new_name: Names) -> Iterator[Lab]:
    """A cluster with a worker."""
    made = Lab(new_name())
    try:
        made.up(workers=1, bundle=bundle_folder())
        made.bootstrap()
        made.join()
        yield made
    finally:
        made.down()


def another(folder: Path) -> Path:
    """Lay out a bundle that differs in three programs: each does what it did, and has a byte more.

    As another build of the same version would.
    """
    bundle = contents.load(bundle_folder())
    sources = {}
    for file in bundle.files:
        source, name = bundle_folder() / file.path, Path(file.path).name
        if file.path.startswith("bin/") and name in PROGRAMS:
            own = folder / name
            own.write_bytes(source.read_bytes() + b"\0")
            own.chmod(0o755)
            file = structs.replace(file, size=own.stat().st_size, sha256=files.digest(own))
            source = own
        sources[file] = source
    other = Bundle.of(
        components=bundle.components,
        architecture=bundle.architecture,
        python=bundle.python,
        images=bundle.images,
        files=list(sources),
        released=bundle.released,
    )
    output.lay_out(folder / "bundle", other, sources)
    return folder / "bundle"


def running(host: Host, *programs: str) -> list[Path]:
    """Return what each unit's main process runs, links followed."""
    found = []
    for program in programs:
        unit = f"{program}.service"
        pid = host.run("systemctl", "show", "--value", "-p", "MainPID", unit).stdout.strip()
        found.append(Path(host.run("readlink", f"/proc/{pid}/exe").stdout.strip()))
    return found


def test_hosts_run_the_programs_of_a_new_bundle_and_their_pods_go_on(
    hosts: list[Host], lab: Lab, note: Note, tmp_path: Path
) -> None:
    cp1, worker = hosts
    cluster.settle(cp1)
    before = {name(p): restarts(p) for p in cluster.pods(cp1)}
    bundle = another(tmp_path)
    folder = Path("/opt/kubeception") / contents.load(bundle).version / "bin"

    with ExitStack() as stack:
        asking = [Requests.on(cp1), Requests.on(cp1, cp1.address), Requests.from_outside(cp1)]
        watched = [stack.enter_context(requests) for requests in asking]
        lab.up(workers=1, bundle=bundle)
        run = bootstrap(cp1)
        worker.run("kubeception", "join", timeout_s=120)
        cluster.settle(cp1)

    note(f"other programs: {run.wall_s:.1f} s, {watched[0]}; {watched[1]}; {watched[2]}")
    changed = "it runs another {0} than /usr/local/bin/{0}"
    assert run.changes == [
        KEEPER,
        *(
            f"programs: {program}.service: {changed.format(program)}"
            for program in ("containerd", "kubelet", "etcd")
        ),
    ]
    assert running(cp1, *PROGRAMS) == [folder / program for program in PROGRAMS]
    assert running(worker, "containerd", "kubelet") == [folder / "containerd", folder / "kubelet"]
    for requests in watched:
        # Its one member of etcd starts anew; so much is allowed where one is killed.
        assert timeline.gap_s(timeline.spans(requests.seen)) <= scaled(GAP_S)
    assert {name(p): restarts(p) for p in cluster.pods(cp1)} == before
    assert bootstrap(cp1).changes == []
    assert " 0 changes" in worker.run("kubeception", "join", timeout_s=120).stdout


def name(pod: dict[str, Any]) -> str:
    """Return what a pod and no other one is called."""
    return f"{pod['metadata']['name']} {pod['metadata']['uid']}"


def restarts(pod: dict[str, Any]) -> int:
    """Return how often containers of a pod were started again."""
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
