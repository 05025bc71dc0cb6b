"""Which bundle of a host an upgrade goes to, and whose code goes on."""

import subprocess
import sys
from pathlib import Path

import pytest

from kubeception.bundle.contents import Bundle
from kubeception.errors import KubeceptionError, PreflightError
from kubeception.host import files
from kubeception.host.gateway import Host
from kubeception.upgrade.target import Target, find, hand_over, is_named
from kubeception.versions import LISTING, Release

BUNDLES = Path("/opt/kubeception")


def put(root: Path, name: str, kubernetes: str) -> None:
    bundle = Bundle(kubernetes, {}, version=name, architecture="amd64", python="python3", files=())
    files.write(root / "opt/kubeception" / name / LISTING, bundle.text())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with three bundles, of which the oldest is in use."""
    for name in ("1.36.4-aa", "1.37.0-bb", "1.37.1-cc"):
        put(tmp_path, name, name.partition("-")[0])
    (tmp_path / "opt/kubeception/current").symlink_to("1.36.4-aa")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (None, "1.37.1-cc"),
        ("1.37.0", "1.37.0-bb"),
        ("v1.37.0", "1.37.0-bb"),
        ("1.37.1-cc", "1.37.1-cc"),
        ("1.36.4", "1.36.4-aa"),
    ],
)
def test_a_version_or_a_name_finds_its_bundle(root: Path, asked: str | None, name: str) -> None:
    found = find(Host(root), asked)

    assert (found.folder, found.release.kubernetes) == (BUNDLES / name, name.partition("-")[0])
    assert found.program("kubelet") == BUNDLES / name / "bin/kubelet"


def test_which_of_two_of_a_version_is_said_by_its_name(root: Path) -> None:
    put(root, "1.36.4-zz", "1.36.4")

    with pytest.raises(PreflightError) as refused:
        find(Host(root), "1.36.4")
    assert refused.value.problems == (
        "1.36.4: this host has several bundles of it: 1.36.4-aa (in use), 1.36.4-zz",
    )
    assert find(Host(root), "1.36.4-zz").folder.name == "1.36.4-zz"
    assert find(Host(root), None).folder.name == "1.37.1-cc"


def test_versions_are_compared_as_numbers(root: Path) -> None:
    put(root, "1.37.10-dd", "1.37.10")

    assert find(Host(root), None).folder.name == "1.37.10-dd"


@pytest.mark.parametrize("asked", ["1.38.0", "1.37", "current", "../1.37.1-cc"])
def test_what_is_not_there_is_named_with_what_is(root: Path, asked: str) -> None:
    with pytest.raises(PreflightError) as refused:
        find(Host(root), asked)
    assert refused.value.problems == (
        f"{asked}: this host has no bundle of it; it has 1.36.4-aa, 1.37.0-bb, 1.37.1-cc",
    )


def test_the_targets_own_code_goes_on_in_the_same_process(root: Path) -> None:
    library = root / "opt/kubeception/1.37.1-cc/lib/python"
    files.write(library / "kubeception/upgrade/__init__.py", "")
    files.write(library / "kubeception/__init__.py", "")
    said = "import os, sys; print(os.getpid(), sys.argv[1:])"
    files.write(library / "kubeception/__main__.py", said)
    source = (
        "from pathlib import Path; from kubeception.host.gateway import Host;"
        "from kubeception.upgrade.target import find, hand_over;"
        f"host = Host(Path({str(root)!r}));"
        "hand_over(find(host, '1.37.1'), host, ['upgrade', 'plan']); print('not reached')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate()
        assert output == f"{process.pid} ['upgrade', 'plan']\n"


def test_code_that_can_not_upgrade_is_told(root: Path) -> None:
    with pytest.raises(KubeceptionError, match="its kubeception can't upgrade a cluster"):
        hand_over(find(Host(root), "1.37.1"), Host(root), ["upgrade", "plan"])


def test_code_that_knows_no_source_is_told(root: Path) -> None:
    library = root / "opt/kubeception/1.37.1-cc/lib/python"
    files.write(library / "kubeception/upgrade/__init__.py", "")

    with pytest.raises(KubeceptionError, match="its kubeception has no hosts fetch a bundle"):
        hand_over(find(Host(root), "1.37.1"), Host(root), ["upgrade", "apply"], has_source=True)


@pytest.mark.parametrize(
    ("asked", "is_it"),
    [("1.37.1", True), ("v1.37.1", True), ("1.37.1-cc", True), ("1.37.0", False), ("", False)],
)
def test_what_has_come_is_what_was_asked_for(root: Path, asked: str, is_it: bool) -> None:
    assert is_named(Host(root), "1.37.1-cc", asked) is is_it


def test_our_own_code_goes_on_itself(tmp_path: Path) -> None:
    """A library that is this one's, by whatever link."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/python").symlink_to(Path(__file__).parents[3] / "src")

    hand_over(Target(tmp_path, Release("1.37.1", {})), Host(), ["upgrade", "plan"])
