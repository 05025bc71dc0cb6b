"""What is mounted or linked in a folder that goes is never touched: real mounts, as root."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from tests.api.apart import apart
from tests.fixed import CONFIG
from tests.killed import ended, ratchet
from tests.unit.sessions import session_of

from kubeception.errors import KubeceptionError
from kubeception.host import files, mounts
from kubeception.host.gateway import Host
from kubeception.host.process import run
from kubeception.resources.absent import NoFolder
from kubeception.session import Session

HERE = Host()


def bind(source: Path, point: Path) -> None:
    make(source, point)
    run(["mount", "--bind", source, point])


def disk(point: Path, *options: str) -> None:
    make(point)
    run(["mount", "-t", "tmpfs", *options, "tmpfs", point])


def make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)


def put(*paths: Path) -> None:
    for path in paths:
        make(path.parent)
        path.write_text("theirs")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# A tree is removed


@apart
def test_a_tree_goes_but_for_a_bind_mount_of_the_same_disk(tmp_path: Path) -> None:
    folder, theirs = tmp_path / "folder", tmp_path / "theirs/file"
    put(theirs, folder / "a/b/ours", folder / "z/ours")
    bind(theirs.parent, folder / "a/b/mounted")

    with pytest.raises(KubeceptionError) as failed:
        files.remove_tree(folder)

    assert failed.value.message == f"{folder}/a/b/mounted: is mounted"
    assert theirs.read_text() == "theirs"
    run(["umount", folder / "a/b/mounted"])
    files.remove_tree(folder)
    assert names(tmp_path) == {"theirs"}


@apart
def test_a_tree_that_is_a_mount_itself_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs/file"
    put(theirs)
    bind(theirs.parent, tmp_path / "folder")

    with pytest.raises(KubeceptionError, match="folder: is mounted"):
        files.remove_tree(tmp_path / "folder")

    assert theirs.read_text() == "theirs"


@apart
def test_a_file_at_which_another_one_is_mounted_is_named(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs", tmp_path / "folder"
    put(theirs, folder / "sub/file")
    run(["mount", "--bind", theirs, folder / "sub/file"])

    with pytest.raises(KubeceptionError) as failed:
        files.remove_tree(folder)

    assert failed.value.message == f"{folder}/sub/file: device or resource busy"
    assert failed.value.hint == f"fuser -vm {folder}/sub/file"
    assert theirs.read_text() == "theirs"


def test_links_in_a_tree_go_and_what_they_lead_to_stays(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs, folder / "sub/ours")
    (folder / "sub/link").symlink_to(theirs.parent)
    (folder / "sub/dangling").symlink_to("nowhere")

    files.remove_tree(folder)

    assert theirs.read_text() == "theirs"
    assert names(tmp_path) == {"theirs"}


def test_a_tree_may_be_deeper_than_any_path(tmp_path: Path) -> None:
    before = os.open(".", os.O_RDONLY)
    try:
        (tmp_path / "folder").mkdir()
        os.chdir(tmp_path / "folder")
        for _ in range(3000):
            Path("deep").mkdir()
            os.chdir("deep")
        Path("file").touch()
    finally:
        os.chdir(before)
        os.close(before)

    files.remove_tree(tmp_path / "folder")

    assert names(tmp_path) == set()


@apart
def test_a_folder_with_a_mount_in_it_is_not_even_put_away(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs, folder / "sub/ours")
    (tmp_path / "link").symlink_to(".")
    bind(theirs.parent, folder / "sub/mounted")

    with pytest.raises(KubeceptionError, match="sub/mounted: something is mounted"):
        files.discard(tmp_path / "link/folder")

    assert names(tmp_path) == {"folder", "theirs", "link"}
    assert names(folder / "sub") == {"ours", "mounted"}


@apart
def test_what_a_killed_run_put_away_with_a_mount_in_it_stays(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs, folder / "ours")
    bind(theirs.parent, files.unfinished(folder) / "mounted")

    with pytest.raises(KubeceptionError, match="something is mounted"):
        files.discard(folder)

    assert theirs.read_text() == "theirs"
    assert (folder / "ours").exists()


# What is mounted below a folder is unmounted


@apart
def test_all_below_a_folder_is_unmounted_and_nothing_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for name in (
        "a",
        "a/b",
        "a/b/c",
        "a b",
        "n\nl\r",
        "back\\040slash",
        "x (deleted)",
        "-o",
        "é\udcff",
    ):
        disk(folder / name)
    disk(folder / "a/b")  # over the other one, which still has c in it
    disk(folder / "hidden/below")
    disk(folder / "hidden")
    disk(tmp_path / "folder2")
    gone = tmp_path / "gone"
    bind(gone, folder / "of a source that is gone")
    gone.rmdir()

    mounts.unmount(HERE, folder)

    assert mounts.points(tmp_path) == [tmp_path / "folder2"]


@apart
def test_what_is_mounted_in_the_users_folder_stays_mounted_there(tmp_path: Path) -> None:
    """A bind mount of a folder gets what is mounted in the folder, and hands back what is not."""
    disk(tmp_path)
    run(["mount", "--make-shared", tmp_path])
    theirs, folder = tmp_path / "theirs", tmp_path / "folder"
    bind(theirs, folder / "bound")
    disk(theirs / "disk")
    put(theirs / "disk/file")
    assert (folder / "bound/disk/file").exists()

    mounts.unmount(HERE, folder)

    assert mounts.points(folder) == []
    assert (theirs / "disk/file").read_text() == "theirs"


@apart
def test_a_disk_over_a_folder_that_is_bound_is_named_and_stays(tmp_path: Path) -> None:
    disk(tmp_path)
    run(["mount", "--make-shared", tmp_path])
    theirs, folder = tmp_path / "theirs", tmp_path / "folder"
    bind(theirs, folder / "bound")
    disk(theirs)
    put(theirs / "file")

    with pytest.raises(KubeceptionError) as failed:
        mounts.unmount(HERE, folder)

    assert failed.value.message == (
        f"{folder}/bound: what is mounted over it is mounted at {theirs}, too"
    )
    assert (theirs / "file").read_text() == "theirs"
    run(["umount", theirs])
    mounts.unmount(HERE, folder)
    assert mounts.points(tmp_path) == [tmp_path]


@apart
def test_a_busy_mount_is_named_and_goes_once_it_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    disk(folder / "a/busy\n")
    disk(folder / "a/idle")
    handle = os.open(folder / "a/busy\n", os.O_RDONLY)

    with pytest.raises(KubeceptionError) as failed:
        mounts.unmount(HERE, folder)

    named = f"$'{folder}/a/busy\\x0a'"
    assert list(failed.value.lines()) == [
        f"error: {named}: is still mounted: target is busy",
        f"hint: fuser -vm {named}",
    ]
    os.close(handle)
    mounts.unmount(HERE, folder)
    assert mounts.points(folder) == []


@apart
def test_from_a_container_the_host_unmounts_and_the_container_sees_no_more_of_it(
    tmp_path: Path,
) -> None:
    """Nothing is propagated here, so the container would see it for ever."""
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs)
    bind(theirs.parent, folder / "bound")
    disk(folder / "bound/disk")
    root = tmp_path / "root"
    make(root)
    run(["mount", "--rbind", "/", root])
    contained = Host(root, is_contained=True)
    seen = contained.at(folder)
    assert len(mounts.points(seen, contained)) == 2

    with pytest.raises(KubeceptionError) as failed:
        mounts.refuse(seen, contained)
    mounts.unmount(contained, seen)

    assert failed.value.message.startswith(f"{folder}/bound/disk: ")
    assert mounts.points(folder) == mounts.points(seen, contained) == []
    assert theirs.read_text() == "theirs"


# Folders that are wanted gone


def session() -> Session:
    return session_of(Path("/"))


def wanted(folder: NoFolder) -> None:
    if folder.drift(session()):
        folder.apply(session())
    assert folder.drift(session()) is None


@apart
def test_a_mount_of_the_users_in_a_folder_is_named_before_anything_goes(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs, folder / "ours")
    bind(theirs.parent, folder / "mounted")
    (tmp_path / "link").symlink_to(tmp_path)

    with pytest.raises(KubeceptionError) as failed:
        NoFolder(tmp_path / "link/folder").apply(session())

    assert failed.value.hint == f"umount {folder}/mounted, then run this again"
    assert names(folder) == {"ours", "mounted"}
    assert theirs.read_text() == "theirs"


@apart
def test_nothing_goes_of_a_folder_that_stays_while_one_thing_in_it_can_not(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    disk(folder)
    put(folder / "a/ours", folder / "b/ours")
    disk(folder / "b/mounted")

    with pytest.raises(KubeceptionError, match="b/mounted: something is mounted"):
        NoFolder(folder, own=("a", "b")).apply(session())

    assert names(folder / "a") == {"ours"}


def test_a_folder_has_a_file_for_each_container(tmp_path: Path) -> None:
    pattern, identity = "[0-9a-f]" * 64, "0a" * 32
    put(tmp_path / "target" / identity, tmp_path / "target/theirs", tmp_path / "folder" / identity)
    (tmp_path / "link").symlink_to("target")

    for name in ("link", "folder"):
        wanted(NoFolder(tmp_path / name, own=(pattern,)))

    assert names(tmp_path) == {"target", "link"}
    assert names(tmp_path / "target") == {"theirs"}


@pytest.mark.parametrize("kind", ["link", "mount"])
@apart
def test_a_folder_that_is_a_link_or_a_mount_stays_without_what_is_ours(
    tmp_path: Path, kind: str
) -> None:
    folder, target = tmp_path / "folder", tmp_path / "target"
    put(target / "lost+found/x", target / "theirs", target / "member/wal/0.wal", target / "x.sock")
    put(files.unfinished(target / "member") / "file")
    if kind == "link":
        folder.symlink_to("target")
    else:
        bind(target, folder)

    wanted(NoFolder(folder, own=("member", "*.sock")))
    wanted(NoFolder(folder))
    wanted(NoFolder(folder, if_empty=True))

    assert names(target) == names(folder) == {"lost+found", "theirs"}
    (target / "theirs").unlink()
    (target / "lost+found/x").unlink()
    (target / "lost+found").rmdir()
    wanted(NoFolder(folder, if_empty=True))
    assert folder.is_dir()


@apart
def test_what_lies_on_a_disk_of_its_own_goes_and_the_disk_stays(tmp_path: Path) -> None:
    data, fast = tmp_path / "data", tmp_path / "fast"
    put(fast / "0.wal", fast / "lost+found/x", data / "member/snap/db")
    bind(fast, data / "member/wal")

    wanted(NoFolder(data, own=("member", "member/snap", "member/wal")))

    assert names(data / "member") == {"wal"}
    assert names(fast) == {"lost+found"}


@apart
def test_what_the_cluster_mounts_in_a_folder_is_unmounted(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs)
    bind(theirs.parent, folder / "csi/mount")
    bind(theirs.parent, files.unfinished(folder) / "mount")

    wanted(NoFolder(folder, mounts=True))

    assert names(tmp_path) == {"theirs"}
    assert theirs.read_text() == "theirs"


@apart
def test_killed_at_every_step_nothing_of_the_users_is_lost(tmp_path: Path) -> None:
    theirs, folder = tmp_path / "theirs/file", tmp_path / "folder"
    put(theirs, folder / "ours")
    for name in ("a", "b\nb", "a/c"):
        bind(theirs.parent, folder / name)

    def remove() -> None:
        wanted(NoFolder(folder, mounts=True))

    steps = ratchet(remove, log=tmp_path / "log")

    assert len([step for step in steps if step.startswith("unmount")]) == 3
    assert theirs.read_text() == "theirs"
    assert not folder.exists()
    assert mounts.points(tmp_path) == []
    assert ended(remove, at=steps[0]) != -signal.SIGKILL


@apart
def test_from_a_container_links_lead_where_the_host_has_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    make(root / "etc", root / "proc/1")
    (root / "proc/1/mountinfo").touch()
    put(root / "srv/kubelet/plugins/ours", tmp_path / "kubelet/plugins/theirs")
    (root / "var/lib").mkdir(parents=True)
    (root / "var/lib/kubelet").symlink_to("/srv/kubelet")
    host = replace(session_of(root).host, is_contained=True)
    folder = NoFolder(Path("/var/lib/kubelet/plugins"))

    folder.apply(Session(CONFIG, host))

    assert names(root / "srv/kubelet") == set()
    assert (root / "var/lib/kubelet").is_symlink()
