"""Hosts get a release from a web server by themselves, of which one alone was told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Note
from tests.lab import cluster, releases
from tests.lab.cluster import get

from kubeception.bundle import contents
from kubeception.host.process import Completed
from kubeception.lab import Host, Lab
from kubeception.render import cluster_controller
from kubeception.render.cluster_upgrade import ORDER_NOTE, Errand, Order, of_order
from kubeception.render.objects import user_of
from kubeception.source import Source
from kubeception.versions import LISTING

pytestmark = [pytest.mark.hosts(2, bundle=True), pytest.mark.timeout(500)]

WEB = "/srv/web"
PORT = 8000
NAME, EVIL = "evil", "1.99.9-evil"
ADMIN = "--kubeconfig=/etc/kubernetes/admin.conf"


def test_one_command_on_one_host_brings_a_release_from_a_server_to_all(
    lab: Lab, tmp_path: Path, note: Note
) -> None:
    """At an address that only cp1 reaches w1 fails, and nothing has changed then."""
    cp1, w1 = lab.hosts()
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    w1.run(
        "sh",
        stdin=cp1.run("kubeception", "token", "create", "--node", "w1").stdout,
        timeout_s=240,
    )
    bundle = releases.another(tmp_path, of_images=releases.IMAGES)
    release = contents.load(bundle).version
    digest = contents.sum_of((bundle / LISTING).read_bytes())
    shutil.copytree(bundle, cp1.root() / WEB.lstrip("/"))
    serve = ("python3", "-m", "http.server", str(PORT), "--directory", WEB)
    cp1.run("systemd-run", "--unit", "web", *serve)
    before = releases.running(w1, "containerd", "kubelet")

    failed = apply(cp1, "127.0.0.1", digest)

    assert failed.code == 1, failed
    assert "w1 failed: " in failed.stderr
    assert "Connection refused" in failed.stderr
    assert not any(one["spec"].get("unschedulable") for one in get(cp1, "nodes")["items"])
    assert releases.running(w1, "containerd", "kubelet") == before
    assert release not in cp1.run("readlink", "/opt/kubeception/current").stdout

    done = apply(cp1, cp1.address, digest)

    assert done.code == 0, done
    assert "node w1: fetching\n" in done.stdout
    assert f"all nodes run {release}" in done.stdout
    programs = [
        Path("/opt/kubeception") / release / "bin" / name for name in ("containerd", "kubelet")
    ]
    assert releases.running(w1, "containerd", "kubelet") == programs
    assert releases.running(cp1, "containerd", "kubelet") == programs
    asked = cp1.run("journalctl", "-u", "web", "-o", "cat").stdout
    for file in contents.load(bundle).files:
        assert asked.count(f'"GET /{file.path} ') == 2, "once for each host"
    assert (
        cp1.run("ls", "-A", "/opt/kubeception").stdout
        == w1.run("ls", "-A", "/opt/kubeception").stdout
    )
    w1_fetches_nothing_by_the_controllers_word(cp1, w1)
    cluster.settle(cp1)
    assert cluster.bootstrap(cp1).changes == []
    took = [line for line in done.stdout.splitlines() if "done" in line]
    note(f"{release}: {took[-1]}")


def w1_fetches_nothing_by_the_controllers_word(cp1: Host, w1: Host) -> None:
    """Ask as its account: for a bundle from somewhere, then by a Node alone."""
    order = Order(("w1",), EVIL, source=Source("http://192.0.2.66", "66" * 32))
    refused = as_controller(cp1, "create", "-f", "-", stdin=paused(order), check=False)
    assert "only administrators say which bundle hosts fetch" in refused.stderr
    as_controller(cp1, "create", "-f", "-", stdin=paused(replace(order, source=None)))
    run = get(cp1, "clusterupgrade", NAME)["metadata"]["uid"]
    there = w1.run("ls", "-A", "/opt/kubeception").stdout
    asked = f"{run}/{EVIL}"

    notes = (f"{Errand.FETCH.note}={asked}", f"{ORDER_NOTE}={NAME}")
    as_controller(cp1, "annotate", "node", "w1", *notes)

    def answer() -> str:
        said: str = get(cp1, "node", "w1")["metadata"]["annotations"][Errand.FETCH.answer]
        return said

    cluster.until(lambda: answer().startswith(asked), timeout_s=60)
    assert answer() == f"{asked}: ClusterUpgrade {NAME} names no source"
    assert w1.run("ls", "-A", "/opt/kubeception").stdout == there
    cluster.kubectl(cp1, "delete", "clusterupgrade", NAME)
    gone = (f"{key}-" for key in (Errand.FETCH.note, ORDER_NOTE))
    as_controller(cp1, "annotate", "node", "w1", *gone)


def as_controller(
    cp1: Host, *words: str, stdin: str | None = None, check: bool = True
) -> Completed:
    account = user_of(cluster_controller.NAME)
    return cp1.run("kubectl", ADMIN, f"--as={account}", *words, stdin=stdin, check=check)


def paused(order: Order) -> str:
    """Return an order that the real controller lets be."""
    found = {**of_order(order), "metadata": {"name": NAME}}
    found["spec"]["paused"] = True
    return json.dumps(found)


def apply(cp1: Host, address: str, digest: str) -> Completed:
    """Have the cluster go to what the server has."""
    source = ("--from", f"http://{address}:{PORT}", "--sha256", digest)
    return cp1.run("kubeception", "upgrade", "apply", *source, "--yes", check=False, timeout_s=400)
