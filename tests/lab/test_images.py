"""Images reach lab hosts ready to run, and no host can spoil another's."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab import cluster
from tests.lab.conftest import Names, Note, bundle_folder
from tests.lab.machine import scaled

from kubeception.host import process
from kubeception.lab import Host, Lab, cache

CURRENT = "/opt/kubeception/current"
CTR = ("ctr", "--namespace", "k8s.io")
BUNDLES = "/opt/kubeception"
OTHER = "1.37.9-other"


@pytest.fixture(scope="module")
def images() -> set[str]:
    return set(json.loads((bundle_folder() / "bundle.json").read_text())["images"].values())


def names(host: Host) -> set[str]:
    listed = host.run(*CTR, "images", "list", "--quiet").stdout.splitlines()
    # The CRI's plugin adds each image once more, by its digest.
    return {name for name in listed if not name.startswith("sha256:")}


def bundles(host: Host) -> dict[str, bool]:
    """Return the bundles that lie on a host, and whether it uses them."""
    found = json.loads(host.run("kubeception", "bundle", "list", "-o", "json").stdout)
    return {one["name"]: one["in_use"] for one in found}


def contents(folder: Path) -> set[tuple[Path, int, int, int]]:
    found = ((path, path.lstat()) for path in folder.rglob("*"))
    return {(path, stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in found}


@pytest.mark.hosts(2, bundle=True)
def test_hosts_have_the_bundle_and_its_images(hosts: list[Host], images: set[str]) -> None:
    for host in hosts:
        host.run("systemd-run", "--unit=containerd", "containerd")
        host.run("sh", "-c", "until ctr version; do sleep 0.1; done", timeout_s=60)

        assert names(host) == images
        for image in images:
            checked = host.run(*CTR, "images", "check", f"name=={image}").stdout
            assert " complete " in checked
            listed = host.run(*CTR, "images", "list", f"name=={image}").stdout
            assert "io.cri-containerd.pinned=pinned" in listed


@pytest.mark.hosts(2, bundle=True)
def test_a_host_runs_its_images_and_keeps_its_changes_to_itself(
    hosts: list[Host], images: set[str]
) -> None:
    changed, other = hosts
    pause = next(image for image in images if "/pause:" in image)
    shared = cache.containerd(bundle_folder())
    before = contents(shared)

    changed.run(*CTR, "run", "--rm", pause, "try", "/pause", "-h")
    changed.run(*CTR, "images", "remove", "--sync", *sorted(images - {pause}))

    assert names(changed) == {pause}
    assert names(other) == images
    other.run(*CTR, "images", "check")
    assert contents(shared) == before


def imported(host: Host) -> list[str]:
    """Put the bundle on a host by the command for it, and return what it says."""
    argv = (sys.executable, "-m", "kubeception", "bundle", "import", bundle_folder())
    return process.run([*argv, "--root", host.root()]).stdout.splitlines()


def test_a_bare_host_gets_a_bundle_once_by_import(new_name: Names, images: set[str]) -> None:
    lab = Lab(new_name())
    try:
        [cp1] = lab.up()
        cp1.fail("kubelet", "--version")

        said = imported(cp1)

        assert said[-1] == f"{len(said) - 1} changes"
        assert imported(cp1) == ["0 changes"]
        assert "Kubernetes" in cp1.run("kubelet", "--version").stdout
        held = json.loads(cp1.run("kubeception", "bundle", "show", "-o", "json", CURRENT).stdout)
        assert set(held["images"].values()) == images
    finally:
        lab.down()


def test_a_bare_host_gets_the_bundle_as_a_real_one_would(new_name: Names) -> None:
    lab = Lab(new_name())
    try:
        [cp1] = lab.up()
        cp1.fail("kubelet", "--version")

        lab.up(bundle=bundle_folder())

        assert "Kubernetes" in cp1.run("kubelet", "--version").stdout
        cp1.run("kubeception", "--version")
    finally:
        lab.down()


@pytest.fixture
def cp1(new_name: Names) -> Iterator[Host]:
    """A host with the bundle, of a lab of its own."""
    lab = Lab(new_name())
    try:
        [cp1] = lab.up(bundle=bundle_folder())
        yield cp1
    finally:
        lab.down()


@pytest.mark.timeout(500)
def test_of_two_bundles_side_by_side_the_one_in_use_decides_what_pods_run(cp1: Host) -> None:
    """Turning one link is all that it takes, there and back."""
    cluster.configure(cp1)
    cluster.bootstrap(cp1)
    [first] = bundles(cp1)
    listed = json.loads(cp1.get(f"{BUNDLES}/{first}/bundle.json"))
    image, other = listed["images"]["coredns"], f"{listed['images']['coredns']}-other"
    images = {**listed["images"], "coredns": other}
    second = {**listed, "version": OTHER, "kubernetes": "1.37.9", "images": images}
    # Before its list is there: the keeper would import what the runtime lacks of it.
    cp1.run(*CTR, "images", "tag", image, other)
    cp1.run(*CTR, "images", "label", other, "io.cri-containerd.pinned=pinned")
    cp1.put(f"{BUNDLES}/{OTHER}/bundle.json", json.dumps(second))
    for name in ("bin", "lib", "images"):
        cp1.run("ln", "--symbolic", f"../{first}/{name}", f"{BUNDLES}/{OTHER}/{name}")
    assert bundles(cp1) == {first: True, OTHER: False}
    assert cluster.bootstrap(cp1).changes == []

    for name, kubernetes, wanted in (
        (OTHER, "1.37.9", other),
        (first, listed["kubernetes"], image),
    ):
        cp1.run("ln", "--symbolic", "--force", "--no-dereference", name, f"{BUNDLES}/current")
        assert bundles(cp1) == {one: one == name for one in (first, OTHER)}
        changes = cluster.bootstrap(cp1).changes

        assert [
            change for change in changes if " kube-system/" in change and "image" in change
        ] == [
            "control-plane: Deployment kube-system/coredns: "
            ".spec.template.spec.containers[0].image differs"
        ]
        assert any(change.endswith(f" becomes {kubernetes}") for change in changes), changes
        at = "jsonpath={.spec.template.spec.containers[0].image}"
        of = ("--namespace=kube-system", "get", "deployment", "coredns", f"--output={at}")
        assert cluster.kubectl(cp1, *of) == wanted
        assert cluster.bootstrap(cp1).changes == []


@pytest.mark.hosts(1, bundle=True)
def test_another_host_gets_its_images_in_seconds(lab: Lab, hosts: list[Host], note: Note) -> None:
    had = len(lab.hosts())

    started = time.monotonic()
    lab.up(workers=had, bundle=bundle_folder())
    took = time.monotonic() - started

    note(f"one more host with the bundle and its images: {took:.1f} s")
    assert took <= scaled(3)
