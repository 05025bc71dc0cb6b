"""A bundle gets onto a host whole, once, and without touching what isn't ours."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kubeception.bundle import contents
from kubeception.bundle.install import install
from kubeception.errors import KubeceptionError, Locked, PreflightError
from kubeception.host import lock

MakeBundle = Callable[[str], Path]


def put(bundle: Path, root: Path) -> list[str]:
    # Links instead of copies: nothing waits for the disk.
    return install(bundle, root, linked=True)


def test_a_host_has_programs_plugins_and_a_launcher(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)

    version = contents.load(root / "opt/kubeception/current").version
    assert (root / "opt/kubeception/current").readlink() == Path(version)
    assert (root / "usr/local/bin/etcd").readlink() == Path("/opt/kubeception/current/bin/etcd")
    assert (root / "opt/cni/bin/bridge").readlink() == Path(
        "/opt/kubeception/current/bin/cni/bridge"
    )
    library = root / "opt/kubeception/current/lib/python"
    assert sorted(path.name for path in library.iterdir()) == ["dependencies.py", "kubeception.py"]
    launcher = root / "usr/local/bin/kubeception"
    assert "/opt/kubeception/current/lib/python" in launcher.read_text()
    assert launcher.stat().st_mode & 0o111
    contents.verify(root / "opt/kubeception/current")


def test_the_second_time_changes_nothing(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle("3.7.3")

    assert put(bundle, tmp_path / "host")
    assert put(bundle, tmp_path / "host") == []


def test_a_newer_bundle_takes_over_and_the_old_one_stays(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    root = tmp_path / "host"
    put(make_bundle("3.7.3"), root)
    old = (root / "opt/kubeception/current").readlink()
    changes = put(make_bundle("3.7.4"), root)

    assert len(changes) == 2
    assert (root / "opt/kubeception/current").readlink() != old
    assert (root / "opt/kubeception" / old / "bin/etcd").exists()


def test_what_a_kill_left_is_replaced(make_bundle: MakeBundle, tmp_path: Path) -> None:
    root, bundle = tmp_path / "host", make_bundle("3.7.3")
    left = root / f"opt/kubeception/.{contents.load(bundle).version}.partial/bin/etcd"
    left.parent.mkdir(parents=True)
    left.write_text("half")

    put(bundle, root)

    assert not left.exists()
    contents.verify(root / "opt/kubeception/current")


def test_a_damaged_bundle_never_arrives(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle("3.7.3")
    (bundle / "bin/etcd").write_text("#!/bin/sh\necho etcd version 6.6.6\n")

    with pytest.raises(KubeceptionError, match="the content differs"):
        put(bundle, tmp_path / "host")
    assert not (tmp_path / "host/opt/kubeception/current").exists()


def test_somebody_elses_programs_are_named_and_kept(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    theirs = [tmp_path / "host/opt/cni/bin/bridge", tmp_path / "host/usr/local/bin/etcd"]
    for path in theirs:
        path.parent.mkdir(parents=True)
        path.write_text("theirs")

    with pytest.raises(PreflightError) as caught:
        put(make_bundle("3.7.3"), tmp_path / "host")

    assert [problem.partition(":")[0] for problem in caught.value.problems] == list(
        map(str, theirs)
    )
    assert [path.read_text() for path in theirs] == ["theirs", "theirs"]


def test_a_host_that_somebody_else_is_changing_is_left_alone(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    bundle, root = make_bundle("3.7.3"), tmp_path / "host"

    with lock.hold(root / "run/kubeception/lock", "bootstrap"), pytest.raises(Locked):
        put(bundle, root)
