"""Images reach lab hosts ready to run, and no host can spoil another's."""

import json
import time
from pathlib import Path

import pytest
from tests.lab.conftest import Names, Note, bundle_folder

from kubeception.lab import Host, Lab, cache

CTR = ("ctr", "--namespace", "k8s.io")


@pytest.fixture(scope="module")
def images() -> set[str]:
    return set(json.loads((bundle_folder() / "bundle.json").read_text())["images"].values())


def names(host: Host) -> set[str]:
    listed = host.run(*CTR, "images", "list", "--quiet").stdout.splitlines()
    # The CRI's plugin adds each image once more, by its digest.
    return {name for name in listed if not name.startswith("sha256:")}


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


@pytest.mark.hosts(1, bundle=True)
def test_another_host_gets_its_images_in_seconds(lab: Lab, hosts: list[Host], note: Note) -> None:
    had = len(lab.hosts())

    started = time.monotonic()
    lab.up(workers=had, bundle=bundle_folder())
    took = time.monotonic() - started

    note(f"one more host with the bundle and its images: {took:.1f} s")
    # The aim is 3 s; a busy machine is given three times that.
    assert took < 9
