"""A release is read from a bundle's list, and the built-in one says what would be built now."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Golden

from kubeception import __version__, versions
from kubeception.bundle import components
from kubeception.bundle.components import Component
from kubeception.bundle.contents import Bundle
from kubeception.errors import KubeceptionError
from kubeception.versions import BUILT_IN, IMAGE_PREFIX, Range, Release

# As a kubeception before the first release date wrote it.
OLD: dict[str, Any] = {
    "version": "1.37.1-e6ed595c",
    "kubernetes": "1.37.1",
    "architecture": "amd64",
    "python": "python3.11",
    "components": {"kubernetes": "1.37.1", "coredns": "1.15.0"},
    "images": {"coredns": "localhost/kubeception/coredns:v1.15.0"},
    "files": [
        {"path": "bin/coredns", "size": 3, "sha256": "ab" * 32, "component": "coredns"},
        {"path": "images/coredns.tar", "size": 3, "sha256": "cd" * 32},
    ],
}


IN_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


def release(folder: Path, listed: object) -> Release:
    (folder / versions.LISTING).write_text(json.dumps(listed))
    return Release.read(folder)


def test_an_older_list_is_read_which_has_no_date(tmp_path: Path) -> None:
    found = release(tmp_path, OLD)

    assert found == Release(
        "1.37.1",
        {"coredns": "localhost/kubeception/coredns:v1.15.0"},
        {"kubernetes": "1.37.1", "coredns": "1.15.0"},
        version="1.37.1-e6ed595c",
    )
    assert found.released is None


def test_what_a_newer_kubeception_will_add_is_passed_over(tmp_path: Path) -> None:
    newer = {**OLD, "released": "2026-09-23T00:00:00Z", "signature": {"of": "somebody"}}

    assert release(tmp_path, newer).released == datetime(2026, 9, 23, tzinfo=UTC)
    assert Bundle.read(tmp_path).files[0].component == "coredns"


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    release(tmp_path, {**OLD, "released": "2026-09-23T00:00:00Z"})
    found = Bundle.read(tmp_path)
    (tmp_path / versions.LISTING).write_text(found.text())

    assert Bundle.read(tmp_path) == found
    assert Release.read(tmp_path).released == found.released


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (
            {"kubernetes": "v1.37.1"},
            'kubernetes: "v1.37.1" is not a version of Kubernetes such as 1.37.1',
        ),
        (
            {"kubernetes": None},
            "kubernetes: null is not a version of Kubernetes such as 1.37.1",
        ),
        ({"images": ["a"]}, "images: an array is not an object"),
        (
            {"released": "2026-09-23T00:00:00"},
            'released: "2026-09-23T00:00:00" is not a time such as 2026-09-23T00:00:00Z',
        ),
    ],
)
def test_a_wrong_list_says_where_it_is_wrong(
    tmp_path: Path, wrong: dict[str, object], problem: str
) -> None:
    with pytest.raises(KubeceptionError) as caught:
        release(tmp_path, {**OLD, **wrong})
    assert caught.value.message == f"{tmp_path}/bundle.json: {problem}"
    assert caught.value.hint == "kubeception bundle import DIR"


def test_a_host_without_a_bundle_is_no_host_with_a_broken_one(tmp_path: Path) -> None:
    current = tmp_path / "current"
    assert versions.in_use(current) is None

    current.symlink_to("1.37.1-gone")
    with pytest.raises(KubeceptionError, match="no bundle here"):
        versions.in_use(current)


@pytest.mark.parametrize(
    ("kubernetes", "kubelet", "apiserver"),
    [
        ("1.37.1", Range((1, 34), (1, 38)), Range((1, 36), (1, 38))),
        ("1.36.4", Range((1, 33), (1, 37)), Range((1, 35), (1, 37))),
        ("1.38.0-alpha.1", Range((1, 35), (1, 39)), Range((1, 37), (1, 39))),
    ],
)
def test_what_goes_together_with_it_follows_from_its_minor(
    kubernetes: str, kubelet: Range, apiserver: Range
) -> None:
    found = Release(kubernetes, {})

    assert found.minor == kubernetes[:4]
    assert (found.supported["kubelet"], found.supported["kube-apiserver"]) == (kubelet, apiserver)


def test_the_built_in_release_is_what_the_modules_say(golden: Golden) -> None:
    """Where a host has no bundle its images go by these versions; a bundle has its own names."""
    table = {one.name: one for one in components.table(BUILT_IN.minor)}
    kubernetes = table["kubernetes"]
    others = {"pause": "3.10", "kubeception": __version__}
    of = {name: one.version for name, one in table.items()} | others
    tags = {
        **dict.fromkeys(IN_PODS, f"v{kubernetes.version}"),
        **{name: f"v{of[name]}" for name in ("coredns", "flannel")},
        **others,
    }
    wanted = Release(
        of["kubernetes"],
        {name: f"{IMAGE_PREFIX}/{name}:{tag}" for name, tag in tags.items()},
        of,
        kubernetes.released,
    )
    golden(Path(versions.__file__).with_name(versions.LISTING), wanted.text())


def test_the_built_in_release_is_the_newest() -> None:
    minors = [path.name for path in (components.MODULES / "kubernetes").iterdir()]

    assert max(minors, key=lambda minor: int(minor.partition(".")[2])) == BUILT_IN.minor


def test_a_date_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kubernetes").mkdir()
    (tmp_path / "kubernetes/go.mod").write_text("require k8s.io/kubernetes v1.37.2\n")
    (tmp_path / "kubernetes/release.toml").write_text(
        'version = "1.37.1"\nreleased = 2026-09-23T00:00:00Z\n'
    )
    module = Component("kubernetes", "k8s.io/kubernetes", modules=tmp_path)

    with pytest.raises(KubeceptionError, match=r"is about 1\.37\.1, and go\.mod asks for 1\.37\.2"):
        _ = module.released
